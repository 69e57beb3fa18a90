# SPDX-License-Identifier: Apache-2.0
"""`commonwatt simulate --market forward`: run, report, and say in a few lines what came of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commonwatt_client.exit_codes import InterruptedByUser, UsageError
from rich.console import Console

from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.run import simulate_forward_in_process
from commonwatt_loadgen.report.figure_files import remove_figures, write_figures
from commonwatt_loadgen.report.forward import forward_page
from commonwatt_loadgen.report.page import render
from commonwatt_loadgen.report.units import aud_of
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
) -> None:
    """Simulate, write the results to the folder of the options, and print a summary.

    `given` are fields of `ForwardOptions` that differ from their defaults.
    """
    options = ForwardOptions(run=run, **given)
    try:
        with ProgressBars(Console(stderr=True), "days") as bars:
            if in_process:
                summary = simulate_forward_in_process(options, communities, bars.told)
            else:
                summary = _on_ledger(options)
    except KeyboardInterrupt as interrupt:
        raise InterruptedByUser("interrupted") from interrupt
    write_summary(run, summary)
    page = forward_page(summary)
    report = run.out / "report.html"
    report.write_text(render(page), "utf-8")
    remove_figures(run.out / "figures")
    if figures:
        write_figures(page, run.out / "figures")
    _print(summary, report)


def _on_ledger(options: ForwardOptions) -> Json:
    """Days on the network that is up: its channels run the forward market, each behind `ForwardMarket`."""
    raise UsageError("--market forward: runs in this process; add --in-process")


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
    print(f"report: {report}")
