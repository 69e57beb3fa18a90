# SPDX-License-Identifier: Apache-2.0
"""Forecasts of a home's need in its next interval, the first of the three interfaces of a HEMS."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from commonwatt_community.hems.energy import MINUTES_PER_DAY


class Metered(NamedTuple):
    """What a home's meter read in one interval; minutes count from 0:00 of the first simulated day."""

    start_min: int
    end_min: int
    use_wh: int
    generation_wh: int

    @property
    def net_wh(self) -> int:
        """Use minus generation (equation 4); negative where there is a surplus."""
        return self.use_wh - self.generation_wh


class Forecast(Protocol):
    """Predicts the net use of an interval to come.

    `past` holds the home's metered intervals, oldest first, up to two days of them; `actual` gives what the
    meter will read, which only the perfect forecast may use.
    """

    def net_wh(
        self, start_min: int, end_min: int, past: Sequence[Metered], actual: Callable[[int, int], Metered]
    ) -> int: ...


class Perfect:
    """Knows the trace: reproduces the paper."""

    def net_wh(
        self, start_min: int, end_min: int, past: Sequence[Metered], actual: Callable[[int, int], Metered]
    ) -> int:
        return actual(start_min, end_min).net_wh


class Persistence:
    """The next interval has the mean power of the last one."""

    def net_wh(
        self, start_min: int, end_min: int, past: Sequence[Metered], actual: Callable[[int, int], Metered]
    ) -> int:
        if not past:
            return 0
        last = past[-1]
        return last.net_wh * (end_min - start_min) // (last.end_min - last.start_min)


class Yesterday:
    """The mean power of the interval that covered the same time yesterday; persistence on the first day."""

    def net_wh(
        self, start_min: int, end_min: int, past: Sequence[Metered], actual: Callable[[int, int], Metered]
    ) -> int:
        middle = (start_min + end_min) // 2 - MINUTES_PER_DAY
        for metered in past:
            if metered.start_min <= middle < metered.end_min:
                return metered.net_wh * (end_min - start_min) // (metered.end_min - metered.start_min)
        return Persistence().net_wh(start_min, end_min, past, actual)


FORECASTS: dict[str, Callable[[], Forecast]] = {
    "perfect": Perfect,
    "persistence": Persistence,
    "yesterday": Yesterday,
}
