# SPDX-License-Identifier: Apache-2.0
"""What a community's clearing leaves over, in levels that go to the exchange: sums of several homes at one price."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..arithmetic import ceil_div
from ..forward.award import by_price
from ..forward.bids import Judged, Order
from ..forward.clearing import Clearing

LEAST_HOMES = 3
"""A level is the sum of at least so many homes' rests."""

MOST_LEVELS = 20
"""The levels of one direction, so that a round's pairs are bounded."""


class Pool(NamedTuple):
    """The rests behind one level. The price is the worst of theirs for the other side, so it suits every home."""

    price_uaud_per_kwh: int
    orders: tuple[Order, ...]


class Pools(NamedTuple):
    """A community's pools, the best for the other side first. They hold single homes' rests: private."""

    requests: tuple[Pool, ...]
    offers: tuple[Pool, ...]


class Level(NamedTuple):
    """What other communities see of a pool."""

    price_uaud_per_kwh: int
    energy_wh: int


class Residual(NamedTuple):
    """What a community brings to a round: one level per price and direction."""

    community: str
    requests: tuple[Level, ...]
    offers: tuple[Level, ...]


def pools_of(judged: Judged, clearing: Clearing, least_homes: int = LEAST_HOMES) -> Pools:
    """Pool the unfilled rests of the bids that were judged fit, those included that the clearing's price left out.

    Refused bids have no rest, and a bid above its envelope has one within it: award and rest together keep to the
    envelope and the connection. ValueError where bids and clearing are not of one period.
    """
    return Pools(
        _pools(rests(judged.requests, clearing.bought_wh), True, least_homes),
        _pools(rests(judged.offers, clearing.sold_wh), False, least_homes),
    )


def rests(orders: Sequence[Order], awarded_wh: Mapping[str, int]) -> list[Order]:
    """What each order did not get, without those that got all. ValueError where awards and orders do not fit."""
    if {one.id for one in orders} != awarded_wh.keys():
        raise ValueError("the awards are not those of the bids")
    left = []
    for one in orders:
        rest_wh = one.energy_wh - awarded_wh[one.id]
        if not 0 <= rest_wh <= one.energy_wh:
            raise ValueError(
                f"{one.id[:80]}: {awarded_wh[one.id]} Wh of {one.energy_wh} Wh cannot be awarded"
            )
        if rest_wh:
            left.append(one._replace(energy_wh=rest_wh))
    return left


def residual(community: str, pools: Pools) -> Residual:
    """What other communities get to see."""
    return Residual(community, _levels(pools.requests), _levels(pools.offers))


def _pools(left: Sequence[Order], dearest_first: bool, least_homes: int) -> tuple[Pool, ...]:
    """Gather homes from the best price on until they are enough; too few at the end stay out of the exchange.

    They do not join the pool before: a bid at the worst price would drag that pool's price down.
    """
    enough = max(least_homes, ceil_div(len(left), MOST_LEVELS))
    pools = []
    gathered: list[Order] = []
    for group in by_price(sorted(left), dearest_first):
        gathered += group
        if len(gathered) >= enough:
            pools.append(Pool(group[0].price_uaud_per_kwh, tuple(gathered)))
            gathered = []
    return tuple(pools)


def _levels(pools: Sequence[Pool]) -> tuple[Level, ...]:
    return tuple(Level(one.price_uaud_per_kwh, sum(order.energy_wh for order in one.orders)) for one in pools)
