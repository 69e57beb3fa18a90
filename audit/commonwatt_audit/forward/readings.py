# SPDX-License-Identifier: Apache-2.0
"""Which reading settles a home, what a meter can have counted, and what stands in for a reading."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from .calendar import DAY_MIN, DAY_S, Calendar, Period

MEASURED, SUBSTITUTED, ESTIMATED = "measured", "substituted", "estimated"
HOME, OPERATOR, METER = "home", "operator", "meter"
LOOKED_BACK_S = 28 * DAY_S


class Reading(NamedTuple):
    """What an author says of a home's period, under the version that was open when it came."""

    home: str
    author: str
    quality: str
    seq: int
    version: int
    import_wh: int
    export_wh: int
    import_total_wh: int | None = None
    export_total_wh: int | None = None


def fault_of(reading: Reading, period: Period, connection: dict[str, int], readings_by: str) -> str:
    """Why a reading cannot count; empty where it can."""
    if reading.quality == SUBSTITUTED:
        may = reading.author == OPERATOR
    elif reading.quality == MEASURED:
        may = reading.author == METER or (reading.author == HOME and readings_by != METER)
    else:
        may = False
    if not may:
        return "quality_not_yours"
    given_w = connection["pv_w"] + connection["battery_w"]
    for energy_wh, power_w in (
        (reading.import_wh, connection["connection_w"]),
        (reading.export_wh, given_w),
    ):
        if energy_wh < 0 or energy_wh > most_wh(period, power_w):
            return "impossible_reading"
    for total_wh, energy_wh in (
        (reading.import_total_wh, reading.import_wh),
        (reading.export_total_wh, reading.export_wh),
    ):
        if total_wh is not None and total_wh < energy_wh:
            return "totals_differ"
    return ""


def most_wh(period: Period, power_w: int) -> int:
    """A tenth above what a power carries."""
    return 11 * power_w * period.length_min // (10 * 60)


def counting(readings: Iterable[Reading], version: int) -> Reading | None:
    """The reading of one home's period that settles a version.

    Measured before substituted, the meter before the operator before the home, then the highest seq. The home's own
    words after the first version in which it spoke do not count.
    """
    known = [one for one in readings if one.version <= version]
    spoke = [one.version for one in known if one.author == HOME]
    able = [one for one in known if one.author != HOME or one.version == min(spoke)]
    for quality in (MEASURED, SUBSTITUTED, ESTIMATED):
        for author in (METER, OPERATOR, HOME):
            said = [one for one in able if (one.quality, one.author) == (quality, author)]
            if said:
                return max(said, key=lambda one: (one.seq, one.version))
    return None


def final_quality(quality: str, final: bool) -> str:
    """What an estimate is once its period is final: substituted, for nothing will replace it."""
    return SUBSTITUTED if final and quality == ESTIMATED else quality


def estimated_import_wh(
    calendar: Calendar, period: Period, past: Iterable[tuple[Period, int]], bought_wh: int, estimate_w: int
) -> int:
    """What a home without a reading drew: its highest mean power at this local time in 28 days, or what it bought.

    `past` are its metered periods and their import.
    """
    minutes = _minutes_of_day(calendar, period)
    powers_w = [
        earlier.mean_w(import_wh)
        for earlier, import_wh in past
        if earlier.start_s >= period.start_s - LOOKED_BACK_S and earlier.end_s <= period.start_s
        if not minutes.isdisjoint(_minutes_of_day(calendar, earlier))
    ]
    return max(bought_wh, period.carried_wh(max(powers_w) if powers_w else estimate_w))


def _minutes_of_day(calendar: Calendar, period: Period) -> set[int]:
    first = calendar.local_minute(period.start_s)
    return {(first + minute) % DAY_MIN for minute in range(period.length_min)}


def estimated_export_wh(period: Period, pv_w: int, feed_in: int) -> int:
    """Nothing where feeding in earns, all that the panels can give where it costs."""
    return period.carried_wh(pv_w) if feed_in < 0 else 0


def spread_wh(periods: Sequence[Period], energy_wh: int) -> list[int]:
    """A gap's energy over its minutes: up to each period's end the whole up to there, rounded down."""
    whole_min = sum(one.length_min for one in periods)
    ends = [sum(one.length_min for one in periods[: place + 1]) for place in range(len(periods))]
    reached = [0, *(energy_wh * end // whole_min for end in ends)]
    return [after - before for before, after in pairwise(reached)]


def between_totals_wh(before_total: int, after_total: int, after_own: int) -> int:
    """What a register counted between two readings of which the later counted `after_own` itself."""
    return after_total - after_own - before_total
