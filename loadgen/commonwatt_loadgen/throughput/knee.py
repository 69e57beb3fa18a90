"""The knee: the highest rate whose 95th percentile stays under the bound, found by doubling and then halving in."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from commonwatt_loadgen.throughput.run import LoadOptions

Json = dict[str, Any]

_FIRST_RATE, _HIGHEST_RATE = 20.0, 20_000.0
_PRECISION = 0.1


def find_knee(options: LoadOptions, run: Callable[[LoadOptions], Json], tell: Callable[[str], None]) -> Json:
    """Summaries of every step and the highest rate that passed its thresholds (0 if none did).

    The last passing and the first failing rate end up within a tenth of each other.
    """
    steps: list[Json] = []

    def passes(rate: float) -> bool:
        summary = run(replace(options, rate=f"constant:{rate:g}", in_flight=0))
        # A network that falls behind shows it in the rate, even before latencies exceed the bound.
        kept_up = summary["committed_per_s"] >= 0.9 * rate
        latency = summary["latency_ms"].get("total", {}).get("p95")
        steps.append(
            {"rate": rate, "passed": summary["passed"] and kept_up, "p95_ms": latency, "summary": summary}
        )
        verdict = "passes" if steps[-1]["passed"] else "fails"
        tell(
            f"{rate:g}/s: {summary['committed_per_s']:.1f} committed/s, p95 {latency or 0:.0f} ms: {verdict}"
        )
        return bool(steps[-1]["passed"])

    good, bad = 0.0, 0.0
    rate = _FIRST_RATE
    while rate <= _HIGHEST_RATE:
        if not passes(rate):
            bad = rate
            break
        good, rate = rate, rate * 2
    while good and bad and (bad - good) / good > _PRECISION:
        middle = round((good + bad) / 2)
        if middle in (good, bad):
            break
        if passes(middle):
            good = middle
        else:
            bad = middle
    return {"knee_per_s": good, "steps": steps}
