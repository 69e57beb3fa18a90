# SPDX-License-Identifier: Apache-2.0
"""From running totals to periods: what the registers moved between the two ends of each one.

A total at a period's end lies between two counts that are close to each other. Where they are further apart nobody
knows how the energy was spread: there is no reading, and the totals of the readings around the gap say how much it was.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from commonwatt_chaincode.market.forward.periods import Period

from .counted import Counted


class Cut(NamedTuple):
    """A period as the meter counted it; the totals are those at its end, the battery's contents those at both ends.

    The totals are None after a time whose energy they do not hold: no operator may settle that gap by them.
    """

    period: Period
    import_wh: int
    export_wh: int
    import_total_wh: int | None
    export_total_wh: int | None
    battery_before_wh: int | None = None
    battery_wh: int | None = None


_ROUNDING_WH = 1e-6  # sums of floats fall short of the whole Wh that they mean


class _End(NamedTuple):
    at_s: int
    import_total_wh: int
    export_total_wh: int
    battery_wh: int | None


class Cutter:
    """Takes counts in order, gives periods.

    `period_at`: the period to which an instant belongs. `longest_s`: how far apart two counts around a period's end may
    be; by default a period's length.
    """

    def __init__(self, period_at: Callable[[int], Period], longest_s: float | None = None) -> None:
        self._period_at = period_at
        self._longest_s = longest_s
        self._last: Counted | None = None
        self._end: _End | None = None
        self._totals_hold = True

    def add(self, counted: Counted) -> Iterator[Cut]:
        """The periods that end between the last count and this one."""
        last, self._last = self._last, counted
        if last is None:
            if counted.at_s == self._period_at(int(counted.at_s)).start_s:
                self._end = _at(int(counted.at_s), counted, counted)
            return
        longest_s = self._longest_s or self._period_at(int(last.at_s)).length_min * 60
        self._totals_hold = self._totals_hold and counted.follows
        if counted.at_s - last.at_s > longest_s or not counted.follows:
            self._end = None
            start_s = self._period_at(int(counted.at_s)).start_s
            if counted.at_s == start_s:
                self._end = _at(start_s, counted, counted)
            return
        period = self._period_at(int(last.at_s))
        while period.end_s <= counted.at_s:
            end = _at(period.end_s, last, counted)
            if self._end is not None and self._end.at_s == period.start_s:
                yield _cut(period, self._end, end, self._totals_hold)
                self._totals_hold = True
            self._end = end
            period = self._period_at(period.end_s)


def _at(time_s: int, before: Counted, after: Counted) -> _End:
    span_s = after.at_s - before.at_s
    share = (time_s - before.at_s) / span_s if span_s else 0.0
    near = after if share >= 0.5 else before
    return _End(
        time_s,
        _between(before.import_total_wh, after.import_total_wh, share),
        _between(before.export_total_wh, after.export_total_wh, share),
        near.battery_wh,
    )


def _between(before_wh: float, after_wh: float, share: float) -> int:
    return int(before_wh + (after_wh - before_wh) * share + _ROUNDING_WH)


def _cut(period: Period, start: _End, end: _End, totals_hold: bool) -> Cut:
    return Cut(
        period,
        end.import_total_wh - start.import_total_wh,
        end.export_total_wh - start.export_total_wh,
        end.import_total_wh if totals_hold else None,
        end.export_total_wh if totals_hold else None,
        start.battery_wh,
        end.battery_wh,
    )
