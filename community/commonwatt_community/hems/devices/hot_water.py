# SPDX-License-Identifier: Apache-2.0
"""A hot-water tank with an electric heater: hot when water is drawn, and full again at midnight.

The tank holds `room_wh` of heat above the temperature at which it is used. A day's draws and its standing loss take
from it; the heater makes up for them before the tank is empty, and never beyond what it has room for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from commonwatt_community.hems.devices.device import Task, Window
from commonwatt_community.hems.devices.filling import Bounds, Part, at_once, cheapest
from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.energy import SLOT_MINUTES, SLOTS_PER_DAY

_MORNING, _EVENING = (12, 18), (36, 42)  # half hours from 6:00 to 9:00, from 18:00 to 21:00
_SHOWERS = 2
_SHOWER_WH = (1_000, 2_400)
_NEVER_LIMITED = 10**9


class Heating(NamedTuple):
    """What is drawn in each half hour of a day, losses included, from a tank that begins and ends it full."""

    window: Window
    drawn_wh: tuple[int, ...]
    room_wh: int
    power_w: int

    def at_least_cost(self, parts: Sequence[Sequence[Part]]) -> list[int]:
        """See `Task`."""
        return cheapest(self._bounds(), parts)

    def at_once(self) -> list[int]:
        """See `Task`: a thermostat."""
        return at_once(self._bounds(), [_NEVER_LIMITED] * self.window.slots)

    def _bounds(self) -> Bounds:
        drawn = list(accumulate(self.drawn_wh))
        least = [max(0, so_far - self.room_wh) for so_far in drawn]
        return Bounds((*least[:-1], drawn[-1]), tuple(drawn), self.power_w * SLOT_MINUTES // 60)


@dataclass(frozen=True)
class HotWater:
    """Two showers each in the morning and in the evening, drawn for each day, and the tank's standing loss."""

    draws: Draws
    room_wh: int = 8_000
    power_w: int = 3_600
    loss_w: int = 60

    def __call__(self, day: int) -> list[Task]:
        """See `Device`."""
        drawn = [self.loss_w * SLOT_MINUTES // 60] * SLOTS_PER_DAY
        for part, hours in enumerate((_MORNING, _EVENING)):
            for shower in range(_SHOWERS):
                slot = self.draws.within(*hours, day, part, shower, 0)
                drawn[slot] += self.draws.within(*_SHOWER_WH, day, part, shower, 1)
        window = Window(day * SLOTS_PER_DAY, SLOTS_PER_DAY)
        return [Heating(window, tuple(drawn), self.room_wh, self.power_w)]
