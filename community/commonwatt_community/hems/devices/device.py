# SPDX-License-Identifier: Apache-2.0
"""What a device is to its home: the times at which it may run on a day, and what it needs then."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from commonwatt_community.hems.devices.filling import Part


class Window(NamedTuple):
    """Half hours in which a device may run: the first, counted from 0:00 of the first day, and how many."""

    first_slot: int
    slots: int


class Task(Protocol):
    """What a device needs in a window."""

    @property
    def window(self) -> Window: ...

    def at_least_cost(self, parts: Sequence[Sequence[Part]]) -> list[int]:
        """Energy of each half hour of the window, in Wh; `parts` says what energy costs in each of them."""
        ...

    def at_once(self) -> list[int]:
        """Energy of each half hour, in Wh, where nobody plans."""
        ...


Device = Callable[[int], list[Task]]
"""From a day, counted from the first one, to the tasks whose windows begin on it."""
