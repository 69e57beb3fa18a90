# SPDX-License-Identifier: Apache-2.0
"""The time-of-use tariff (Table 2), and local time of day without a time-zone database."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

MINUTE_S = 60
HOUR_MIN = 60
DAY_MIN = 24 * HOUR_MIN
DAY_S = DAY_MIN * MINUTE_S


@dataclass(frozen=True, slots=True)
class Band:
    """The grid's price from ``from_hour`` (included) to ``to_hour`` (excluded), local time."""

    from_hour: int
    to_hour: int
    price_uaud_per_kwh: int

    def covers(self, minute: int) -> bool:
        """Whether the local minute of day falls in the band."""
        return self.from_hour * HOUR_MIN <= minute < self.to_hour * HOUR_MIN


Tariff = tuple[Band, ...]
"""Bands in order that cover the day from 0 to 24 h without gap."""

TABLE_2: Tariff = (
    Band(0, 7, 177_000),
    Band(7, 14, 277_100),
    Band(14, 20, 541_100),
    Band(20, 22, 277_100),
    Band(22, 24, 177_000),
)


def check_tariff(tariff: Tariff) -> None:
    """ValueError unless the bands cover 0-24 h in order."""
    hour = 0
    for band in tariff:
        if band.from_hour != hour or band.to_hour <= hour:
            raise ValueError(f"tou: a band starts at {band.from_hour} h where {hour} h is due, or is empty")
        hour = band.to_hour
    if hour != 24:
        raise ValueError(f"tou: the bands end at {hour} h, not at 24 h")


def band_at(tariff: Tariff, minute: int) -> Band:
    """The band of a local minute of day (0..1439)."""
    for band in tariff:
        if band.covers(minute):
            return band
    raise ValueError(f"minute {minute} is outside the day")


def tou_at(tariff: Tariff, minute: int) -> int:
    """tou(minute): the grid's price in µAUD per kWh."""
    return band_at(tariff, minute).price_uaud_per_kwh


@lru_cache(maxsize=64)
def tou_by_minute(tariff: Tariff) -> tuple[int, ...]:
    """The grid's price in each of a day's 1,440 local minutes, for those who ask many times."""
    return tuple(tou_at(tariff, minute) for minute in range(DAY_MIN))


def highest_tou(tariff: Tariff) -> int:
    """The dearest band's price."""
    return max(band.price_uaud_per_kwh for band in tariff)


def lowest_tou(tariff: Tariff) -> int:
    """The cheapest band's price."""
    return min(band.price_uaud_per_kwh for band in tariff)


def local_minute(epoch_s: int, utc_offset_min: int) -> int:
    """Local minute of day (0..1439) of a time."""
    return (epoch_s + utc_offset_min * MINUTE_S) % DAY_S // MINUTE_S


def day_start(day: int, offsets: Sequence[tuple[int, int]]) -> int:
    """The first instant whose local day, by the offset then in force, is ``day`` or later.

    ``offsets`` are (from when in epoch seconds, minutes east of UTC), in order; the first counts before its start too.
    A day is thus 23, 24 or 25 hours long where the offset changes by an hour, and days never overlap.
    """
    ends: list[int | None] = [*(starts_at for starts_at, _ in offsets[1:]), None]
    for place, ((starts_at, offset_min), end) in enumerate(zip(offsets, ends, strict=True)):
        begins = day * DAY_S - offset_min * MINUTE_S
        if place:
            begins = max(begins, starts_at)
        if end is None or begins < end:
            return begins
    raise ValueError("a local day needs an offset")


def local_day(time_s: int, offsets: Sequence[tuple[int, int]]) -> int:
    """The local day to which an instant belongs: the one with ``day_start(day) <= time_s < day_start(day + 1)``.

    Local time that is put back across midnight does not return to the day that is over.
    """
    day = (time_s - max(abs(offset_min) for _, offset_min in offsets) * MINUTE_S) // DAY_S
    while day_start(day + 1, offsets) <= time_s:
        day += 1
    return day
