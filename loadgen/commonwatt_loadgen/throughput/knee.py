# SPDX-License-Identifier: Apache-2.0
"""The knee: the highest rate whose 95th percentile stays under the bound, found by doubling and then halving in."""

import time
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

FIRST_RATE = 20.0
_HIGHEST_RATE = 20_000.0
_PRECISION = 0.1
_KEPT_UP = 0.9  # of the intended rate, committed


def find_knee(
    run: Callable[[float], Json],
    tell: Callable[[str], None],
    budget_s: float = 300.0,
    first_rate: float = FIRST_RATE,
    clock: Callable[[], float] = time.monotonic,
) -> Json:
    """Every step, the highest rate that passed its thresholds (0 if none did), and what set the limit.

    `run` loads the network at a rate per second and returns the summary. The last passing and the first failing rate
    end up within a tenth of each other, unless `budget_s` is spent before: no step begins after that.
    `limited_by` is `network`, `generator` (it did not keep its schedule, so the network may do more), `machine` (both
    were kept waiting by it), `time` or `search` (no rate failed).
    """
    steps: list[Json] = []
    started = clock()

    def passes(rate: float) -> bool:
        summary = run(rate)
        # A network that falls behind shows it in the rate, even before latencies exceed the bound.
        kept_up = summary["committed_per_s"] >= _KEPT_UP * rate
        latency = summary["latency_ms"].get("total", {}).get("p95")
        steps.append(
            {"rate": rate, "passed": summary["passed"] and kept_up, "p95_ms": latency, "summary": summary}
        )
        verdict = "passes" if steps[-1]["passed"] else "fails"
        if summary["generator"]["was_the_limit"]:
            verdict += "; the generator was the limit"
        elif summary["generator"]["inconclusive"]:
            verdict += "; inconclusive: this machine was busy"
        tell(
            f"{rate:g}/s: {summary['committed_per_s']:.1f} committed/s, p95 {latency or 0:.0f} ms, generator "
            f"{summary['generator']['cpu_percent_of_a_core']:.0f} % of a core: {verdict}"
        )
        return bool(steps[-1]["passed"])

    good, bad = 0.0, 0.0
    limited_by = "search"
    rate = first_rate
    while rate and rate <= _HIGHEST_RATE:
        if clock() - started > budget_s:
            limited_by = "time"
            break
        if passes(rate):
            good = rate
        else:
            bad = rate
            limited_by = _limit(steps[-1]["summary"]["generator"])
        rate = _next_rate(good, bad)
    return {"knee_per_s": good, "limited_by": limited_by, "steps": steps}


def _limit(generator: Json) -> str:
    if generator["was_the_limit"]:
        return "generator"
    return "machine" if generator["inconclusive"] else "network"


def _next_rate(good: float, bad: float) -> float:
    """Twice the last good rate until one was bad, then halfway between; 0 where that settles it."""
    if not bad:
        return good * 2
    middle = float(round((good + bad) / 2, 0 if bad > FIRST_RATE else 1))
    if not good or (bad - good) / good <= _PRECISION or middle in (good, bad):
        return 0.0
    return middle
