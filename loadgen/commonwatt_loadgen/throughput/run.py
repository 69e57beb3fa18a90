"""A throughput test: shares for the workers, their reports merged, thresholds judged."""

import asyncio
import multiprocessing
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from commonwatt_loadgen.errors import UsageFault
from commonwatt_loadgen.network_file import NetworkFile, default_path, read_network_file
from commonwatt_loadgen.simulate.latency import milliseconds, new_histogram
from commonwatt_loadgen.throughput.arrivals import intended_times
from commonwatt_loadgen.throughput.outcomes import COMMITTED, MEANINGS, OUTCOMES
from commonwatt_loadgen.throughput.resources import ResourceSampler
from commonwatt_loadgen.throughput.worker import PHASES, Report, Share, enter, work
from commonwatt_loadgen.throughput.workload import prepare_workload

Json = dict[str, Any]

_PERCENTILES = (50, 90, 95, 99, 99.9, 100)
_LAG_LIMIT_MS = 50.0  # beyond it the generator itself falls behind its schedule


class IncompleteRun(Exception):
    """A worker was lost, or totals don't add up: the figures of the run cannot be trusted."""


@dataclass(frozen=True)
class LoadOptions:
    """How to load the network."""

    rate: str = "constant:50"
    duration_s: float = 30.0
    workers: int = 1
    in_flight: int = 0
    timeout_s: float = 30.0
    p95_s: float = 2.0
    error_percent: float = 0.1
    seed: int = 1
    out: Path = Path("out/load")
    network_file: Path | None = None

    def check(self) -> None:
        """Raise UsageFault for a value that cannot be."""
        for name, value, low, high in (
            ("--duration", self.duration_s, 1, 86_400),
            ("--workers", self.workers, 1, 256),
            ("--in-flight", self.in_flight, 0, 100_000),
            ("--timeout", self.timeout_s, 0.1, 3600),
        ):
            if not low <= value <= high:
                raise UsageFault(f"{name} {value:g}: must be within {low}..{high}")


def load(options: LoadOptions) -> Json:
    """Run the test on the network's first community and return its summary.

    Raises:
        UsageFault: the options or the network file cannot be used.
        IncompleteRun: a worker was lost, or totals don't add up.
    """
    options.check()
    times = intended_times(options.rate, options.duration_s, options.seed)
    if not times:
        raise UsageFault(f"--rate {options.rate}: nothing to send within {options.duration_s:g} s")
    network = read_network_file(options.network_file or default_path())
    workload = asyncio.run(prepare_workload(network, network.communities[0], len(times)))
    shares = [
        Share(
            network.path,
            workload,
            tuple(range(place, len(times), options.workers)),
            tuple(times[place :: options.workers]),
            options.timeout_s,
            -(-options.in_flight // options.workers),
        )
        for place in range(options.workers)
    ]
    with ResourceSampler(network.path.parent) as sampler:
        reports = _reports(shares)
    summary = _summary(options, network, len(times), reports)
    summary["resources"] = sampler.samples
    return summary


def _reports(shares: Sequence[Share]) -> list[Report]:
    try:
        context = multiprocessing.get_context("spawn")
        ready = context.Barrier(len(shares))
        with ProcessPoolExecutor(len(shares), context, initializer=enter, initargs=(ready,)) as pool:
            return list(pool.map(work, shares))
    except (BrokenProcessPool, threading.BrokenBarrierError) as error:
        raise IncompleteRun("a worker process was lost; its transactions are unaccounted for") from error


def _summary(options: LoadOptions, network: NetworkFile, planned: int, reports: Sequence[Report]) -> Json:
    outcomes: Counter[str] = Counter()
    histograms = {name: new_histogram() for name in PHASES}
    seconds: dict[int, list[int]] = {}
    errors: dict[str, str] = {}
    for report in reports:
        outcomes.update(report.outcomes)
        for name, encoded in report.histograms.items():
            histograms[name].add(HdrHistogram.decode(encoded))
        for second, row in report.seconds.items():
            sums = seconds.setdefault(second, [0, 0, 0])
            sums[0], sums[1], sums[2] = sums[0] + row[0], sums[1] + row[1], max(sums[2], row[2])
        errors.update({kind: text for kind, text in report.first_errors.items() if kind not in errors})
    sent = sum(outcomes.values())
    if not options.in_flight and sent != planned:
        raise IncompleteRun(f"{planned} transactions were planned, {sent} are accounted for")
    if histograms["total"].get_total_count() != outcomes[COMMITTED]:
        raise IncompleteRun("latencies and committed transactions do not add up")
    elapsed_s = max(report.ended_s for report in reports)
    lag_ms = milliseconds(histograms["lag"], 99) if not options.in_flight else 0.0
    p95_ms = milliseconds(histograms["total"], 95)
    failed_percent = 100 * (sent - outcomes[COMMITTED]) / sent if sent else 100.0
    thresholds = [
        {
            "name": "p95 latency",
            "limit": f"< {options.p95_s:g} s",
            "value": f"{p95_ms / 1000:.3f} s",
            "met": outcomes[COMMITTED] > 0 and p95_ms < options.p95_s * 1000,
        },
        {
            "name": "error rate",
            "limit": f"< {options.error_percent:g} %",
            "value": f"{failed_percent:.3f} %",
            "met": failed_percent < options.error_percent,
        },
    ]
    return {
        "schema": "commonwatt-load-1",
        "definitions": {
            "outcomes": MEANINGS,
            "total": "ms from the intended send time to the notice of the commit, of committed transactions",
            "endorse": "ms from sending the proposal to all endorsements",
            "order": "ms until the orderer had taken the transaction",
            "commit": "ms until the notice of its commit",
            "lag": "ms that the generator sent after the intended time",
            "seconds": "second of the run, intended, committed, longest latency in ms",
        },
        "run": {
            "rate": options.rate,
            "mode": f"closed loop, {options.in_flight} in flight" if options.in_flight else "open loop",
            "duration_s": options.duration_s,
            "workers": options.workers,
            "network": network.name,
            "backend": network.backend,
        },
        "planned": planned,
        "outcomes": {name: outcomes[name] for name in OUTCOMES},
        "first_errors": errors,
        "elapsed_s": round(elapsed_s, 3),
        "committed_per_s": round(outcomes[COMMITTED] / elapsed_s, 2),
        "latency_ms": {
            name: {f"p{percentile:g}": milliseconds(histogram, percentile) for percentile in _PERCENTILES}
            for name, histogram in histograms.items()
            if histogram.get_total_count()
        },
        "seconds": [[second, *seconds[second]] for second in sorted(seconds)],
        "generator": {
            "cpu_percent_of_a_core": round(100 * sum(report.cpu_s for report in reports) / elapsed_s, 1),
            "lag_p99_ms": lag_ms,
            "was_the_limit": lag_ms > _LAG_LIMIT_MS,
        },
        "thresholds": thresholds,
        "passed": all(one["met"] for one in thresholds),
    }
