# SPDX-License-Identifier: Apache-2.0
"""What a generator measures: outcomes, latencies by phase, and what happened in each second."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from commonwatt_loadgen.simulate.latency import new_histogram

PHASES = ("total", "endorse", "order", "commit", "lag")
INTENDED, COMMITTED_THEN, FAILED_THEN, LONGEST_MS = range(4)  # fields of a second's row
Row = tuple[int, int, int, int]


@dataclass(frozen=True)
class Report:
    """What one generator measured; histograms are encoded, of microseconds."""

    outcomes: Mapping[str, Mapping[str, int]]  # channel -> class -> transactions
    histograms: Mapping[str, bytes]  # by phase
    seconds: Mapping[int, Row]  # second of the run: intended, committed, not committed, longest in ms
    first_errors: Mapping[str, str]
    cpu_s: float
    ended_s: float
    unfinished: int  # transactions that had not ended when the time to send was over
    machine_percent: float  # mean load of all processors of the generator's machine, by every process on it
    messages: Mapping[str, int] = field(
        default_factory=dict
    )  # of committed batches, by the contract's answer


@dataclass(frozen=True)
class Progress:
    """What a generator tells about once a second while it runs; histograms cover the time since it last told."""

    at_s: float
    sent: int
    outcomes: Mapping[str, int]
    in_flight: int
    cpu_s: float
    latency: bytes
    lag: bytes


@dataclass
class Measurements:
    """Counts and histograms as they grow."""

    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    histograms: dict[str, Any] = field(default_factory=lambda: {name: new_histogram() for name in PHASES})
    recent: dict[str, Any] = field(default_factory=lambda: _recent())
    seconds: dict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0, 0]))
    first_errors: dict[str, str] = field(default_factory=dict)
    messages: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    unfinished: int = 0

    def record(self, phase: str, elapsed_s: float) -> None:
        """Count the length of a phase."""
        elapsed_us = max(1, round(elapsed_s * 1_000_000))
        self.histograms[phase].record_value(elapsed_us)
        if phase in self.recent:
            self.recent[phase].record_value(elapsed_us)

    def progress(self, at_s: float, cpu_s: float) -> Progress:
        """What happened so far; what is recent begins anew."""
        told, self.recent = self.recent, _recent()
        ended = self.ended()
        return Progress(
            at_s,
            self.sent,
            dict(ended),
            self.sent - ended.total(),
            cpu_s,
            told["total"].encode(),
            told["lag"].encode(),
        )

    def ended(self) -> Counter[str]:
        """Transactions that have ended, by outcome."""
        ended: Counter[str] = Counter()
        for counts in self.outcomes.values():
            ended.update(counts)
        return ended

    def report(self, ended_s: float, cpu_s: float, machine_percent: float) -> Report:
        """Everything, when all transactions have ended."""
        return Report(
            {channel: dict(counts) for channel, counts in self.outcomes.items()},
            {name: histogram.encode() for name, histogram in self.histograms.items()},
            {second: (row[0], row[1], row[2], row[3]) for second, row in self.seconds.items()},
            dict(self.first_errors),
            cpu_s,
            ended_s,
            self.unfinished,
            machine_percent,
            dict(self.messages),
        )


def _recent() -> dict[str, Any]:
    return {"total": new_histogram(), "lag": new_histogram()}
