# SPDX-License-Identifier: Apache-2.0
"""A home's use with its devices: planned day by day at the least cost, or running at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from commonwatt_community.hems.devices.deferrable import dishwasher, washing_machine
from commonwatt_community.hems.devices.device import Device, Window
from commonwatt_community.hems.devices.electric_vehicle import ElectricVehicle
from commonwatt_community.hems.devices.filling import Part
from commonwatt_community.hems.devices.hot_water import HotWater
from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.energy import MINUTES_PER_DAY, SLOT_MINUTES, SLOTS_PER_DAY, EnergySource
from commonwatt_community.hems.home import HomeSpec

_DAYS_KEPT = 6
_WITHOUT_END = 10**9


@dataclass(frozen=True)
class Prices:
    """What the grid takes and pays in each half hour of every day, in µAUD per kWh."""

    tou: tuple[int, ...]
    feed_in: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class UseWithDevices:
    """The use of a home with devices.

    The devices of a day are planned one after another, each by the home's own use and generation and what the
    devices before it take of the surplus. `planned` False: they run as soon as they may.
    """

    rest: EnergySource
    generation: EnergySource
    devices: tuple[Device, ...]
    prices: Prices
    planned: bool = True
    _plans: dict[int, dict[int, int]] = field(default_factory=dict, repr=False)  # by day: Wh by slot
    _sums: dict[int, list[int]] = field(
        default_factory=dict, repr=False
    )  # by day: Wh until each of its slots

    def energy_wh(self, start_min: int, end_min: int) -> int:
        """Energy of an interval; the devices' energies of intervals that tile a day sum exactly to the day's."""
        return self.rest.energy_wh(start_min, end_min) + self.device_wh(start_min, end_min)

    def device_wh(self, start_min: int, end_min: int) -> int:
        """What the devices use in an interval."""
        total = 0
        while start_min < end_min:
            day = start_min // MINUTES_PER_DAY
            until = min(end_min, (day + 1) * MINUTES_PER_DAY)
            first = day * MINUTES_PER_DAY
            total += self._until(day, until - first) - self._until(day, start_min - first)
            start_min = until
        return total

    def _until(self, day: int, within: int) -> int:
        sums = self._sums_of(day)
        slot, rest = divmod(within, SLOT_MINUTES)
        return sums[slot] + (sums[slot + 1] - sums[slot]) * rest // SLOT_MINUTES if rest else sums[slot]

    def _sums_of(self, day: int) -> list[int]:
        if day not in self._sums:
            while len(self._sums) >= _DAYS_KEPT:
                del self._sums[next(iter(self._sums))]
            plans = [self._plan(day - 1), self._plan(day)]  # a window may reach into the next day
            slots = range(day * SLOTS_PER_DAY, (day + 1) * SLOTS_PER_DAY)
            self._sums[day] = [
                0,
                *accumulate(sum(plan.get(slot, 0) for plan in plans) for slot in slots),
            ]
        return self._sums[day]

    def _plan(self, day: int) -> dict[int, int]:
        """What the tasks that begin on a day use, by half hour."""
        if day < 0:
            return {}
        if day not in self._plans:
            while len(self._plans) >= _DAYS_KEPT:
                del self._plans[next(iter(self._plans))]
            used: dict[int, int] = {}
            for device in self.devices:
                for task in device(day):
                    energies = (
                        task.at_least_cost(self._parts(task.window, used)) if self.planned else task.at_once()
                    )
                    for slot, energy_wh in enumerate(energies, task.window.first_slot):
                        if energy_wh:
                            used[slot] = used.get(slot, 0) + energy_wh
            self._plans[day] = used
        return self._plans[day]

    def _parts(self, window: Window, used: dict[int, int]) -> list[list[Part]]:
        return [
            self._parts_of(slot, used.get(slot, 0))
            for slot in range(window.first_slot, window.first_slot + window.slots)
        ]

    def _parts_of(self, slot: int, used_wh: int) -> list[Part]:
        begin, end = slot * SLOT_MINUTES, (slot + 1) * SLOT_MINUTES
        surplus_wh = self.generation.energy_wh(begin, end) - self.rest.energy_wh(begin, end) - used_wh
        within = slot % SLOTS_PER_DAY
        parts = [
            Part(max(0, surplus_wh), self.prices.feed_in[within]),
            Part(_WITHOUT_END, self.prices.tou[within]),
        ]
        return sorted(parts, key=lambda part: part.price_uaud_per_kwh)


def with_devices(
    homes: Sequence[HomeSpec],
    prices: Prices,
    seed: int,
    *,
    ev_percent: float = 0,
    hot_water_percent: float = 0,
    deferrable_percent: float = 0,
    planned: bool = True,
) -> list[HomeSpec]:
    """The same homes, so many percent of which have a car, a hot-water tank, and machines that can wait; drawn by
    `seed`.
    """
    having = {
        kind: set(Draws(seed, kind).choice(len(homes), round(len(homes) * percent / 100)))
        for kind, percent in (
            ("ev", ev_percent),
            ("hot-water", hot_water_percent),
            ("deferrable", deferrable_percent),
        )
    }
    made = []
    for place, home in enumerate(homes):
        devices: list[Device] = []
        if place in having["hot-water"]:
            devices.append(HotWater(Draws(seed, "hot-water", home.draws_as)))
        if place in having["deferrable"]:
            devices.append(dishwasher(Draws(seed, "dishwasher", home.draws_as)))
            devices.append(washing_machine(Draws(seed, "washing-machine", home.draws_as)))
        if place in having["ev"]:
            devices.append(ElectricVehicle(Draws(seed, "ev", home.draws_as)))
        if devices:
            use = UseWithDevices(home.usage, home.generation, tuple(devices), prices, planned)
            home = replace(home, usage=use)
        made.append(home)
    return made
