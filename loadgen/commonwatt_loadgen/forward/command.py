# SPDX-License-Identifier: Apache-2.0
"""`commonwatt simulate --market forward`: run, report, and say in a few lines what came of it."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from commonwatt_client.exit_codes import InterruptedByUser
from commonwatt_client.verbosity import quiet, say
from rich.console import Console

from commonwatt_loadgen.forward.ledger_run import simulate_forward_on_ledger
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.run import simulate_forward_in_process
from commonwatt_loadgen.report.figure_files import remove_figures, write_figures
from commonwatt_loadgen.report.forward import forward_page
from commonwatt_loadgen.report.page import render
from commonwatt_loadgen.report.units import aud_of
from commonwatt_loadgen.simulate.exclusive import only_simulation
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.progress import ProgressBars
from commonwatt_loadgen.simulate.run import write_summary

Json = dict[str, Any]


def simulate_forward(
    run: SimulationOptions,
    given: Mapping[str, Any],
    communities: int,
    *,
    in_process: bool,
    figures: bool,
    as_json: bool = False,
) -> None:
    """Simulate, write the results to the folder of the options, and print a summary.

    `given` are fields of `ForwardOptions` that differ from their defaults.
    """
    options = ForwardOptions(run=run, **given)
    try:
        with ExitStack() as stack:
            if not in_process:
                stack.enter_context(only_simulation(run.network_file))
            bars = stack.enter_context(ProgressBars(Console(stderr=True, quiet=quiet()), "days"))
            if in_process:
                summary = simulate_forward_in_process(options, communities, bars.told)
            else:
                summary = asyncio.run(simulate_forward_on_ledger(options, bars.told))
    except KeyboardInterrupt as interrupt:
        raise InterruptedByUser("interrupted") from interrupt
    write_summary(run, summary)
    page = forward_page(summary)
    report = run.out / "report.html"
    report.write_text(render(page), "utf-8")
    remove_figures(run.out / "figures")
    if figures:
        write_figures(page, run.out / "figures")
    if as_json:
        print(json.dumps(summary, indent=1, ensure_ascii=False))
    else:
        _print(summary, report)


def _print(summary: Json, report: Path) -> None:
    for community in summary["communities"]:
        totals = community["totals"]
        cost, before = (aud_of(community["homes"], f"{name}_naud") for name in ("amount", "same_equipment"))
        worse = community["key_figures"]["worse_off"]["homes"]
        imbalance = aud_of(community["homes"], "imbalance_naud")
        print(
            f"{community['channel']}: {totals['homes']} homes ({totals['prosumers']} with PV), "
            f"{totals['periods']:,} periods, {totals['requests']:,} requests, {totals['offers']:,} offers; "
            f"{totals['bought_wh'] / 1000:,.1f} kWh by contract and {totals['shared_in_wh'] / 1000:,.1f} kWh shared "
            f"({totals['local_percent_of_import']} % of import); all homes pay {cost:,.2f} AUD, "
            f"{imbalance:,.2f} AUD of it for forecasts that erred; with the same equipment and no market "
            f"{before:,.2f} AUD ({totals['saved_percent']} % saved, {worse or 'no'} "
            f"home{'' if worse == 1 else 's'} worse off)"
        )
        if (carbon := community["carbon"]) is not None:
            emitted = {which: mg / 10**6 for which, mg in carbon["emitted_mg"].items()}
            print(
                f"{community['channel']}: emits {emitted['with']:,.1f} kg of CO2-e from the grid, without the market "
                f"{emitted['without']:,.1f} kg; homes above their quota pay {carbon['paid_naud'] / 10**9:,.2f} AUD, "
                f"those below get {carbon['shared_naud'] / 10**9:,.2f} AUD"
            )
    if (exchange := summary.get("exchange")) is not None:
        gained = exchange["gained_naud"] / 10**9
        print(
            f"exchange: {exchange['traded_wh'] / 1000:,.1f} kWh between communities; homes pay {abs(gained):,.2f} AUD "
            f"{'less' if gained >= 0 else 'more'} than in separate communities"
        )
    speed = summary["performance"]
    if speed:
        latency = speed["commit_latency_ms"]
        print(
            f"{speed['transactions']:,} transactions in {speed['elapsed_s']:.1f} s: "
            f"{speed['transactions_per_s']:.1f} tx/s; commit latency p50 {latency['p50']:.0f} ms, "
            f"p95 {latency['p95']:.0f} ms; {speed['retries']} tried again"
        )
    say(f"report: {report}")
