# SPDX-License-Identifier: Apache-2.0
"""Local days, and the periods that divide them."""

from bisect import bisect_left
from functools import lru_cache
from typing import NamedTuple

DAY_S, DAY_MIN, MINUTE_S = 86_400, 1_440, 60


class Period(NamedTuple):
    """`start_min`, the epoch minute of its start, is its id."""

    start_min: int
    length_min: int

    @property
    def start_s(self) -> int:
        """Epoch seconds."""
        return self.start_min * MINUTE_S

    @property
    def end_s(self) -> int:
        """Epoch seconds of the first instant after it."""
        return self.start_s + self.length_min * MINUTE_S

    def carried_wh(self, power_w: int) -> int:
        """The energy of a constant power."""
        return power_w * self.length_min // 60

    def mean_w(self, energy_wh: int) -> int:
        """The constant power of an energy."""
        return 60 * energy_wh // self.length_min


class Calendar(NamedTuple):
    """A community's UTC offsets by the second from which they count, and its periods' lengths by local day.

    The first of each counts from the start of time.
    """

    offsets: tuple[tuple[int, int], ...]
    lengths: tuple[tuple[int, int], ...]

    def day_at(self, time_s: int) -> int:
        """The local day of an instant: the latest that any instant up to it has reached. A clock put back stays."""
        reached = []
        for place, (begins_s, offset_min) in enumerate(self.offsets):
            if place and begins_s > time_s:
                break
            following = self.offsets[place + 1][0] if place + 1 < len(self.offsets) else time_s + 1
            last_s = min(time_s, following - 1)
            reached.append((last_s + MINUTE_S * offset_min) // DAY_S)
        return max(reached)

    def first_instant(self, day: int) -> int:
        """The first instant of a local day."""
        return _first_instant(self, day)

    def day_length_min(self, day: int) -> int:
        """How long the periods of a local day are."""
        started = [length for from_day, length in self.lengths if from_day <= day]
        return started[-1] if started else self.lengths[0][1]

    def periods(self, day: int) -> tuple[Period, ...]:
        """The periods of a local day."""
        first, end = self.first_instant(day) // MINUTE_S, self.first_instant(day + 1) // MINUTE_S
        length = self.day_length_min(day)
        return tuple(Period(start, length) for start in range(first, end, length))

    def period_at(self, time_s: int) -> Period:
        """The period that holds an instant."""
        day = self.day_at(time_s)
        length, first = self.day_length_min(day), self.first_instant(day) // MINUTE_S
        return Period(first + (time_s // MINUTE_S - first) // length * length, length)

    def period(self, start_min: int) -> Period | None:
        """The period of an id; None where no period starts there."""
        found = self.period_at(start_min * MINUTE_S)
        return found if found.start_min == start_min else None

    def local_minute(self, time_s: int) -> int:
        """The minute of the local day by the offset then in force."""
        started = [offset for begins_s, offset in self.offsets if begins_s <= time_s]
        offset_min = started[-1] if started else self.offsets[0][1]
        return (time_s // MINUTE_S + offset_min) % DAY_MIN


@lru_cache(maxsize=4096)
def _first_instant(calendar: Calendar, day: int) -> int:
    around = range((day - 2) * DAY_S, (day + 3) * DAY_S)
    return around[bisect_left(around, day, key=calendar.day_at)]
