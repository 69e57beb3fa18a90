# SPDX-License-Identifier: Apache-2.0
"""A car that comes home in the evening and must be charged when it leaves: energy to be completed in a time range."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from commonwatt_community.hems.devices.device import Task, Window
from commonwatt_community.hems.devices.filling import Bounds, Part, at_once, cheapest
from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.energy import SLOT_MINUTES, SLOTS_PER_DAY

_DRIVEN_PERCENT = 80
_DAYS_WH = (4_000, 12_000)
_COMES = (34, 40)  # from 17:00 to 20:00
_LEAVES = (13, 17)  # from 6:30 to 8:30 of the next day
_NEVER_LIMITED = 10**9


class Charge(NamedTuple):
    """Energy that must have come when the window ends."""

    window: Window
    energy_wh: int
    power_w: int

    def at_least_cost(self, parts: Sequence[Sequence[Part]]) -> list[int]:
        """See `Task`."""
        return cheapest(self._bounds(), parts)

    def at_once(self) -> list[int]:
        """See `Task`."""
        return at_once(self._bounds(), [_NEVER_LIMITED] * self.window.slots)

    def _bounds(self) -> Bounds:
        slots, rate_wh = self.window.slots, self.power_w * SLOT_MINUTES // 60
        energy_wh = min(self.energy_wh, slots * rate_wh)  # a short stay charges what it can
        return Bounds((0,) * (slots - 1) + (energy_wh,), (energy_wh,) * slots, rate_wh)


@dataclass(frozen=True)
class ElectricVehicle:
    """Drawn for each day: whether it was driven and how far, when it comes home, and when it leaves."""

    draws: Draws
    power_w: int = 7_400

    def __call__(self, day: int) -> list[Task]:
        """See `Device`."""
        if self.draws.within(1, 100, day, 0) > _DRIVEN_PERCENT:
            return []
        comes = day * SLOTS_PER_DAY + self.draws.within(*_COMES, day, 1)
        leaves = (day + 1) * SLOTS_PER_DAY + self.draws.within(*_LEAVES, day, 2)
        energy_wh = self.draws.within(*_DAYS_WH, day, 3)
        return [Charge(Window(comes, leaves - comes), energy_wh, self.power_w)]
