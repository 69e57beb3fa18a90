# SPDX-License-Identifier: Apache-2.0
"""Machines that can wait, but not stop: a dishwasher at night, a washing machine by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from commonwatt_community.hems.devices.device import Task, Window
from commonwatt_community.hems.devices.filling import Part
from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.energy import SLOTS_PER_DAY


class Run(NamedTuple):
    """A programme of so many Wh in each half hour, which begins somewhere in the window and ends in it."""

    window: Window
    programme_wh: tuple[int, ...]

    def at_least_cost(self, parts: Sequence[Sequence[Part]]) -> list[int]:
        """See `Task`: of equally cheap beginnings the first one."""
        last = self.window.slots - len(self.programme_wh)
        best = min(range(last + 1), key=lambda start: (self._cost(parts, start), start))
        return self._begun(best)

    def at_once(self) -> list[int]:
        """See `Task`."""
        return self._begun(0)

    def _begun(self, start: int) -> list[int]:
        after = self.window.slots - start - len(self.programme_wh)
        return [0] * start + list(self.programme_wh) + [0] * after

    def _cost(self, parts: Sequence[Sequence[Part]], start: int) -> int:
        return sum(
            _cost_of(energy_wh, parts[start + place]) for place, energy_wh in enumerate(self.programme_wh)
        )


@dataclass(frozen=True)
class Deferrable:
    """A machine that is filled on some days, at the same time, and must be done some time later."""

    draws: Draws
    programme_wh: tuple[int, ...]
    filled_slot: int
    slots: int
    used_percent: int

    def __call__(self, day: int) -> list[Task]:
        """See `Device`."""
        if self.draws.within(1, 100, day) > self.used_percent:
            return []
        return [Run(Window(day * SLOTS_PER_DAY + self.filled_slot, self.slots), self.programme_wh)]


def dishwasher(draws: Draws) -> Deferrable:
    """Filled at 20:00, done at 7:00."""
    return Deferrable(draws, (600, 150, 400, 50), 40, 22, 80)


def washing_machine(draws: Draws) -> Deferrable:
    """Filled at 8:00, done at 18:00."""
    return Deferrable(draws, (550, 150, 100), 16, 20, 50)


def _cost_of(energy_wh: int, parts: Sequence[Part]) -> int:
    cost = 0
    for part in parts:
        taken_wh = min(energy_wh, part.most_wh)
        cost += taken_wh * part.price_uaud_per_kwh
        energy_wh -= taken_wh
    return cost
