# SPDX-License-Identifier: Apache-2.0
"""The bill for time without a reading: never less than the home used at that hour lately."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .parameters import Parameters
from .tariff import DAY_S, HOUR_MIN, MINUTE_S, local_minute, tou_at

HOUR_S = HOUR_MIN * MINUTE_S
REMEMBERED_S = 28 * DAY_S
"""How far back an estimate looks."""

Dated = tuple[int, Parameters]
"""From when parameters count (epoch seconds); the first of several count before their start too."""


class Used(NamedTuple):
    """A metered interval and what was used in it."""

    start_s: int
    end_s: int
    use_wh: int


class Estimate(NamedTuple):
    """Time without a reading within one local hour, what is billed for it, and the grid's price."""

    start_s: int
    end_s: int
    energy_wh: int
    tou_uaud_per_kwh: int


def gaps(start_s: int, end_s: int, metered: Iterable[Used]) -> Iterator[tuple[int, int]]:
    """The parts of [start_s, end_s) that no interval covers, in order."""
    reached = start_s
    for interval in sorted(metered):
        if interval.start_s >= end_s:
            break
        if interval.start_s > reached:
            yield reached, interval.start_s
        reached = max(reached, interval.end_s)
    if reached < end_s:
        yield reached, end_s


def estimates(
    spans: Iterable[tuple[int, int]], past: Sequence[Used], dated: Sequence[Dated]
) -> tuple[Estimate, ...]:
    """Estimate each hour of the gaps by the highest mean power of an interval that touched that local hour.

    ``past`` are the intervals to look at; without one ``estimate_w`` counts.
    """
    highest_w = _highest_w(past, dated)
    result = []
    for start_s, end_s in spans:
        while start_s < end_s:
            parameters, until_s = _in_force(dated, start_s)
            minute = local_minute(start_s, parameters.utc_offset_min)
            next_hour_s = start_s + HOUR_S - (start_s + parameters.utc_offset_min * MINUTE_S) % HOUR_S
            stop_s = min(end_s, next_hour_s, end_s if until_s is None else until_s)
            power_w = highest_w.get(minute // HOUR_MIN, parameters.estimate_w)
            energy_wh = power_w * (stop_s - start_s) // HOUR_S
            result.append(Estimate(start_s, stop_s, energy_wh, tou_at(parameters.tou, minute)))
            start_s = stop_s
    return tuple(result)


def _highest_w(past: Iterable[Used], dated: Sequence[Dated]) -> dict[int, int]:
    highest: dict[int, int] = {}
    for interval in past:
        power_w = interval.use_wh * HOUR_S // (interval.end_s - interval.start_s)
        parameters, _ = _in_force(dated, interval.start_s)
        offset_s = parameters.utc_offset_min * MINUTE_S
        first, last = (interval.start_s + offset_s) // HOUR_S, (interval.end_s - 1 + offset_s) // HOUR_S
        for hour in {number % 24 for number in range(first, last + 1)}:
            highest[hour] = max(power_w, highest.get(hour, 0))
    return highest


def _in_force(dated: Sequence[Dated], time_s: int) -> tuple[Parameters, int | None]:
    """The parameters that count at a time, and until when."""
    place = max((place for place, (starts_at, _) in enumerate(dated) if starts_at <= time_s), default=0)
    later = [starts_at for starts_at, _ in dated[place + 1 :] if starts_at > time_s]
    return dated[place][1], min(later, default=None)
