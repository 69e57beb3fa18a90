# SPDX-License-Identifier: Apache-2.0
"""`commonwatt paper`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
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
    seeds: Annotated[int, typer.Option(help="runs of every point", min=1, max=1000)] = 20,
    processes: Annotated[int, typer.Option(help="processes; 0: one per core", min=0, max=256)] = 0,
    out: Annotated[Path, typer.Option(help="where summary.json, report.html and figures/ go")] = Path(
        "out/paper"
    ),
) -> None:
    """Repeat the paper's experiments in-process, by the chaincode's own rules, and report them."""
    from commonwatt_loadgen.paper.sweeps import (
        cores,
        experiments,
        run_all,
        summary_of,
    )  # numpy is slow to load

    wanted = experiments(seeds)
    started = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task("days", total=len(wanted))
        outcomes = run_all(wanted, processes or cores(), lambda done: bars.update(bar, completed=done))
    summary = summary_of(outcomes, seeds)
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", "utf-8")
    from commonwatt_loadgen.paper.report import paper_page  # matplotlib takes a second to load
    from commonwatt_loadgen.report.figure_files import write_figures
    from commonwatt_loadgen.report.page import render

    page, report = paper_page(summary), out / "report.html"
    report.write_text(render(page), "utf-8")
    write_figures(page, out / "figures")
    _print(summary)
    print(f"{len(wanted):,} days in {time.monotonic() - started:.1f} s; report: {report}")


def _print(summary: Json) -> None:
    for target in summary["targets"]:
        ours = target["ours"]["NSW"]
        verdict = "within" if target["nsw_within_one_spread"] else "NOT within"
        print(
            f"{target['label']}: paper {target['paper']}, ours {ours['mean']:.1f} ± {ours['sd']:.1f}, "
            f"{target['nsw_less_paper']:+.1f} to the paper; our reference {target['reference']['NSW']} "
            f"({verdict} one spread of it)"
        )
