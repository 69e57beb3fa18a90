# SPDX-License-Identifier: Apache-2.0
"""How a limited quantity is divided: equally (bids), and in proportion (shares)."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..ties import tie_key
from .bids import Order


def equal_award(orders: Sequence[Order], energy_wh: int, seed: str) -> dict[str, int]:
    """Give each order min(its energy, s) with the largest s that fits, and the rest 1 Wh each to those who want more.

    The rest goes by (tie key, id). Every order is in the result. ValueError if there is more to give than is wanted.
    """
    if not 0 <= energy_wh <= sum(order.energy_wh for order in orders):
        raise ValueError(f"{energy_wh} Wh cannot be awarded to orders of less")
    share_wh = _level(sorted(order.energy_wh for order in orders), energy_wh)
    awarded = {order.id: min(order.energy_wh, share_wh) for order in orders}
    rest_wh = energy_wh - sum(awarded.values())
    if rest_wh:
        wanting = [(tie_key(seed, order.id), order.id) for order in orders if order.energy_wh > share_wh]
        for _, order_id in sorted(wanting)[:rest_wh]:
            awarded[order_id] += 1
    return awarded


def by_price(orders: Iterable[Order], dearest_first: bool) -> list[list[Order]]:
    """The orders in groups of one price, the best for the other side first: the dearest request, the cheapest offer."""
    groups: dict[int, list[Order]] = {}
    for order in orders:
        groups.setdefault(order.price_uaud_per_kwh, []).append(order)
    return [groups[price] for price in sorted(groups, reverse=dearest_first)]


def best_first(groups: Sequence[Sequence[Order]], energy_wh: int, seed: str) -> dict[str, int]:
    """Award groups by their order, equally within the last one that gets anything; later groups are left out."""
    awarded: dict[str, int] = {}
    for group in groups:
        given_wh = min(energy_wh, sum(one.energy_wh for one in group))
        if not given_wh:
            break
        awarded |= equal_award(group, given_wh, seed)
        energy_wh -= given_wh
    return awarded


def _level(ascending_wh: Sequence[int], energy_wh: int) -> int:
    """The largest s for which the sum of min(wh, s) is at most the energy; the largest wh if all fits."""
    left_wh = energy_wh
    for place, wanted_wh in enumerate(ascending_wh):
        share_wh = left_wh // (len(ascending_wh) - place)
        if share_wh < wanted_wh:
            return share_wh
        left_wh -= wanted_wh
    return ascending_wh[-1] if ascending_wh else 0


class Proportion(NamedTuple):
    """How ``energy_wh`` is divided over weights whose sum is ``weights_wh``, known to each part of a settlement.

    A home below its weight whose (tie key, id) is at most ``last`` gets 1 Wh more than the floor.
    """

    energy_wh: int
    weights_wh: int
    last: tuple[int, str] | None = None

    def of(self, home: str, weight_wh: int, key: Callable[[str], int]) -> int:
        """A home's share; ``key`` gives its tie key and is called only where it decides."""
        if not weight_wh or not self.energy_wh:
            return 0
        share_wh = self.energy_wh * weight_wh // self.weights_wh
        if self.last is not None and share_wh < weight_wh and (key(home), home) <= self.last:
            share_wh += 1
        return share_wh


def proportion(
    weights_wh: Sequence[tuple[str, int]], energy_wh: int, key: Callable[[str], int]
) -> Proportion:
    """Divide an energy in proportion to (home, weight): floors, then 1 Wh each by (tie key, id).

    ValueError if there is more to divide than the weights' sum: a share is never above its weight.
    """
    total_wh = sum(weight_wh for _, weight_wh in weights_wh)
    if not 0 <= energy_wh <= total_wh:
        raise ValueError(f"{energy_wh} Wh cannot be divided over {total_wh} Wh")
    if energy_wh == 0:
        return Proportion(0, total_wh)
    rest_wh = energy_wh
    below: list[str] = []
    for home, weight_wh in weights_wh:
        share_wh = energy_wh * weight_wh // total_wh
        rest_wh -= share_wh
        if share_wh < weight_wh:
            below.append(home)
    last = sorted((key(home), home) for home in below)[rest_wh - 1] if rest_wh else None
    return Proportion(energy_wh, total_wh, last)
