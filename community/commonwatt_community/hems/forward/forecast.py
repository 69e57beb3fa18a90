# SPDX-License-Identifier: Apache-2.0
"""What a home expects to use less what it expects to generate, in the periods to come.

Periods are named by the local minute of their start, counted from 0:00 of a first day. So the same time yesterday is
1,440 minutes earlier, on days of 23 and 25 hours too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from commonwatt_community.hems.energy import MINUTES_PER_DAY

_DAYS_OF_A_WEEK = 7
_WEEKS = 4


class Past:
    """What the home's meters read, period by period, as far back as its forecast looks."""

    def __init__(self, days: int) -> None:
        self.net_wh: dict[int, int] = {}
        self.last_wh = 0
        self.newest = -1
        """The minute of the latest period; -1 before the first one."""
        self._remembered_min = days * MINUTES_PER_DAY

    @classmethod
    def of(cls, net_wh: Mapping[int, int]) -> "Past":
        """A past that knows these periods, in their order."""
        past = cls(0)
        past.net_wh = dict(net_wh)
        past.newest, past.last_wh = next(reversed(past.net_wh.items()), (-1, 0))
        return past

    def add(self, minute: int, net_wh: int) -> None:
        """Remember the net use of the latest period, and forget what is too old."""
        self.net_wh[minute] = net_wh
        self.last_wh = net_wh
        self.newest = minute
        self.net_wh.pop(minute - self._remembered_min, None)


class PeriodForecast(Protocol):
    """Predicts the net use of periods to come, in Wh.

    `actual` gives what will be metered in a period, which only the perfect forecast may ask.
    """

    days: int
    """How many days of the past it looks at."""

    def expect(self, minutes: Sequence[int], past: Past, actual: Callable[[int], int]) -> list[int]: ...


class Perfect:
    """Knows what will be metered."""

    days = 1

    def expect(self, minutes: Sequence[int], past: Past, actual: Callable[[int], int]) -> list[int]:
        return [actual(minute) for minute in minutes]


class Persistence:
    """All periods to come are like the last one that was metered."""

    days = 1

    def expect(self, minutes: Sequence[int], past: Past, actual: Callable[[int], int]) -> list[int]:
        return [past.last_wh] * len(minutes)


class Yesterday:
    """The period at the same time a day before, or two days before where that is still to come; else persistence."""

    days = 2

    def expect(self, minutes: Sequence[int], past: Past, actual: Callable[[int], int]) -> list[int]:
        known, last_wh = past.net_wh, past.last_wh
        return [
            known.get(minute - MINUTES_PER_DAY, known.get(minute - 2 * MINUTES_PER_DAY, last_wh))
            for minute in minutes
        ]


class WeekdayMean:
    """The mean of the same time on the same weekday of the four weeks before; without any, the same as yesterday."""

    days = _WEEKS * _DAYS_OF_A_WEEK

    def expect(self, minutes: Sequence[int], past: Past, actual: Callable[[int], int]) -> list[int]:
        expected = Yesterday().expect(minutes, past, actual)
        for place, minute in enumerate(minutes):
            weeks = (minute - week * _DAYS_OF_A_WEEK * MINUTES_PER_DAY for week in range(1, _WEEKS + 1))
            known = [past.net_wh[one] for one in weeks if one in past.net_wh]
            if known:
                expected[place] = sum(known) // len(known)
        return expected


PERIOD_FORECASTS: dict[str, Callable[[], PeriodForecast]] = {
    "perfect": Perfect,
    "persistence": Persistence,
    "yesterday": Yesterday,
    "weekday-mean": WeekdayMean,
}
