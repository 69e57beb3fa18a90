# SPDX-License-Identifier: Apache-2.0
"""Dated tariffs: bands by weekday and holiday, prices per band, local fee, supply and demand charges."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..tariff import DAY_MIN, local_day
from .periods import Offsets, Period, local_minute_at
from .prices import Prices, check_prices

WEEKDAYS = range(7)
"""0 is Sunday, 1 Monday."""


class Band(NamedTuple):
    """Prices from one local minute of day until before another. ``sharing_price`` None: halfway (see ``Prices``)."""

    name: str
    from_min: int
    to_min: int
    tou: int
    feed_in: int
    sharing_price: int | None = None


class Days(NamedTuple):
    """Which days something counts on: weekdays that are no holidays, and holidays if so said."""

    weekdays: tuple[int, ...]
    holidays: bool = False

    def hold(self, day: int, holiday: bool) -> bool:
        """Whether a local day is among them."""
        return self.holidays if holiday else weekday(day) in self.weekdays


class Schedule(NamedTuple):
    """The bands of some days; they cover the day."""

    days: Days
    bands: tuple[Band, ...]


class Demand(NamedTuple):
    """A charge per month on the highest mean import of a period in a window, in µAUD per kW."""

    days: Days
    from_min: int
    to_min: int
    price_uaud_per_kw: int


class Holiday(NamedTuple):
    """A local day that is a holiday, and when the ledger learnt of it."""

    day: int
    published_s: int


@dataclass(frozen=True, slots=True)
class Version:
    """A tariff from a local day on, as published at a time."""

    from_day: int
    published_s: int
    schedules: tuple[Schedule, ...]
    local_fee: int = 0
    supply_naud_per_day: int = 0
    demand: Demand | None = None


class PeriodTariff(NamedTuple):
    """What a period costs, and the band and version that say so."""

    band: Band
    prices: Prices
    version: Version


def weekday(day: int) -> int:
    """The weekday of a local day (days since 1 January 1970, a Thursday): 0 is Sunday, 1 Monday."""
    return (day + 4) % 7


def check_version(version: Version, length_min: int) -> None:
    """ValueError unless every day has one schedule whose bands cover it and whose prices stand in their order.

    Bands change at boundaries of periods of ``length_min``.
    """
    for weekday_number in WEEKDAYS:
        count = sum(weekday_number in schedule.days.weekdays for schedule in version.schedules)
        if count != 1:
            raise ValueError(f"tariff: weekday {weekday_number} has {count} schedules, not 1")
    if (count := sum(schedule.days.holidays for schedule in version.schedules)) != 1:
        raise ValueError(f"tariff: holidays have {count} schedules, not 1")
    for schedule in version.schedules:
        _check_bands(schedule.bands, length_min)
        for band in schedule.bands:
            check_prices(Prices(band.tou, band.feed_in, version.local_fee), band.sharing_price)
    if version.supply_naud_per_day < 0:
        raise ValueError("tariff: the supply charge is negative")
    demand = version.demand
    if demand and (not 0 <= demand.from_min < demand.to_min <= DAY_MIN or demand.price_uaud_per_kw < 0):
        raise ValueError("tariff: the demand charge has an empty window or a negative price")


def _check_bands(bands: Sequence[Band], length_min: int) -> None:
    minute = 0
    for band in bands:
        if band.from_min != minute or band.to_min <= minute:
            raise ValueError(f"tariff: band {band.name[:40]} does not start at minute {minute}, or is empty")
        if band.to_min % length_min:
            raise ValueError(f"tariff: band {band.name[:40]} ends within a period of {length_min} minutes")
        minute = band.to_min
    if minute != DAY_MIN:
        raise ValueError(f"tariff: the bands end at minute {minute}, not at {DAY_MIN}")


def tariff_of(
    period: Period,
    versions: Iterable[Version],
    holidays: Iterable[Holiday],
    offsets: Offsets,
    window_opens_s: int,
) -> PeriodTariff:
    """The tariff of a period's local day, of what was published when its window opened.

    A tariff that is published later never changes a period that homes bid for already. ValueError without a tariff.
    """
    day = local_day(period.start_s, offsets)
    version = version_of(day, versions, window_opens_s)
    holiday = is_holiday(day, holidays, window_opens_s)
    bands = next(one.bands for one in version.schedules if one.days.hold(day, holiday))
    minute = local_minute_at(period, offsets)
    band = next(one for one in bands if one.from_min <= minute < one.to_min)
    return PeriodTariff(band, Prices(band.tou, band.feed_in, version.local_fee), version)


def version_of(day: int, versions: Iterable[Version], known_s: int) -> Version:
    """The version of a local day that was published by a time: the latest start, of two the later published."""
    candidates = [one for one in versions if one.from_day <= day and one.published_s <= known_s]
    if not candidates:
        raise ValueError(f"day {day} has no tariff that was published in time")
    return max(candidates, key=lambda one: (one.from_day, one.published_s))


def is_holiday(day: int, holidays: Iterable[Holiday], known_s: int) -> bool:
    """Whether a local day was known as a holiday by a time."""
    return any(one.day == day and one.published_s <= known_s for one in holidays)
