# SPDX-License-Identifier: Apache-2.0
"""Clearing a period a second time: the volume from the curves, then the best prices first."""

from collections.abc import Sequence
from typing import NamedTuple

from .order import Draw, equally
from .prices import Prices

MID_MARKET, UNIFORM = "mid_market", "uniform"


class Order(NamedTuple):
    """A bid that takes part; `price` is a request's limit or an offer's price."""

    id: str
    home: str
    energy_wh: int
    price: int


class Clearing(NamedTuple):
    """The price (None without trade), what each order got, and the homes whose own price bounds the price."""

    price: int | None
    traded_wh: int
    bought: dict[str, int]
    sold: dict[str, int]
    marginal: frozenset[str]


def cleared(requests: Sequence[Order], offers: Sequence[Order], prices: Prices, pricing: str) -> Clearing:
    """Clear the bids of a period."""
    draw = Draw(one.id for one in (*requests, *offers))
    if pricing == MID_MARKET:
        buying = [one for one in requests if one.price >= prices.halfway]
        selling = [one for one in offers if one.price <= prices.halfway]
        traded_wh = min(_sum(buying), _sum(selling))
    elif pricing == UNIFORM:
        buying, selling = list(requests), list(offers)
        traded_wh = max(
            (
                min(
                    _sum([one for one in requests if one.price >= level]),
                    _sum([one for one in offers if one.price <= level]),
                )
                for level in {one.price for one in (*requests, *offers)}
            ),
            default=0,
        )
    else:
        raise ValueError(f"no pricing is called {pricing[:40]}")
    ranked = pricing == UNIFORM
    bought = _awarded(requests, buying, traded_wh, draw, [-1, 0][not ranked])
    sold = _awarded(offers, selling, traded_wh, draw, [1, 0][not ranked])
    if not traded_wh:
        return Clearing(None, 0, bought, sold, frozenset())
    if pricing == MID_MARKET:
        return Clearing(prices.halfway, traded_wh, bought, sold, frozenset())
    price, marginal = _uniform_price(requests, offers, bought, sold)
    return Clearing(price, traded_wh, bought, sold, marginal)


def _awarded(
    orders: Sequence[Order], taking: Sequence[Order], traded_wh: int, draw: Draw, direction: int
) -> dict[str, int]:
    """Orders of one rank share equally; `direction` ranks them by price, 0 puts all in one rank."""
    awarded = dict.fromkeys((one.id for one in orders), 0)
    left_wh = traded_wh
    for rank in sorted({direction * one.price for one in taking}):
        level = {one.id: one.energy_wh for one in taking if direction * one.price == rank}
        given_wh = min(left_wh, sum(level.values()))
        awarded |= equally(level, given_wh, draw)
        left_wh -= given_wh
    return awarded


def _uniform_price(
    requests: Sequence[Order], offers: Sequence[Order], bought: dict[str, int], sold: dict[str, int]
) -> tuple[int, frozenset[str]]:
    """The middle of the prices at which nobody's award would change, and the homes whose prices bound them."""
    floors = [one for one in offers if sold[one.id]]
    floors += [one for one in requests if bought[one.id] < one.energy_wh]
    ceilings = [one for one in requests if bought[one.id]]
    ceilings += [one for one in offers if sold[one.id] < one.energy_wh]
    low, high = max(one.price for one in floors), min(one.price for one in ceilings)
    marginal = {one.home for one in floors if one.price == low} | {
        one.home for one in ceilings if one.price == high
    }
    return (low + high) // 2, frozenset(marginal)


def _sum(orders: Sequence[Order]) -> int:
    return sum(one.energy_wh for one in orders)
