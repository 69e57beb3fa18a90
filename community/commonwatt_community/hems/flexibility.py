# SPDX-License-Identifier: Apache-2.0
"""Consumers' disutility: load is moved away from dear hours as far as the discomfort of moving it is worth it.

The paper names a disutility and a range [P_min, P_max] but no formula. Here each half hour's load d may leave
its nominal energy n at a convex cost: the home minimises, day by day,

    sum over half hours of  tou x d  +  coefficient / 2 x (d - n)^2     with  P_min <= d <= P_max,  sum d = sum n

where deviations count as mean power in kW. The minimum has d = n + (level - tou) / coefficient within the bounds, one
`level` for the whole day, which is found by bisection. All of it is integer arithmetic, so a day is the same anywhere.
"""

from dataclasses import dataclass, field, replace
from itertools import accumulate

from commonwatt_chaincode.market.tariff import Tariff, highest_tou, lowest_tou, tou_at

from commonwatt_community.hems.energy import MINUTES_PER_DAY, SLOT_MINUTES, SLOTS_PER_DAY, EnergySource
from commonwatt_community.hems.home import HomeSpec

FLEXIBLE_PERCENT = 30  # P_min and P_max are the nominal power less and plus this
_SLOT_WH_PER_KW = 1000 * SLOT_MINUTES // 60
_DAYS_KEPT = 4


@dataclass(frozen=True)
class MovedDay:
    """A day's load in Wh per half hour, as it would have been and as it is, and the discomfort in nAUD."""

    nominal_wh: tuple[int, ...]
    moved_wh: tuple[int, ...]
    discomfort_naud: int


@dataclass(frozen=True, eq=False)
class FlexibleLoad:
    """A home's use, moved within each day; `coefficient` is µAUD/kWh of marginal discomfort per kW moved."""

    nominal: EnergySource
    tou: Tariff
    coefficient: int
    _days: dict[int, tuple[MovedDay, list[int]]] = field(default_factory=dict, repr=False)

    def day(self, day: int) -> MovedDay:
        """The load of a day, counted from the first simulated one."""
        return self._planned(day)[0]

    def energy_wh(self, start_min: int, end_min: int) -> int:
        """Energy of an interval; intervals that tile a day sum exactly to the day's energy."""
        day, midnight = start_min // MINUTES_PER_DAY, (start_min // MINUTES_PER_DAY + 1) * MINUTES_PER_DAY
        if end_min > midnight:  # a forecast's interval may lie in two days
            return self.energy_wh(start_min, midnight) + self.energy_wh(midnight, end_min)
        first = day * MINUTES_PER_DAY
        return self._until(day, end_min - first) - self._until(day, start_min - first)

    def _until(self, day: int, within: int) -> int:
        """Wh from a day's 0:00 to a minute of it."""
        moved, sums = self._planned(day)
        slot, rest = divmod(within, SLOT_MINUTES)
        part = moved.moved_wh[slot] * rest // SLOT_MINUTES if rest else 0
        return sums[slot] + part

    def _planned(self, day: int) -> tuple[MovedDay, list[int]]:
        if day not in self._days:
            while len(self._days) >= _DAYS_KEPT:
                del self._days[next(iter(self._days))]
            first = day * MINUTES_PER_DAY
            nominal = [
                self.nominal.energy_wh(first + slot * SLOT_MINUTES, first + (slot + 1) * SLOT_MINUTES)
                for slot in range(SLOTS_PER_DAY)
            ]
            prices = [tou_at(self.tou, slot * SLOT_MINUTES) for slot in range(SLOTS_PER_DAY)]
            moved = move(nominal, prices, self.coefficient)
            self._days[day] = moved, [0, *accumulate(moved.moved_wh)]
        return self._days[day]


def move(nominal_wh: list[int], prices: list[int], coefficient: int) -> MovedDay:
    """The load of least cost: `prices` in µAUD/kWh, `coefficient` in µAUD/kWh per kW, positive."""
    low = [energy * (100 - FLEXIBLE_PERCENT) // 100 for energy in nominal_wh]
    high = [energy * (100 + FLEXIBLE_PERCENT) // 100 for energy in nominal_wh]

    def at(level: int) -> list[int]:
        return [
            max(least, min(most, energy + (level - price) * _SLOT_WH_PER_KW // coefficient))
            for energy, price, least, most in zip(nominal_wh, prices, low, high, strict=True)
        ]

    total = sum(nominal_wh)
    reach = coefficient * (max(nominal_wh) + 1) // _SLOT_WH_PER_KW + 1
    below, above = min(prices) - reach, max(prices) + reach
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if sum(at(middle)) <= total else (below, middle)
    moved = at(below)
    rest = total - sum(moved)
    for slot, more in enumerate(at(above)):  # what integers leave over goes to the first slots that may rise
        step = min(rest, max(0, more - moved[slot]))
        moved[slot] += step
        rest -= step
    discomfort = sum(
        coefficient * (new - old) ** 2 // (2 * _SLOT_WH_PER_KW)
        for new, old in zip(moved, nominal_wh, strict=True)
    )
    return MovedDay(tuple(nominal_wh), tuple(moved), discomfort)


def with_flexible_consumers(homes: list[HomeSpec], tou: Tariff, coefficient: int) -> list[HomeSpec]:
    """The same homes, consumers with load that moves; a tariff of one price moves nothing."""
    if highest_tou(tou) == lowest_tou(tou):
        return homes
    return [
        home if home.prosumer else replace(home, usage=FlexibleLoad(home.usage, tou, coefficient))
        for home in homes
    ]
