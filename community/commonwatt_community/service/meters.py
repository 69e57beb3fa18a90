# SPDX-License-Identifier: Apache-2.0
"""The service's own figures in Prometheus' text format: counts, and how long messages take to the ledger."""

from collections import Counter
from collections.abc import Mapping

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)


class Meters:
    """Counters since the start. No label names a home."""

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, int]] = Counter()
        self._results: Counter[str] = Counter()
        self._buckets: Counter[float] = Counter()
        self._sum_s = 0.0

    def answered(self, route: str, status: int) -> None:
        """Count an answer."""
        self._answers[route, status] += 1

    def carried(self, result: str, seconds: float) -> None:
        """Count a message that is done, and how long it took from its receipt."""
        self._results[result] += 1
        self._sum_s += seconds
        for most in SECONDS:
            if seconds <= most:
                self._buckets[most] += 1

    def text(self, gauges: Mapping[str, int]) -> str:
        """All figures; `gauges` are those of now, by name."""
        lines = ["# TYPE commonwatt_service_answers_total counter"]
        for (route, status), count in sorted(self._answers.items()):
            labels = f'route="{route}",status="{status}"'
            lines.append(f"commonwatt_service_answers_total{{{labels}}} {count}")
        lines.append("# TYPE commonwatt_service_messages_total counter")
        for result, count in sorted(self._results.items()):
            lines.append(f'commonwatt_service_messages_total{{result="{result}"}} {count}')
        name, total = "commonwatt_service_message_seconds", sum(self._results.values())
        lines.append(f"# TYPE {name} histogram")
        lines += [f'{name}_bucket{{le="{most}"}} {self._buckets[most]}' for most in SECONDS]
        lines += [
            f'{name}_bucket{{le="+Inf"}} {total}',
            f"{name}_sum {self._sum_s:.3f}",
            f"{name}_count {total}",
        ]
        for gauge, value in sorted(gauges.items()):
            lines += [f"# TYPE commonwatt_service_{gauge} gauge", f"commonwatt_service_{gauge} {value}"]
        return "\n".join(lines) + "\n"
