# SPDX-License-Identifier: Apache-2.0
"""Periods: their ids, their lengths, and which of them make up a local day."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ..tariff import DAY_S, MINUTE_S, day_start, local_day

LENGTHS_MIN = (1, 5, 15, 30, 60)
CLOCK_ERROR_OF_1_MIN_S = 10
"""Periods of one minute ask for clocks at least as good as this."""

Offsets = Sequence[tuple[int, int]]
"""(from when in epoch seconds, minutes east of UTC), in order; the first counts before its start too."""

Lengths = Sequence[tuple[int, int]]
"""(from which local day, `period_min`), in order; the first counts before its day too."""


class Period(NamedTuple):
    """``id`` is the epoch minute of the start."""

    id: int
    length_min: int

    @property
    def start_s(self) -> int:
        """Epoch seconds."""
        return self.id * MINUTE_S

    @property
    def end_s(self) -> int:
        """Epoch seconds; the period does not include it."""
        return (self.id + self.length_min) * MINUTE_S

    def energy_wh(self, power_w: int) -> int:
        """What a power carries in the period, rounded down."""
        return power_w * self.length_min // 60

    def mean_w(self, energy_wh: int) -> int:
        """The mean power of an energy in the period, rounded down."""
        return energy_wh * 60 // self.length_min


class Registration(NamedTuple):
    """A home takes part from one period's id on, until before another's; None: until ``end_home``."""

    home: str
    from_period: int
    to_period: int | None = None


def registered(registrations: Sequence[Registration], period_id: int) -> tuple[str, ...]:
    """The homes that a period settles, sorted."""
    return tuple(
        sorted(
            {
                one.home
                for one in registrations
                if one.from_period <= period_id and (one.to_period is None or period_id < one.to_period)
            }
        )
    )


def check_lengths(lengths: Lengths, offsets: Offsets, clock_error_s: int) -> None:
    """ValueError unless each length fits clocks and offsets.

    Local midnights are boundaries. So all offsets agree modulo the length (Nepal's 5:45 and India's 5:30 share no half
    hours), and the offset changes at a boundary.
    """
    for days in (lengths, offsets):
        if not days or any(first[0] >= second[0] for first, second in pairwise(days)):
            raise ValueError("periods: lengths and offsets are lists in order of their start, not empty")
    for _, length_min in lengths:
        if length_min not in LENGTHS_MIN:
            raise ValueError(f"period_min: {length_min} is none of {', '.join(map(str, LENGTHS_MIN))}")
        if length_min == 1 and clock_error_s > CLOCK_ERROR_OF_1_MIN_S:
            raise ValueError(
                f"period_min: 1 asks for clock_error_s <= {CLOCK_ERROR_OF_1_MIN_S}, it is {clock_error_s}"
            )
        if len({offset_min % length_min for _, offset_min in offsets}) > 1:
            raise ValueError(f"period_min: the UTC offsets differ modulo {length_min} minutes")
        for starts_s, offset_min in offsets[1:]:
            if (starts_s + offset_min * MINUTE_S) % (length_min * MINUTE_S):
                raise ValueError(
                    f"period_min: the UTC offset changes within a period of {length_min} minutes"
                )


def length_of_day(day: int, lengths: Lengths) -> int:
    """``period_min`` of a local day."""
    return next((length_min for from_day, length_min in reversed(lengths) if from_day <= day), lengths[0][1])


def periods_of_day(day: int, lengths: Lengths, offsets: Offsets) -> Iterator[Period]:
    """The periods of a local day, in order: 23, 24 or 25 hours of them."""
    length_min = length_of_day(day, lengths)
    starts_s, ends_s = day_start(day, offsets), day_start(day + 1, offsets)
    for start_s in range(starts_s, ends_s, length_min * MINUTE_S):
        yield Period(start_s // MINUTE_S, length_min)


def period_at(time_s: int, lengths: Lengths, offsets: Offsets) -> Period:
    """The period to which an instant belongs."""
    day = local_day(time_s, offsets)
    length_min = length_of_day(day, lengths)
    start_s = day_start(day, offsets)
    return Period((time_s - (time_s - start_s) % (length_min * MINUTE_S)) // MINUTE_S, length_min)


def offset_at(time_s: int, offsets: Offsets) -> int:
    """Minutes east of UTC in force at a time."""
    return next((minutes for starts_s, minutes in reversed(offsets) if starts_s <= time_s), offsets[0][1])


def local_minute_at(period: Period, offsets: Offsets) -> int:
    """Local minute of day (0..1439) at which a period starts."""
    return (period.start_s + offset_at(period.start_s, offsets) * MINUTE_S) % DAY_S // MINUTE_S
