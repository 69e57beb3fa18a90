# SPDX-License-Identifier: Apache-2.0
"""The inputs of a learnt forecast: the calendar, and the same time on the days before.

Minutes are local ones, as in `hems.forward.forecast`: the weekday is known but for its name, which no model needs.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from commonwatt_community.hems.energy import MINUTES_PER_DAY

Floats = NDArray[np.float64]
Minutes = NDArray[np.int64]

DAYS_BACK = 7
WEEKS_BACK = 4
_DAYS_KEPT = 64
_DAYS_AHEAD = 3
_HARMONICS = (1, 2, 3, 4)
_FADES_MIN = (60, 360)  # how long what a home does now says something about what it does next


class Table:
    """The net use that is known, by day and minute of the day; NaN where it is unknown."""

    def __init__(self, net_wh: Mapping[int, int]) -> None:
        """Raises ValueError where nothing is known."""
        if not net_wh:
            raise ValueError("nothing is known of the home's past")
        minutes = np.fromiter(net_wh, np.int64, len(net_wh))
        values = np.fromiter(net_wh.values(), np.float64, len(net_wh))
        self.newest = int(minutes.max())
        self._first_day = self.newest // MINUTES_PER_DAY - _DAYS_KEPT + 1 + _DAYS_AHEAD
        self._wh = np.full((_DAYS_KEPT, MINUTES_PER_DAY), np.nan)
        days, within = np.divmod(minutes, MINUTES_PER_DAY)
        kept = days >= self._first_day
        self._wh[days[kept] - self._first_day, within[kept]] = values[kept]

    def add(self, minute: int, net_wh: int) -> bool:
        """Know one more period, the newest. False where the table has no room for its day."""
        day, within = divmod(minute, MINUTES_PER_DAY)
        if not 0 <= day - self._first_day < len(self._wh):
            return False
        self._wh[day - self._first_day, within] = net_wh
        self.newest = minute
        return True

    def at(self, minutes: Minutes, origins: Minutes) -> Floats:
        """The net use in these minutes as far as it was known when the periods at `origins` were the newest."""
        days, within = np.divmod(minutes, MINUTES_PER_DAY)
        rows = days - self._first_day
        known = (minutes <= origins) & (rows >= 0) & (rows < _DAYS_KEPT)
        return np.where(known, self._wh[np.where(known, rows, 0), within], np.nan)


def usual(table: Table, minutes: Minutes, origins: Minutes) -> Floats:
    """The mean of the same time on the seven days before, as far as known; else what the origin's period came to."""
    now = np.nan_to_num(table.at(origins, origins))
    return _mean_of_days(table, minutes, origins, range(1, DAYS_BACK + 1), now)


def _mean_of_days(
    table: Table, minutes: Minutes, origins: Minutes, days_before: Iterable[int], otherwise: Floats
) -> Floats:
    before = np.stack([table.at(minutes - back * MINUTES_PER_DAY, origins) for back in days_before])
    count = (~np.isnan(before)).sum(axis=0)
    return np.where(count > 0, np.nansum(before, axis=0) / np.maximum(count, 1), otherwise)


def features(table: Table, minutes: Minutes, origins: Minutes) -> Floats:
    """A row for each minute that is to be predicted; `origins` are the newest periods known then."""
    base = usual(table, minutes, origins)
    weeks = range(DAYS_BACK, WEEKS_BACK * DAYS_BACK + 1, DAYS_BACK)
    same_weekday = _mean_of_days(table, minutes, origins, weeks, base)
    day_before = _mean_of_days(table, minutes, origins, (1,), base)
    now = table.at(origins, origins)
    unusual = np.nan_to_num(now - usual(table, origins, origins))
    lead_min = (minutes - origins).astype(np.float64)
    angle = 2 * np.pi * (minutes % MINUTES_PER_DAY) / MINUTES_PER_DAY
    weekday = minutes // MINUTES_PER_DAY % 7
    columns = [base, day_before - base, same_weekday - base]
    columns += [unusual * np.exp(-lead_min / fade_min) for fade_min in _FADES_MIN]
    for harmonic in _HARMONICS:
        columns += [np.sin(harmonic * angle), np.cos(harmonic * angle)]
    columns += [(weekday == day).astype(np.float64) for day in range(7)]
    return np.column_stack(columns)
