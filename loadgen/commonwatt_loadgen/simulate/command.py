"""`commonwatt simulate`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client import ClientError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from commonwatt_loadgen.errors import UsageFault
from commonwatt_loadgen.network_file import default_path
from commonwatt_loadgen.report.simulation import NAUD_PER_AUD, simulation_report
from commonwatt_loadgen.simulate.calls import Refused
from commonwatt_loadgen.simulate.onledger import Disagreement
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import Json, simulate, write_summary


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
        str, typer.Option(envvar="BATTERY", help="sell-all, or keep what the forecast says is needed")
    ] = "sell-all",
    traces: Annotated[
        Path | None,
        typer.Option(envvar="TRACES", help="Ausgrid, NEM12 or tidy file; default: 15 + 3 NSW types"),
    ] = None,
    trace_day: Annotated[
        int, typer.Option(envvar="TRACE_DAY", help="day of the trace file to begin with")
    ] = 1,
    strict: Annotated[bool, typer.Option(envvar="STRICT", help="refuse a trace file with any flaw")] = False,
    out: Annotated[Path, typer.Option(help="where summary.json and report.html go")] = Path("out/simulate"),
    network_file: Annotated[
        Path | None, typer.Option(help="the network to trade on; default: that of the folder here")
    ] = None,
) -> None:
    """Trade days of every community on the network that is up, and report them."""
    options = SimulationOptions(
        seed=seed,
        homes=homes,
        days=days,
        share_percent=share,
        storage_wh=storage,
        strategies=tuple(strategy or ["suggested"]),
        forecast=forecast,
        battery=battery,
        traces=traces,
        trace_day=trace_day,
        strict=strict,
        out=out,
        network_file=network_file or default_path(),
    )
    try:
        summary = _with_progress(options)
    except UsageFault as fault:
        sys.stderr.write(f"commonwatt simulate: {fault}\n")
        raise typer.Exit(2) from fault
    except (ClientError, Refused, Disagreement) as error:
        sys.stderr.write(f"commonwatt simulate: {error}\n")
        raise typer.Exit(2) from error
    write_summary(options, summary)
    report = out / "report.html"
    report.write_text(simulation_report(summary), "utf-8")
    _print(summary, report)


def _with_progress(options: SimulationOptions) -> Json:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("min"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True))
    tasks: dict[str, TaskID] = {}

    def progress(channel: str, done: int, total: int) -> None:
        if not tasks:
            bars.start()  # not before the first day begins: a refused option is one line
        if channel not in tasks:
            tasks[channel] = bars.add_task(channel, total=total)
        bars.update(tasks[channel], completed=done)

    try:
        return asyncio.run(simulate(options, progress))
    finally:
        if tasks:
            bars.stop()


def _print(summary: Json, report: Path) -> None:
    speed = summary["performance"]
    for community in summary["communities"]:
        totals = community["totals"]
        cost, before = totals["amount_naud"] / NAUD_PER_AUD, totals["traditional_naud"] / NAUD_PER_AUD
        print(
            f"{community['channel']}: {totals['homes']} homes ({totals['prosumers']} with PV), "
            f"{totals['requests']:,} requests, {totals['offers']:,} offers, {totals['fills']:,} fills; "
            f"{totals['p2p_wh'] / 1000:,.1f} kWh traded ({totals['p2p_percent_of_need']} % of need); "
            f"all homes pay {cost:,.2f} AUD instead of {before:,.2f} AUD ({totals['amount_percent']} %)"
        )
    latency = speed["commit_latency_ms"]
    print(
        f"{speed['transactions']:,} transactions in {speed['elapsed_s']:.1f} s: "
        f"{speed['transactions_per_s']:.1f} tx/s; commit latency p50 {latency['p50']:.0f} ms, "
        f"p95 {latency['p95']:.0f} ms; {speed['retries']} tried again"
    )
    print(f"report: {report}")
