# SPDX-License-Identifier: Apache-2.0
"""How long transactions took, by name, in histograms of bounded error."""

from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

_LOWEST_US, _HIGHEST_US, _DIGITS = 1, 600_000_000, 3


def new_histogram() -> Any:
    """A histogram of microseconds up to ten minutes, exact to three digits."""
    return HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)


def milliseconds(histogram: Any, percentile: float) -> float:
    """A percentile of a histogram of microseconds."""
    return round(float(histogram.get_value_at_percentile(percentile)) / 1000, 1)


@dataclass
class Latencies:
    """Committed transactions by name, and how often one was tried again."""

    histograms: dict[str, Any] = field(default_factory=dict)
    retries: int = 0

    def record(self, transaction: str, elapsed_s: float) -> None:
        """Count a committed transaction and the time from its proposal to the notice of its commit."""
        histogram = self.histograms.get(transaction)
        if histogram is None:
            histogram = self.histograms[transaction] = new_histogram()
        histogram.record_value(max(_LOWEST_US, round(elapsed_s * 1_000_000)))

    @property
    def count(self) -> int:
        return sum(histogram.get_total_count() for histogram in self.histograms.values())

    def summary(self, elapsed_s: float) -> dict[str, Any]:
        """The figures of `performance` in a summary."""
        everything = new_histogram()
        for histogram in self.histograms.values():
            everything.add(histogram)
        return {
            "transactions": self.count,
            "elapsed_s": round(elapsed_s, 3),
            "transactions_per_s": round(self.count / elapsed_s, 1) if elapsed_s else 0.0,
            "retries": self.retries,
            "commit_latency_ms": {
                "p50": milliseconds(everything, 50),
                "p95": milliseconds(everything, 95),
                "p99": milliseconds(everything, 99),
                "max": milliseconds(everything, 100),
            },
            "by_transaction": {
                name: {
                    "count": histogram.get_total_count(),
                    "p50_ms": milliseconds(histogram, 50),
                    "p95_ms": milliseconds(histogram, 95),
                    "max_ms": milliseconds(histogram, 100),
                }
                for name, histogram in sorted(self.histograms.items())
            },
        }
