# SPDX-License-Identifier: Apache-2.0
"""`commonwatt simulate`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from commonwatt_client.command_line import JsonOption, NetworkOption
from commonwatt_client.exit_codes import InterruptedByUser
from commonwatt_client.network_file import default_path, find_network, read_network_file
from commonwatt_client.verbosity import quiet, say
from rich.console import Console

from commonwatt_loadgen.report.units import aud_of
from commonwatt_loadgen.simulate.exclusive import only_simulation, require_writable
from commonwatt_loadgen.simulate.market_choice import FORWARD as FORWARD_MARKET
from commonwatt_loadgen.simulate.market_choice import check_market, require_channels_with
from commonwatt_loadgen.simulate.progress import ProgressBars
from commonwatt_loadgen.trace_options import ColumnsOption, LayoutOption, MetersOption, ZoneOption

if TYPE_CHECKING:
    from commonwatt_loadgen.simulate.run import Json, Progress

FORWARD = "The forward market alone"


def simulate_command(
    homes: Annotated[
        int, typer.Option(envvar="COMMONWATT_HOMES", help="Homes per community; 0: all that the network has.")
    ] = 0,
    days: Annotated[int, typer.Option(envvar="COMMONWATT_DAYS", help="Days to trade.")] = 1,
    seed: Annotated[
        int,
        typer.Option(envvar="COMMONWATT_SEED", help="Equal seeds draw equal homes, intervals and prices."),
    ] = 1,
    share: Annotated[
        float,
        typer.Option(envvar="COMMONWATT_SHARE", help="Percent of the homes that have PV and a battery."),
    ] = 20.0,
    storage: Annotated[
        int, typer.Option(envvar="COMMONWATT_STORAGE", help="Wh of a prosumer's battery.")
    ] = 5000,
    strategy: Annotated[
        list[str] | None, typer.Option(help="Bidding strategy; several are dealt out in turn.")
    ] = None,
    forecast: Annotated[
        str,
        typer.Option(
            envvar="COMMONWATT_FORECAST",
            help="What homes plan by: perfect, persistence, yesterday; forward also weekday-mean, learnt, plug-ins.",
        ),
    ] = "perfect",
    battery: Annotated[
        str,
        typer.Option(
            envvar="COMMONWATT_BATTERY",
            help="Batteries: reserve keeps what saves a purchase later; sell-all; mpc: a linear program; "
            "forward: none, plug-ins.",
        ),
    ] = "reserve",
    spill: Annotated[
        Literal["FEED_IN", "WASTE"] | None,
        typer.Option(
            envvar="COMMONWATT_SPILL",
            help="Surplus without room: FEED_IN (default) is paid, WASTE (the paper's) is not.",
            show_default=False,
        ),
    ] = None,
    market: Annotated[
        Literal["ex_post", "forward"],
        typer.Option(
            envvar="COMMONWATT_MARKET",
            help="The market: ex_post has rounds after each interval, forward has periods ahead.",
        ),
    ] = "ex_post",
    sharing: Annotated[
        Literal["dynamic", "static", "none"] | None,
        typer.Option(
            envvar="COMMONWATT_SHARING",
            help="How neighbours share what contracts leave: dynamic (default), static or none.",
            rich_help_panel=FORWARD,
            show_default=False,
        ),
    ] = None,
    pricing: Annotated[
        str | None,
        typer.Option(
            envvar="COMMONWATT_PRICING",
            help="How contracts are priced: mid_market (default) or uniform; in-process also plug-ins.",
            rich_help_panel=FORWARD,
            show_default=False,
        ),
    ] = None,
    period: Annotated[
        int | None,
        typer.Option(
            envvar="COMMONWATT_PERIOD",
            help="Minutes of a period: 1, 5, 15, 30 (default) or 60.",
            rich_help_panel=FORWARD,
            show_default=False,
        ),
    ] = None,
    feed_in: Annotated[
        list[str] | None,
        typer.Option(
            help="The price of exports, c/kWh (default 10), or FROM-TO=c/kWh by the hour, below 0 a charge; "
            "may be repeated.",
            rich_help_panel=FORWARD,
            show_default=False,
        ),
    ] = None,
    link_fee: Annotated[
        float | None,
        typer.Option(
            help="Communities trade what they leave over; fee of a link, c/kWh.",
            rich_help_panel=FORWARD,
            show_default=False,
        ),
    ] = None,
    link_limit_w: Annotated[
        int | None,
        typer.Option(
            help="What each link between communities carries, in W (default 100,000).",
            rich_help_panel=FORWARD,
            show_default=False,
        ),
    ] = None,
    carbon_quota: Annotated[
        float | None,
        typer.Option(
            help="CO2-e in kg that each home may emit on a day by energy from the grid before it pays.",
            rich_help_panel=FORWARD,
            show_default=False,
        ),
    ] = None,
    carbon_price: Annotated[
        float | None,
        typer.Option(
            help="The price above the quota in c/kg; homes below it share what is paid.",
            rich_help_panel=FORWARD,
            show_default=False,
        ),
    ] = None,
    carbon_intensity: Annotated[
        list[str] | None,
        typer.Option(
            help="What the grid's energy emits, g/kWh (default 660, NSW), or FROM-TO=g/kWh by the hour; "
            "may be repeated.",
            rich_help_panel=FORWARD,
            show_default=False,
        ),
    ] = None,
    local_fee: Annotated[
        float | None,
        typer.Option(help="Network fee on local energy, c/kWh.", rich_help_panel=FORWARD, show_default=False),
    ] = None,
    sharing_keys: Annotated[
        Path | None,
        typer.Option(
            help="JSON file of static keys, {home: ppm}; default: equal ones.", rich_help_panel=FORWARD
        ),
    ] = None,
    envelopes: Annotated[
        Path | None,
        typer.Option(help="CSV file: home,from,to,import_w,export_w.", rich_help_panel=FORWARD),
    ] = None,
    export_limit_w: Annotated[
        int | None,
        typer.Option(help="The most W that each home may export.", rich_help_panel=FORWARD),
    ] = None,
    curtail: Annotated[
        bool | None,
        typer.Option(
            "--curtail",
            help="Panels keep exports within the envelope.",
            rich_help_panel=FORWARD,
            show_default=False,
        ),
    ] = None,
    community_battery: Annotated[
        int | None,
        typer.Option(
            help="Wh of a battery that the community shares; in-process.",
            rich_help_panel=FORWARD,
            show_default=False,
        ),
    ] = None,
    clock_zone: Annotated[
        str | None,
        typer.Option(
            help="Time zone whose clock changes count, as Australia/Sydney.", rich_help_panel=FORWARD
        ),
    ] = None,
    first_day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Date of the first day; default: the traces'.", rich_help_panel=FORWARD
        ),
    ] = None,
    traces: Annotated[
        Path | None,
        typer.Option(
            envvar="COMMONWATT_TRACES",
            help="File, zip or folder of metered homes (docs/traces.md); default: 15 + 3 NSW types.",
        ),
    ] = None,
    layout: LayoutOption = None,
    columns: ColumnsOption = None,
    zone: ZoneOption = None,
    meters: MetersOption = None,
    trace_day: Annotated[
        int, typer.Option(envvar="COMMONWATT_TRACE_DAY", help="Day of the trace file to begin with.")
    ] = 1,
    pv: Annotated[
        Literal["traces", "equation"],
        typer.Option(
            envvar="COMMONWATT_PV",
            help="The source of PV power: traces, or equation (equation 1 under a clear-sky model).",
        ),
    ] = "traces",
    noise: Annotated[
        float, typer.Option(envvar="COMMONWATT_NOISE", help="Percent by which homes differ from their types.")
    ] = 0.0,
    disutility: Annotated[
        float | None,
        typer.Option(
            envvar="COMMONWATT_DISUTILITY",
            help="Consumers move load at this discomfort, c/kWh per kW; default: none does.",
        ),
    ] = None,
    ev: Annotated[
        float, typer.Option(help="Percent of the homes with a car that is charged overnight.")
    ] = 0.0,
    hot_water: Annotated[
        float, typer.Option(help="Percent of the homes with an electric hot-water tank.")
    ] = 0.0,
    deferrable: Annotated[
        float,
        typer.Option(help="Percent of the homes with a dishwasher and a washing machine that can wait."),
    ] = 0.0,
    devices_at_once: Annotated[
        bool,
        typer.Option("--devices-at-once", help="Devices run as soon as they may, and nobody plans them."),
    ] = False,
    storage_from_grid: Annotated[
        bool | None,
        typer.Option(
            envvar="COMMONWATT_STORAGE_FROM_GRID",
            help="Batteries charge from the grid in the cheapest band, too.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option(envvar="COMMONWATT_STRICT", help="Refuse a trace file with any flaw.")
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Folder of summary.json, report.html, tables and figures.")
    ] = Path("out/simulate"),
    as_json: JsonOption = False,
    network_file: NetworkOption = None,
    in_process: Annotated[
        bool,
        typer.Option(
            envvar="COMMONWATT_IN_PROCESS",
            help="Trade by the chaincode's rules in this process, without a network.",
        ),
    ] = False,
    communities: Annotated[int, typer.Option(help="With --in-process: how many communities.")] = 1,
    data: Annotated[
        bool | None,
        typer.Option(
            "--data/--no-data",
            help="Homes, trades, rounds and bills as CSV; default: unless homes x days exceed 10,000.",
        ),
    ] = None,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="The tables as Parquet beside CSV, and --data unless --no-data.")
    ] = False,
    figures: Annotated[
        bool,
        typer.Option("--figures/--no-figures", help="The report's figures as SVG, PNG and PDF in figures/."),
    ] = True,
    new_day: Annotated[
        bool, typer.Option("--new-day", help="Forget an interrupted simulation and begin with a new day.")
    ] = False,
) -> None:
    """Trade days of every community on the network that is up, and report them.

    `--market forward` trades periods ahead instead of rounds after each interval.

    Repeat the command after an interruption: it goes on where it stopped.
    """
    of_forward = {
        "sharing": sharing,
        "pricing": pricing,
        "period": period,
        "feed_in": tuple(feed_in) if feed_in else None,
        "local_fee": local_fee,
        "carbon_quota": carbon_quota,
        "carbon_price": carbon_price,
        "carbon_intensity": tuple(carbon_intensity) if carbon_intensity else None,
        "link_fee": link_fee,
        "link_limit_w": link_limit_w,
        "sharing_keys": sharing_keys,
        "envelopes": envelopes,
        "export_limit_w": export_limit_w,
        "curtail": curtail,
        "community_battery": community_battery,
        "clock_zone": clock_zone,
        "first_day": first_day.date() if first_day else None,
    }
    check_market(
        market,
        {
            "--strategy": strategy,
            "--spill": spill,
            "--disutility": disutility,
            "--storage-from-grid": storage_from_grid,
            "--new-day": new_day or None,
        },
        {f"--{name.replace('_', '-')}": value for name, value in of_forward.items()},
    )
    path = default_path() if in_process else find_network(network_file)
    if not in_process:
        network = read_network_file(path)
        require_channels_with(market, network)

    require_writable(out)

    from commonwatt_loadgen.simulate.options import SimulationOptions
    from commonwatt_loadgen.simulate.run import (
        finished,
        other_is_unfinished,
        simulate,
        simulate_in_process,
        write_summary,
    )
    from commonwatt_loadgen.simulate.tables import require_own_tables

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
        spill=spill or "FEED_IN",
        traces=traces,
        layout=layout,
        columns=columns,
        zone=zone,
        meters=meters,
        trace_day=trace_day,
        strict=strict,
        pv=pv,
        noise_percent=noise,
        disutility=disutility,
        ev_percent=ev,
        hot_water_percent=hot_water,
        deferrable_percent=deferrable,
        devices_at_once=devices_at_once,
        storage_from_grid=storage_from_grid,
        data=True if parquet and data is None else data,
        parquet=parquet,
        out=out,
        network_file=path,
    )
    if market == FORWARD_MARKET:
        from commonwatt_loadgen.forward.command import simulate_forward  # matplotlib is slow to load

        given = {name: value for name, value in of_forward.items() if value is not None}
        simulate_forward(options, given, communities, in_process=in_process, figures=figures, as_json=as_json)
        return
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
    if as_json:
        print(json.dumps(summary, indent=1, ensure_ascii=False))
    else:
        _print(summary, report)


def _with_progress(run: Callable[[Progress], Json], unit: str) -> Json:
    with ProgressBars(Console(stderr=True, quiet=quiet()), unit) as bars:
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
    say(f"report: {report}")
