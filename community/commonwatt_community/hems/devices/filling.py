# SPDX-License-Identifier: Apache-2.0
"""Energy that must come within bounds on its running sum: when it costs least, and when it comes at once.

A car asks for all of its energy by its departure. A tank asks for what is drawn from it, and has room for so much more.
Both are bounds on the energy that came until each slot's end. Costs rise within a slot (own surplus first, then the
grid), so filling the cheapest parts of all slots first is exact. Bounds on running sums are a chain, for which the
greedy choice is optimal.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Part(NamedTuple):
    """Energy that a slot can give at one price, in Wh and µAUD per kWh."""

    most_wh: int
    price_uaud_per_kwh: int


class Bounds(NamedTuple):
    """What must and what may have come until the end of each slot, in Wh; and the most that a slot can take."""

    least_wh: tuple[int, ...]
    most_wh: tuple[int, ...]
    rate_wh: int


class ImpossibleError(ValueError):
    """No energies keep within the bounds."""


def cheapest(bounds: Bounds, parts: Sequence[Sequence[Part]]) -> list[int]:
    """The energy of each slot, in Wh, at the least cost; `parts` are each slot's, from its cheapest to its dearest.

    Of equal costs the sooner one is taken.

    Raises:
        ImpossibleError: the bounds cannot be kept.
    """
    filled = [0] * len(parts)
    limits = [min(bounds.rate_wh, sum(part.most_wh for part in slot)) for slot in parts]
    due = _due(bounds, limits)
    order = sorted(
        (part.price_uaud_per_kwh, slot, place)
        for slot, in_turn in enumerate(parts)
        for place, part in enumerate(in_turn)
    )
    for _, slot, place in order:
        room_wh = min(parts[slot][place].most_wh, bounds.rate_wh - filled[slot])
        if room_wh > 0:
            filled[slot] += min(room_wh, _spare(due, bounds.most_wh, filled, slot))
    return filled


def at_once(bounds: Bounds, limits_wh: Sequence[int]) -> list[int]:
    """The energy of each slot as early as the bounds allow; `limits_wh` is what each slot can give.

    Raises:
        ImpossibleError: the bounds cannot be kept.
    """
    limits = [min(bounds.rate_wh, limit) for limit in limits_wh]
    _due(bounds, limits)
    filled, total = [], 0
    for limit, most in zip(limits, _room(bounds.most_wh), strict=True):
        filled.append(min(limit, most - total))
        total += filled[-1]
    return filled


def _spare(due_wh: Sequence[int], most_wh: Sequence[int], filled: Sequence[int], slot: int) -> int:
    """What a slot can still take, so that all that is due can come and no sum is above its bound."""
    before = 0
    for place in range(slot):
        before = max(before + filled[place], due_wh[place])
    room = most_wh[-1]
    for place in range(len(most_wh) - 2, slot - 1, -1):
        room = min(most_wh[place], room - filled[place + 1])
    return max(0, room - before - filled[slot])


def _room(most_wh: Sequence[int]) -> list[int]:
    """The least bound from each slot on: a running sum never falls."""
    room = list(most_wh)
    for place in range(len(room) - 2, -1, -1):
        room[place] = min(room[place], room[place + 1])
    return room


def _due(bounds: Bounds, limits: Sequence[int]) -> list[int]:
    """What must have come until each slot's end, since later slots cannot give it all.

    Raises:
        ImpossibleError: it cannot have come, or more may come than must.
    """
    if bounds.least_wh[-1] != bounds.most_wh[-1]:
        raise ImpossibleError(f"{bounds.least_wh[-1]} Wh must come in all, and {bounds.most_wh[-1]} Wh may")
    due = list(bounds.least_wh)
    for place in range(len(due) - 2, -1, -1):
        due[place] = max(due[place], due[place + 1] - limits[place + 1])
    highest = 0
    for place, (least, most, limit) in enumerate(zip(due, _room(bounds.most_wh), limits, strict=True)):
        highest = min(highest + limit, most)
        if highest < least:
            raise ImpossibleError(f"slot {place}: {highest} Wh can have come until its end, {least} Wh must")
    return due
