# SPDX-License-Identifier: Apache-2.0
"""What a home uses and generates through time.

A minute is counted from 0:00 local time of the first day. Energies are whole Wh.
"""

from dataclasses import dataclass
from typing import Protocol

MINUTES_PER_DAY = 1440
SLOT_MINUTES = 30
SLOTS_PER_DAY = MINUTES_PER_DAY // SLOT_MINUTES


class EnergySource(Protocol):
    """Something that uses or generates energy through time."""

    def energy_wh(self, start_min: int, end_min: int) -> int:
        """Energy in Wh from `start_min` to `end_min` (exclusive), rounded half up."""
        ...


@dataclass(frozen=True)
class Silent:
    """No energy at all: the generation of a home without PV."""

    def energy_wh(self, start_min: int, end_min: int) -> int:
        return 0
