# SPDX-License-Identifier: Apache-2.0
"""What settles a home without a reading: at least what it drew at that time lately, and nothing to its credit."""

from collections.abc import Iterable

from ..tariff import DAY_S, local_day
from .periods import Lengths, Offsets, Period, local_minute_at, periods_of_day

REMEMBERED_S = 28 * DAY_S
"""How far back an estimate looks."""


def alike(period: Period, lengths: Lengths, offsets: Offsets) -> list[Period]:
    """The periods that an estimate looks at, the earliest first: those of 28 days that share a local minute with it."""
    minute = local_minute_at(period, offsets)
    day = local_day(period.start_s, offsets)
    return [
        earlier
        for past_day in range(day - REMEMBERED_S // DAY_S - 1, day + 1)
        for earlier in periods_of_day(past_day, lengths, offsets)
        if _remembered(earlier, period)
        and _overlap(minute, period.length_min, local_minute_at(earlier, offsets), earlier.length_min)
    ]


def estimated_import_wh(
    period: Period, past: Iterable[tuple[Period, int]], offsets: Offsets, bought_wh: int, estimate_w: int
) -> int:
    """The highest mean power at this local time in 28 days, else ``estimate_w``, and at least what was bought.

    ``past`` are (period, import in Wh) of measured and substituted readings; those that share a local minute with the
    period count.
    """
    minute = local_minute_at(period, offsets)
    highest_w = max(
        (
            earlier.mean_w(import_wh)
            for earlier, import_wh in past
            if _remembered(earlier, period)
            and _overlap(minute, period.length_min, local_minute_at(earlier, offsets), earlier.length_min)
        ),
        default=estimate_w,
    )
    return max(bought_wh, period.energy_wh(highest_w))


def estimated_export_wh(period: Period, pv_w: int, feed_in: int) -> int:
    """Nothing, but all that the panels can give where feeding in costs money: silence saves no export charge."""
    return period.energy_wh(pv_w) if feed_in < 0 else 0


def _remembered(earlier: Period, period: Period) -> bool:
    return period.start_s - REMEMBERED_S <= earlier.start_s and earlier.end_s <= period.start_s


def _overlap(first: int, first_min: int, second: int, second_min: int) -> bool:
    return first < second + second_min and second < first + first_min
