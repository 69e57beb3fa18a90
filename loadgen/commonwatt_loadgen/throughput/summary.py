# SPDX-License-Identifier: Apache-2.0
"""The summary of a throughput test: generators' reports merged, checked against what was planned, and judged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from commonwatt_client.network_file import NetworkFile
from commonwatt_community.market.carrier import WRITTEN
from hdrh.histogram import HdrHistogram

from commonwatt_loadgen.errors import IncompleteRun
from commonwatt_loadgen.simulate.latency import milliseconds, new_histogram
from commonwatt_loadgen.throughput.generator import Share
from commonwatt_loadgen.throughput.measure import INTENDED, LONGEST_MS, PHASES, Report
from commonwatt_loadgen.throughput.options import LoadOptions
from commonwatt_loadgen.throughput.outcomes import COMMITTED, MEANINGS, OUTCOMES

Json = dict[str, Any]

_PERCENTILES = (50, 90, 95, 99, 99.9, 100)
_LAG_LIMIT_MS = 50.0  # beyond it the generator itself falls behind its schedule
_BUSY_PERCENT = 90.0  # of a core: a generator process that can do no more
_BUSY_MACHINE_PERCENT = 85.0  # of all processors: then lag tells of the machine, not of the generator

DEFINITIONS: Json = {
    "schema": "name and version of this layout",
    "definitions": "this list",
    "run": "how the network was loaded: when it began (UTC), what was sent, shape and mode of arrivals, seconds, "
    "generator processes, how they heard of commits, network",
    "planned": "transactions of the schedule; in a closed loop, which has none, those that were sent",
    "unfinished": "transactions that had not ended when the time to send was over; they are in `outcomes` all the same",
    "outcomes": MEANINGS,
    "communities": "by channel: outcomes, and committed transactions per second",
    "first_errors": "by outcome: the first message that was seen",
    "elapsed_s": "from the first intended moment to the last transaction's end",
    "committed_per_s": "committed transactions divided by elapsed_s; nothing else counts as throughput",
    "messages": "of committed batches of signed messages: how many were written, or refused by which code; empty where "
    "transactions carry none",
    "messages_per_s": "messages written divided by elapsed_s",
    "latency_ms": {
        "total": "ms from the intended send time to the notice of the commit, of committed transactions; of a batch of "
        "messages to the later of both organisations' notices",
        "endorse": "ms from sending the proposal to all endorsements",
        "order": "ms until the orderer had taken the transaction",
        "commit": "ms until the notice of its commit",
        "lag": "ms that the generator sent after the intended time",
    },
    "seconds": "second of the run, intended then, committed then, ended otherwise then, longest latency in ms of those "
    "intended then",
    "generator": {
        "cpu_percent_of_a_core": "processor time of all generators divided by elapsed_s",
        "busiest_percent_of_a_core": "the same of the busiest generator",
        "cpu_ms_per_transaction": "processor time of all generators divided by transactions sent",
        "lag_p99_ms": "99th percentile of lag; 0 in a closed loop, which has no intended times",
        "machine_percent": "load of all processors of the machine of the busiest generator, by every process on it",
        "was_the_limit": f"a generator above {_BUSY_PERCENT:g} % of a core, or lag_p99_ms above {_LAG_LIMIT_MS:g} on a "
        "machine that was not busy: the figures tell of the generator, not of the network",
        "inconclusive": f"lag_p99_ms above {_LAG_LIMIT_MS:g} on a machine above {_BUSY_MACHINE_PERCENT:g} %: the "
        "figures tell neither of the generator nor of the network",
    },
    "thresholds": "name, limit, value, and whether it was met; exit code 1 where one is not",
    "passed": "whether all thresholds were met",
    "resources": "by second and process of the network: processor time in percent of a core, resident memory in MB",
    "nodes": "by second and node, from its /metrics: heights by channel, proposals, transactions, blocks, "
    "block_processing_s and broadcasts since it started",
}


def summarize(
    options: LoadOptions,
    network: NetworkFile,
    shares: Sequence[Share],
    reports: Sequence[Report],
    resources: Sequence[Json],
    nodes: Sequence[Json],
    began_at: str,
) -> Json:
    """The summary; see `DEFINITIONS` for its fields.

    Raises:
        IncompleteRun: a report is missing, or totals don't add up.
    """
    communities, outcomes = _outcomes(shares, reports, closed_loop=bool(options.in_flight))
    histograms = _histograms(reports, outcomes)
    sent = outcomes.total()
    elapsed_s = max(report.ended_s for report in reports)
    cpu_s = [report.cpu_s for report in reports]
    lag_ms = milliseconds(histograms["lag"], 99) if not options.in_flight else 0.0
    busiest = 100 * max(cpu_s) / elapsed_s
    machine = reports[cpu_s.index(max(cpu_s))].machine_percent
    full, late, busy = busiest > _BUSY_PERCENT, lag_ms > _LAG_LIMIT_MS, machine > _BUSY_MACHINE_PERCENT
    thresholds = _thresholds(options, outcomes, milliseconds(histograms["total"], 95))
    messages: Counter[str] = Counter()
    for report in reports:
        messages.update(report.messages)
    errors: dict[str, str] = {}
    for report in reports:
        errors = {**report.first_errors, **errors}
    return {
        "schema": "commonwatt-load-4",
        "definitions": DEFINITIONS,
        "run": {
            "began_at": began_at,
            "rate": "as fast as the network takes them" if options.in_flight else options.rate,
            "mode": f"closed loop, {options.in_flight} in flight" if options.in_flight else "open loop",
            "duration_s": options.duration_s,
            "scenario": shares[0].workloads[0].scenario,
            "workers": len(shares),
            "commits_from": "commit status calls" if options.ask_status else "blocks",
            "machines": "Dask" if options.dask else "this one",
            "network": network.name,
            "backend": network.backend,
        },
        "planned": sent if options.in_flight else sum(len(share.numbers) for share in shares),
        "unfinished": sum(report.unfinished for report in reports),
        "outcomes": {name: outcomes[name] for name in OUTCOMES},
        "communities": {
            channel: {
                "committed_per_s": round(counts[COMMITTED] / elapsed_s, 2),
                "outcomes": {name: counts[name] for name in OUTCOMES},
            }
            for channel, counts in communities.items()
        },
        "first_errors": errors,
        "elapsed_s": round(elapsed_s, 3),
        "committed_per_s": round(outcomes[COMMITTED] / elapsed_s, 2),
        "messages": dict(messages),
        "messages_per_s": round(messages[WRITTEN] / elapsed_s, 1),
        "latency_ms": {
            name: {f"p{percentile:g}": milliseconds(histogram, percentile) for percentile in _PERCENTILES}
            for name, histogram in histograms.items()
            if histogram.get_total_count()
        },
        "seconds": _seconds(reports),
        "generator": {
            "cpu_percent_of_a_core": round(100 * sum(cpu_s) / elapsed_s, 1),
            "busiest_percent_of_a_core": round(busiest, 1),
            "cpu_ms_per_transaction": round(1000 * sum(cpu_s) / sent, 2) if sent else 0.0,
            "lag_p99_ms": lag_ms,
            "machine_percent": round(machine, 1),
            "was_the_limit": full or (late and not busy),
            "inconclusive": late and busy and not full,
        },
        "thresholds": thresholds,
        "passed": all(one["met"] for one in thresholds),
        "resources": list(resources),
        "nodes": list(nodes),
    }


def _outcomes(
    shares: Sequence[Share], reports: Sequence[Report], closed_loop: bool
) -> tuple[Mapping[str, Counter[str]], Counter[str]]:
    """Outcomes by community and in all, once each generator's add up to its share."""
    if len(reports) != len(shares):
        raise IncompleteRun(f"{len(shares)} generators were started, {len(reports)} reported")
    communities = {workload.channel: Counter[str]() for workload in shares[0].workloads}
    for place, (share, report) in enumerate(zip(shares, reports, strict=True), 1):
        ended = sum(sum(counts.values()) for counts in report.outcomes.values())
        intended = sum(row[INTENDED] for row in report.seconds.values())
        if ended != intended or (not closed_loop and ended != len(share.numbers)):
            raise IncompleteRun(
                f"generator {place}: {len(share.numbers)} transactions were planned, {intended} sent, "
                f"{ended} are accounted for"
            )
        for channel, counts in report.outcomes.items():
            communities[channel].update(counts)
    outcomes: Counter[str] = Counter()
    for counts in communities.values():
        outcomes.update(counts)
    return communities, outcomes


def _histograms(reports: Sequence[Report], outcomes: Counter[str]) -> dict[str, Any]:
    histograms = {name: new_histogram() for name in PHASES}
    for report in reports:
        for name, encoded in report.histograms.items():
            histograms[name].add(HdrHistogram.decode(encoded))
    measured = histograms["total"].get_total_count()
    if measured != outcomes[COMMITTED]:
        raise IncompleteRun(
            f"{outcomes[COMMITTED]} transactions were committed, but {measured} latencies measured"
        )
    return histograms


def _seconds(reports: Sequence[Report]) -> list[list[int]]:
    rows: dict[int, list[int]] = {}
    for report in reports:
        for second, row in report.seconds.items():
            sums = rows.setdefault(second, [0, 0, 0, 0])
            for place, value in enumerate(row):
                sums[place] = max(sums[place], value) if place == LONGEST_MS else sums[place] + value
    return [[second, *rows[second]] for second in sorted(rows)]


def _thresholds(options: LoadOptions, outcomes: Counter[str], p95_ms: float) -> list[Json]:
    sent = outcomes.total()
    failed_percent = 100 * (sent - outcomes[COMMITTED]) / sent if sent else 100.0
    return [
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
