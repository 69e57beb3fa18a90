# SPDX-License-Identifier: Apache-2.0
"""`commonwatt paper`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from commonwatt_client.command_line import JsonOption
from commonwatt_client.verbosity import quiet, say
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from commonwatt_loadgen.paper.sweeps import Json


def paper_command(
    seeds: Annotated[int, typer.Option(help="Runs of every point.", min=1, max=1000)] = 20,
    processes: Annotated[int, typer.Option(help="Processes; 0: one per core.", min=0, max=256)] = 0,
    out: Annotated[Path, typer.Option(help="Where summary.json, report.html and figures/ go.")] = Path(
        "out/paper"
    ),
    as_json: JsonOption = False,
) -> None:
    """Repeat the paper's experiments in-process, by the chaincode's own rules, and report them."""
    # numpy is slow to load
    from commonwatt_loadgen.paper.futures import futures
    from commonwatt_loadgen.paper.sensitivity import sensitivity_experiments, sensitivity_of
    from commonwatt_loadgen.paper.sweeps import cores, experiments, run_all, summary_of
    from commonwatt_loadgen.paper.thirty_days import DAYS, SHARES_PERCENT, thirty_days

    open_readings = sensitivity_experiments(seeds)
    wanted = list(dict.fromkeys([*experiments(seeds), *open_readings]))
    months = DAYS * len(SHARES_PERCENT)
    started = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True, quiet=quiet())) as bars:
        bar = bars.add_task("days", total=len(wanted) + months)
        outcomes = run_all(wanted, processes or cores(), lambda done: bars.update(bar, completed=done))
        by_days = thirty_days(lambda done: bars.update(bar, completed=len(wanted) + done))
    chosen = set(open_readings)
    summary = {
        **summary_of(outcomes, seeds),
        "sensitivity": sensitivity_of([one for one in outcomes if one.experiment in chosen]),
        "thirty_days": by_days,
        "futures": futures(),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", "utf-8")
    from commonwatt_loadgen.paper.report import paper_page  # matplotlib takes a second to load
    from commonwatt_loadgen.report.figure_files import write_figures
    from commonwatt_loadgen.report.page import render

    page, report = paper_page(summary), out / "report.html"
    report.write_text(render(page), "utf-8")
    write_figures(page, out / "figures")
    if as_json:
        print(json.dumps(summary, indent=1, ensure_ascii=False))
        return
    _print(summary)
    say(f"{len(wanted) + months:,} days in {time.monotonic() - started:.1f} s; report: {report}")


def _print(summary: Json) -> None:
    from commonwatt_loadgen.paper.claims import claims

    for target in summary["targets"]:
        ours = target["ours"]["NSW"]
        verdict = "within" if target["nsw_within_one_spread"] else "NOT within"
        print(
            f"{target['label']}: paper {target['paper']}, ours {ours['mean']:.1f} ± {ours['sd']:.1f}, "
            f"{target['nsw_less_paper']:+.1f} to the paper; our reference {target['reference']['NSW']} "
            f"({verdict} one spread of it)"
        )
    for claim in claims(summary):
        print(f"{claim.claim}: {claim.verdict} ({claim.figure})")
