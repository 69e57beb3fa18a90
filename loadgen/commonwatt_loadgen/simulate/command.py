# SPDX-License-Identifier: Apache-2.0
"""`commonwatt simulate`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from commonwatt_client.exit_codes import InterruptedByUser
from commonwatt_client.network_file import default_path, find_network, read_network_file
from rich.console import Console

from commonwatt_loadgen.report.units import aud_of
from commonwatt_loadgen.simulate.exclusive import only_simulation, require_writable
from commonwatt_loadgen.simulate.progress import ProgressBars

if TYPE_CHECKING:
    from commonwatt_loadgen.simulate.run import Json, Progress


def simulate_command(
    homes: Annotated[
        int, typer.Option(envvar="HOMES", help="homes per community; 0: all that the network has")
    ] = 0,
    days: Annotated[int, typer.Option(envvar="DAYS", help="days to trade")] = 1,
    seed: Annotated[
        int, typer.Option(envvar="SEED", help="equal seeds draw equal homes, intervals and prices")
    ] = 1,
    share: Annotated[
        float, typer.Option(envvar="SHARE", help="percent of the homes that have PV and a battery")
    ] = 20.0,
    storage: Annotated[int, typer.Option(envvar="STORAGE", help="Wh of a prosumer's battery")] = 5000,
    strategy: Annotated[
        list[str] | None, typer.Option(help="bidding strategy; several are dealt out in turn")
    ] = None,
    forecast: Annotated[
        str, typer.Option(envvar="FORECAST", help="perfect, persistence or yesterday")
    ] = "perfect",
    battery: Annotated[
        str,
        typer.Option(
            envvar="BATTERY", help="reserve: keep what saves a purchase later; or sell-all, the paper's"
        ),
    ] = "reserve",
    spill: Annotated[
        str,
        typer.Option(
            envvar="SPILL", help="surplus without room: FEED_IN is paid, WASTE (the paper's) is not"
        ),
    ] = "FEED_IN",
    traces: Annotated[
        Path | None,
        typer.Option(envvar="TRACES", help="Ausgrid, NEM12 or tidy file; default: 15 + 3 NSW types"),
    ] = None,
    trace_day: Annotated[
        int, typer.Option(envvar="TRACE_DAY", help="day of the trace file to begin with")
    ] = 1,
    pv: Annotated[
        str, typer.Option(envvar="PV", help="traces, or equation: equation 1 under a clear-sky model")
    ] = "traces",
    noise: Annotated[
        float, typer.Option(envvar="NOISE", help="percent by which homes differ from their types")
    ] = 0.0,
    disutility: Annotated[
        float | None,
        typer.Option(
            envvar="DISUTILITY",
            help="consumers move load at this discomfort, c/kWh per kW; default: none does",
        ),
    ] = None,
    storage_from_grid: Annotated[
        bool | None,
        typer.Option(
            envvar="STORAGE_FROM_GRID", help="batteries charge from the grid in the cheapest band, too"
        ),
    ] = None,
    strict: Annotated[bool, typer.Option(envvar="STRICT", help="refuse a trace file with any flaw")] = False,
    out: Annotated[Path, typer.Option(help="folder of summary.json, report.html, tables and figures")] = Path(
        "out/simulate"
    ),
    network_file: Annotated[
        str | None,
        typer.Option(
            "--network",
            "--network-file",
            envvar="COMMONWATT_NETWORK",
            help="the network to trade on: a name, or its file; default: that of the folder here",
        ),
    ] = None,
    in_process: Annotated[
        bool,
        typer.Option(envvar="IN_PROCESS", help="by the chaincode's rules in this process, without a network"),
    ] = False,
    communities: Annotated[int, typer.Option(help="communities of --in-process")] = 1,
    data: Annotated[
        bool | None,
        typer.Option(
            "--data/--no-data",
            help="homes, trades, rounds and bills as CSV; default: unless homes x days exceed 10,000",
        ),
    ] = None,
    figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="the report's figures as SVG and PNG in figures/")
    ] = True,
    new_day: Annotated[
        bool, typer.Option("--new-day", help="forget an interrupted simulation and begin with a new day")
    ] = False,
) -> None:
    """Trade days of every community on the network that is up, and report them.

    An interrupted simulation goes on where it stopped when the same is asked for again.
    """
    path = default_path() if in_process else find_network(network_file)
    if not in_process:
        read_network_file(path)

    require_writable(out)

    from commonwatt_loadgen.simulate.data_files import require_own_tables  # numpy is slow to load
    from commonwatt_loadgen.simulate.options import SimulationOptions
    from commonwatt_loadgen.simulate.run import (
        finished,
        other_is_unfinished,
        simulate,
        simulate_in_process,
        write_summary,
    )

    require_own_tables(out)
    options = SimulationOptions(
        seed=seed,
        homes=homes,
        days=days,
        share_percent=share,
        storage_wh=storage,
        strategies=tuple(strategy or ["suggested"]),
        forecast=forecast,
        battery=battery,
        spill=spill,
        traces=traces,
        trace_day=trace_day,
        strict=strict,
        pv=pv,
        noise_percent=noise,
        disutility=disutility,
        storage_from_grid=storage_from_grid,
        data=data,
        out=out,
        network_file=path,
    )
    try:
        if in_process:
            summary = _with_progress(lambda told: simulate_in_process(options, communities, told), "days")
        else:
            with only_simulation(path):
                if new_day:
                    finished(options)
                elif other_is_unfinished(options):
                    sys.stderr.write("An interrupted simulation with other options is left as it is.\n")
                summary = _with_progress(lambda told: asyncio.run(simulate(options, told)), "min")
    except KeyboardInterrupt as interrupt:
        again = "" if in_process else "; the same command goes on from here"
        raise InterruptedByUser(f"interrupted{again}") from interrupt
    write_summary(options, summary)

    from commonwatt_loadgen.report.figure_files import (  # matplotlib takes a second to load
        remove_figures,
        write_figures,
    )
    from commonwatt_loadgen.report.page import render
    from commonwatt_loadgen.report.simulation import simulation_page

    page = simulation_page(summary)
    report = out / "report.html"
    report.write_text(render(page), "utf-8")
    remove_figures(out / "figures")
    if figures:
        write_figures(page, out / "figures")
    if not in_process:
        finished(options)
    _print(summary, report)


def _with_progress(run: Callable[[Progress], Json], unit: str) -> Json:
    with ProgressBars(Console(stderr=True), unit) as bars:
        return run(bars.told)


def _print(summary: Json, report: Path) -> None:
    speed = summary["performance"]
    for community in summary["communities"]:
        totals = community["totals"]
        cost, before = (aud_of(community["homes"], f"{name}_naud") for name in ("amount", "same_equipment"))
        worse = community["key_figures"]["worse_off"]["homes"]
        print(
            f"{community['channel']}: {totals['homes']} homes ({totals['prosumers']} with PV), "
            f"{totals['requests']:,} requests, {totals['offers']:,} offers, {totals['fills']:,} fills; "
            f"{totals['p2p_wh'] / 1000:,.1f} kWh traded ({totals['p2p_percent_of_need']} % of need); "
            f"all homes pay {cost:,.2f} AUD; with the same equipment and no market {before:,.2f} AUD "
            f"({totals['saved_percent']} % saved, {worse or 'no'} home{'' if worse == 1 else 's'} worse off)"
        )
    if speed:
        latency = speed["commit_latency_ms"]
        print(
            f"{speed['transactions']:,} transactions in {speed['elapsed_s']:.1f} s: "
            f"{speed['transactions_per_s']:.1f} tx/s; commit latency p50 {latency['p50']:.0f} ms, "
            f"p95 {latency['p95']:.0f} ms; {speed['retries']} tried again"
        )
    print(f"report: {report}")
