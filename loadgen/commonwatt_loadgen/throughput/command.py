# SPDX-License-Identifier: Apache-2.0
"""`commonwatt load` and `commonwatt load-max`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from commonwatt_client.command_line import JsonOption, NetworkOption
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import find_network
from commonwatt_client.verbosity import ask_quiet, say
from commonwatt_community.market.carrier import WRITTEN

from commonwatt_loadgen.throughput.options import LoadOptions
from commonwatt_loadgen.throughput.run import load
from commonwatt_loadgen.throughput.search import best_size, best_step, by_batch, search

Json = dict[str, Any]

Rate = Annotated[
    str,
    typer.Option(
        envvar="COMMONWATT_RATE",
        help="Transactions per second: constant:50, poisson:50, step:20,50,100, ramp:10-100, spike:50x4, replay:FILE.",
    ),
]
Duration = Annotated[float, typer.Option(envvar="COMMONWATT_DURATION", help="Seconds that each load lasts.")]
Workers = Annotated[int, typer.Option(envvar="COMMONWATT_WORKERS", help="Generator processes.")]
InFlight = Annotated[
    int, typer.Option(envvar="COMMONWATT_IN_FLIGHT", help="Closed loop: so many at once; 0: open loop.")
]
P95 = Annotated[
    float, typer.Option(envvar="COMMONWATT_P95", help="Threshold: 95th percentile of latency, seconds.")
]
Errors = Annotated[
    float, typer.Option(envvar="COMMONWATT_ERRORS", help="Threshold: transactions not committed, percent.")
]
Timeout = Annotated[float, typer.Option(help="Deadline of each phase, seconds.")]
Seed = Annotated[int, typer.Option(envvar="COMMONWATT_SEED", help="The seed that draws Poisson arrivals.")]
Budget = Annotated[
    float, typer.Option(envvar="COMMONWATT_BUDGET", help="No step begins after so many seconds.")
]
Dask = Annotated[
    str | None,
    typer.Option(
        envvar="COMMONWATT_DASK", help="A Dask scheduler (tcp://host:8786) whose workers are the generators."
    ),
]
AskStatus = Annotated[
    bool,
    typer.Option(
        envvar="COMMONWATT_ASK_STATUS",
        help="Ask for each transaction's commit status, as applications do, rather than read the blocks.",
    ),
]
Scenario = Annotated[
    Literal["readings", "messages"] | None,
    typer.Option(
        envvar="COMMONWATT_SCENARIO",
        help="Transactions: readings (ex_post) or messages (forward: signed, in batches); default: as the market is.",
    ),
]
Batch = Annotated[
    int,
    typer.Option(
        envvar="COMMONWATT_BATCH",
        help="With messages: how many a transaction carries; 0: 500, or as many as the homes send.",
    ),
]
Batches = Annotated[
    str,
    typer.Option(
        envvar="COMMONWATT_BATCHES",
        help="With messages: sizes of batches, as 100,250,500,1000; the highest rate of each is searched; "
        "they share BUDGET.",
    ),
]
Connections = Annotated[
    int,
    typer.Option(
        envvar="COMMONWATT_CONNECTIONS", help="Connections of each generator to each organisation's peer."
    ),
]
Ui = Annotated[
    bool, typer.Option("--ui", envvar="COMMONWATT_UI", help="Show a live page while the test runs.")
]
UiPort = Annotated[
    int, typer.Option(envvar="COMMONWATT_UI_PORT", help="Where the page is served; 0: any free port.")
]
Out = Annotated[Path, typer.Option(help="Where summary.json and report.html go.")]


def load_command(
    rate: Rate = "constant:50",
    duration: Duration = 30.0,
    workers: Workers = 1,
    in_flight: InFlight = 0,
    p95: P95 = 2.0,
    errors: Errors = 0.1,
    timeout: Timeout = 30.0,
    seed: Seed = 1,
    dask: Dask = None,
    ask_status: AskStatus = False,
    scenario: Scenario = None,
    batch: Batch = 0,
    connections: Connections = 1,
    ui: Ui = False,
    ui_port: UiPort = 0,
    out: Out = Path("out/load"),
    as_json: JsonOption = False,
    network_file: NetworkOption = None,
) -> None:
    """Load every community of the network that is up; exit code 1 where a threshold is missed."""
    options = LoadOptions(
        rate,
        duration,
        workers,
        in_flight,
        timeout,
        p95,
        errors,
        seed,
        find_network(network_file),
        dask or None,
        ask_status,
        scenario,
        batch,
        connections,
    )

    options.check()
    ask_quiet(as_json)
    if ui:
        from commonwatt_loadgen.throughput.live import LivePage  # a web server is slow to load

        with LivePage(ui_port) as page:
            say(f"live: {page.url}")
            summary = load(options, page)
            page.finished(summary["passed"])
    else:
        summary = load(options)
    _write(out, summary)
    if as_json:
        print(json.dumps(summary, indent=1, ensure_ascii=False))
    else:
        _print(summary)
    say(f"report: {out / 'report.html'}")
    if not summary["passed"]:
        raise typer.Exit(1)


def _print(summary: Json) -> None:
    total = summary["latency_ms"].get("total", {})
    print(
        f"{summary['outcomes']['committed']:,} of {summary['planned']:,} committed, "
        f"{summary['unfinished']:,} unfinished when the sending ended; "
        f"{summary['committed_per_s']:.1f} tx/s; latency from the intended time p50 {total.get('p50', 0):.0f} ms, "
        f"p95 {total.get('p95', 0):.0f} ms; generator {summary['generator']['cpu_percent_of_a_core']:.0f} % of a core, "
        f"lag p99 {summary['generator']['lag_p99_ms']:.1f} ms"
    )
    _print_messages(summary)
    if summary["generator"]["was_the_limit"]:
        print("the generator was the limit, not the network: use more --workers")
    if summary["generator"]["inconclusive"]:
        print(
            f"inconclusive: this machine was busy ({summary['generator']['machine_percent']:.0f} % of all processors); "
            "run the network or the generator elsewhere, or end what else runs here"
        )
    for one in summary["thresholds"]:
        print(f"{one['name']} {one['value']} ({one['limit']}): {'met' if one['met'] else 'NOT MET'}")


def load_max_command(
    duration: Duration = 8.0,
    workers: Workers = 1,
    p95: P95 = 2.0,
    errors: Errors = 0.1,
    timeout: Timeout = 10.0,
    budget: Budget = 240.0,
    ask_status: AskStatus = False,
    scenario: Scenario = None,
    batch: Batch = 0,
    batches: Batches = "",
    connections: Connections = 1,
    out: Out = Path("out/load-max"),
    as_json: JsonOption = False,
    network_file: NetworkOption = None,
) -> None:
    """Find the highest rate whose latency and errors stay within their thresholds."""
    options = LoadOptions(
        "constant:1",
        duration,
        workers,
        0,
        timeout,
        p95,
        errors,
        network_file=find_network(network_file),
        ask_status=ask_status,
        scenario=scenario,
        batch=batch,
        connections=connections,
    )

    ask_quiet(as_json)
    if sizes := _sizes(batches):
        _by_batch(options, sizes, budget, out, as_json=as_json)
        return
    found = search(options, budget, say)
    best = best_step(found)
    shown = (best or found["steps"][-1])["summary"]
    _write(out, found, shown)
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _print_knee(found, shown, budget, out)
    if best is None:
        raise typer.Exit(1)


def _print_knee(found: Json, shown: Json, budget: float, out: Path) -> None:
    limits = {
        "network": "the network's limit",
        "generator": "the generator's limit, not the network's: use more --workers",
        "machine": "inconclusive: this machine was busy, so neither the network's limit nor the generator's",
        "time": f"as far as {budget:g} s went",
        "search": "no rate failed",
    }
    print(
        f"the knee: {found['knee_per_s']:g} tx/s ({limits[found['limited_by']]}); generator there "
        f"{shown['generator']['cpu_percent_of_a_core']:.0f} % of a core; report of that step: {out / 'report.html'}"
    )
    _print_messages(shown)


def _sizes(batches: str) -> list[int]:
    try:
        return [int(size) for size in batches.split(",")] if batches else []
    except ValueError:
        raise UsageError(f"--batches {batches}: name sizes, as in 100,250,500,1000") from None


def _by_batch(options: LoadOptions, sizes: list[int], budget: float, out: Path, *, as_json: bool) -> None:
    """Search for each size, and say which one is best."""
    for size in sizes:
        replace(options, batch=size).check()
    found = by_batch(options, sizes, budget, say)
    best = best_size(found)
    shown = (best_step(found[best]) if best else None) or found[sizes[-1]]["steps"][-1]
    summary = {"by_batch": {str(size): one for size, one in found.items()}}
    _write(out, summary, shown["summary"])
    if as_json:
        print(json.dumps(summary, indent=1, ensure_ascii=False))
    for size, one in () if as_json else found.items():
        step = best_step(one)
        carried = (
            f"{step['summary']['messages_per_s']:,.0f} messages/s" if step else "no rate keeps the thresholds"
        )
        print(f"batches of {size:,}: {carried}")
    if best is None:
        raise typer.Exit(1)
    say(f"the best size: {best:,}; report of its best step: {out / 'report.html'}")


def _print_messages(summary: Json) -> None:
    if summary["messages"]:
        refused = ", ".join(
            f"{count:,} {code}" for code, count in sorted(summary["messages"].items()) if code != WRITTEN
        )
        print(
            f"{summary['messages'].get(WRITTEN, 0):,} messages written: {summary['messages_per_s']:,.0f} messages/s"
            + (f"; refused: {refused}" if refused else "")
        )


def _write(out: Path, summary: Json, drawn: Json | None = None) -> None:
    """Write the summary and the report that is drawn from it, or from `drawn`, a part of it."""
    from commonwatt_loadgen.throughput.report import load_report  # matplotlib takes a second to load

    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", "utf-8")
        (out / "report.html").write_text(load_report(drawn or summary), "utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}; name another with --out") from error
