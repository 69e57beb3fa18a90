"""`commonwatt load` and `commonwatt load-max`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from commonwatt_client import ClientError

from commonwatt_loadgen.errors import UsageFault
from commonwatt_loadgen.simulate.calls import Refused
from commonwatt_loadgen.throughput.knee import find_knee
from commonwatt_loadgen.throughput.report import load_report
from commonwatt_loadgen.throughput.run import IncompleteRun, LoadOptions, load

Json = dict[str, Any]

Rate = Annotated[
    str,
    typer.Option(
        envvar="RATE", help="constant:50, poisson:50, step:20,50,100, ramp:10-100, spike:50x4, replay:FILE"
    ),
]
Duration = Annotated[float, typer.Option(envvar="DURATION", help="seconds")]
Workers = Annotated[int, typer.Option(envvar="WORKERS", help="generator processes")]
P95 = Annotated[float, typer.Option(envvar="P95", help="threshold: 95th percentile of latency, seconds")]
Errors = Annotated[
    float, typer.Option(envvar="ERRORS", help="threshold: transactions not committed, percent")
]
Timeout = Annotated[float, typer.Option(help="deadline of each phase, seconds")]
Out = Annotated[Path, typer.Option(help="where summary.json and report.html go")]
NetworkPath = Annotated[
    Path | None, typer.Option(help="the network to load; default: that of the folder here")
]


def load_command(
    rate: Rate = "constant:50",
    duration: Duration = 30.0,
    workers: Workers = 1,
    in_flight: Annotated[
        int, typer.Option(envvar="IN_FLIGHT", help="closed loop: so many at once; 0: open loop")
    ] = 0,
    p95: P95 = 2.0,
    errors: Errors = 0.1,
    timeout: Timeout = 30.0,
    seed: Annotated[int, typer.Option(envvar="SEED", help="draws Poisson arrivals")] = 1,
    out: Out = Path("out/load"),
    network_file: NetworkPath = None,
) -> None:
    """Load the network that is up; exit code 1 where a threshold is missed or the run is incomplete."""
    options = LoadOptions(rate, duration, workers, in_flight, timeout, p95, errors, seed, out, network_file)
    summary = _guarded("load", lambda: load(options))
    _write(out, summary, load_report(summary))
    total = summary["latency_ms"].get("total", {})
    print(
        f"{summary['outcomes']['committed']:,} of {summary['planned']:,} committed, "
        f"{summary['committed_per_s']:.1f} tx/s; latency from the intended time p50 {total.get('p50', 0):.0f} ms, "
        f"p95 {total.get('p95', 0):.0f} ms; generator {summary['generator']['cpu_percent_of_a_core']:.0f} % of a core, "
        f"lag p99 {summary['generator']['lag_p99_ms']:.1f} ms"
    )
    for one in summary["thresholds"]:
        print(f"{one['name']} {one['value']} ({one['limit']}): {'met' if one['met'] else 'NOT MET'}")
    print(f"report: {out / 'report.html'}")
    if not summary["passed"]:
        raise typer.Exit(1)


def load_max_command(
    duration: Duration = 8.0,
    workers: Workers = 1,
    p95: P95 = 2.0,
    errors: Errors = 0.1,
    timeout: Timeout = 30.0,
    out: Out = Path("out/load-max"),
    network_file: NetworkPath = None,
) -> None:
    """Find the highest rate whose latency and errors stay within their thresholds."""
    options = LoadOptions(
        "constant:1", duration, workers, 0, timeout, p95, errors, out=out, network_file=network_file
    )
    found = _guarded("load-max", lambda: find_knee(options, load, print))
    best = max(
        (step for step in found["steps"] if step["passed"]), key=lambda step: step["rate"], default=None
    )
    shown = (best or found["steps"][-1])["summary"]
    _write(out, found, load_report(shown))
    print(f"the knee: {found['knee_per_s']:g} tx/s; report of that step: {out / 'report.html'}")
    if best is None:
        raise typer.Exit(1)


def _guarded(verb: str, run: Callable[[], Json]) -> Json:
    try:
        return run()
    except UsageFault as fault:
        sys.stderr.write(f"commonwatt {verb}: {fault}\n")
        raise typer.Exit(2) from fault
    except (IncompleteRun, ClientError, Refused) as error:
        sys.stderr.write(f"commonwatt {verb}: {error}\n")
        raise typer.Exit(1) from error


def _write(out: Path, summary: Json, html: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (out / "report.html").write_text(html, "utf-8")
