# SPDX-License-Identifier: Apache-2.0
"""An operator's words to people: a line for each thing it does, alarms, and figures for a monitor."""

import asyncio
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MOST_ALARMS = 1_000
"""Alarms that wait to be posted, and that are remembered so that each is said once."""


LONGEST_SENTENCE = 500


def shortened(sentence: str) -> str:
    """As much of a sentence as the service takes."""
    return sentence if len(sentence) <= LONGEST_SENTENCE else sentence[: LONGEST_SENTENCE - 1] + "…"


@dataclass(frozen=True)
class Alarm:
    """Something a person should look at; `kind` is stable, `at_s` is market time."""

    kind: str
    sentence: str
    at_s: int
    period: int | None = None
    home: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For `POST /api/v1/operator/alarms`, whose sentences have at most `LONGEST_SENTENCE` characters."""
        said = {"kind": self.kind, "sentence": shortened(self.sentence), "since_s": self.at_s}
        places = {"period": self.period, "home": self.home}
        return said | {name: place for name, place in places.items() if place is not None}


def _print(line: str) -> None:
    print(line, flush=True)


def _warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass
class Telling:
    """Lines to standard output, alarms to standard error, counts for `/metrics`."""

    say: Callable[[str], None] = _print
    warn: Callable[[str], None] = _warn
    clock: Callable[[], float] = time.monotonic
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    gauges: dict[str, float] = field(default_factory=dict)
    waiting: deque[Alarm] = field(default_factory=lambda: deque(maxlen=MOST_ALARMS))
    posted: asyncio.Event = field(default_factory=asyncio.Event)
    _said: dict[tuple[str, int | None, str | None], None] = field(default_factory=dict)
    _ran: dict[str, tuple[float, float]] = field(default_factory=dict)

    def did(self, step: str, line: str) -> None:
        """Count a step that is done, and say it."""
        self.counts["steps", step] += 1
        self.say(line)

    def alarm(self, alarm: Alarm) -> bool:
        """Raise an alarm; the same one of a period and home is raised once. Whether it was new."""
        key = (alarm.kind, alarm.period, alarm.home)
        if key in self._said:
            return False
        self._said[key] = None
        if len(self._said) > MOST_ALARMS:
            del self._said[next(iter(self._said))]
        self.counts["alarms", alarm.kind] += 1
        self.warn(f"ALARM {alarm.kind}: {alarm.sentence}")
        self.waiting.append(alarm)
        self.posted.set()
        return True

    def over(self, kind: str, period: int | None = None, home: str | None = None) -> bool:
        """Let an alarm be raised anew, for its cause is gone. Whether it had been raised."""
        return self._said.pop((kind, period, home), 0) is None

    def ran(self, chore: str, pause_s: float) -> None:
        """Note that a chore did all that was due, and comes again after a pause."""
        self._ran[chore] = (self.clock(), pause_s)

    def ill(self) -> list[str]:
        """The chores that are overdue, in words; none: the operator is well."""
        now = self.clock()
        return [
            f"{chore} did nothing for {int(now - at)} s"
            for chore, (at, pause_s) in self._ran.items()
            if now - at > pause_s + 60
        ]

    def metrics(self) -> str:
        """All figures in Prometheus' text format."""
        lines = []
        for kind, label in (("steps", "step"), ("alarms", "alarm"), ("failures", "chore")):
            lines.append(f"# TYPE commonwatt_operator_{kind}_total counter")
            lines += [
                f'commonwatt_operator_{kind}_total{{{label}="{name}"}} {count}'
                for (of, name), count in sorted(self.counts.items())
                if of == kind
            ]
        gauges = {**self.gauges, "well": float(not self.ill())}
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE commonwatt_operator_{name} gauge", f"commonwatt_operator_{name} {value:g}"]
        return "\n".join(lines) + "\n"
