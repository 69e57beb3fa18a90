# SPDX-License-Identifier: Apache-2.0
"""Clearing of a period: one price for all, between the feed-in price and the grid's less the local fee."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..ties import round_seed
from .award import best_first, by_price, equal_award
from .bids import Order
from .prices import Prices

MID_MARKET, UNIFORM = "mid_market", "uniform"
PRICINGS = (MID_MARKET, UNIFORM)


@dataclass(frozen=True, slots=True)
class Clearing:
    """The price (None where nothing trades) and what each request bought and each offer sold, by id, 0 included."""

    price_uaud_per_kwh: int | None
    traded_wh: int
    bought_wh: dict[str, int]
    sold_wh: dict[str, int]


def clear(requests: Iterable[Order], offers: Iterable[Order], prices: Prices, pricing: str) -> Clearing:
    """Award a period's bids. Pure: the order of the arguments changes nothing.

    ValueError for another pricing, a home with two bids, and energy or a price outside its bounds.
    """
    requests = sorted(requests)
    offers = sorted(offers)
    if pricing not in PRICINGS:
        raise ValueError(f"pricing: {pricing[:40]} is none of {', '.join(PRICINGS)}")
    _check(requests, offers, prices)
    seed = round_seed([order.id for side in (requests, offers) for order in side])
    award = _mid_market if pricing == MID_MARKET else _uniform
    return award(requests, offers, prices, seed)


def _check(requests: Sequence[Order], offers: Sequence[Order], prices: Prices) -> None:
    homes: set[str] = set()
    ids: set[str] = set()
    for side in (requests, offers):
        for order in side:
            if order.home in homes or order.id in ids:
                raise ValueError(f"{order.id[:80]}: its home, or its id, has another bid in the period")
            homes.add(order.home)
            ids.add(order.id)
            if order.energy_wh < 1:
                raise ValueError(f"{order.id[:80]}: {order.energy_wh} Wh is less than 1 Wh")
            if not prices.feed_in <= order.price_uaud_per_kwh <= prices.ceiling:
                raise ValueError(
                    f"{order.id[:80]}: {order.price_uaud_per_kwh} is outside {prices.feed_in} (feed-in)"
                    f" to {prices.ceiling} (tou - local_fee)"
                )


def _none(orders: Sequence[Order]) -> dict[str, int]:
    return {order.id: 0 for order in orders}


def _mid_market(requests: Sequence[Order], offers: Sequence[Order], prices: Prices, seed: str) -> Clearing:
    """Everyone who accepts the middle price trades at it; the longer side's energy is divided equally."""
    price = prices.middle
    buyers = [one for one in requests if one.price_uaud_per_kwh >= price]
    sellers = [one for one in offers if one.price_uaud_per_kwh <= price]
    traded_wh = min(sum(one.energy_wh for one in buyers), sum(one.energy_wh for one in sellers))
    return Clearing(
        price if traded_wh else None,
        traded_wh,
        _none(requests) | equal_award(buyers, traded_wh, seed),
        _none(offers) | equal_award(sellers, traded_wh, seed),
    )


def _uniform(requests: Sequence[Order], offers: Sequence[Order], prices: Prices, seed: str) -> Clearing:
    """The best prices trade first; the price is the middle of those that leave the award as it is."""
    buyers = by_price(requests, dearest_first=True)
    sellers = by_price(offers, dearest_first=False)
    traded_wh = _crossing_wh(buyers, sellers)
    if not traded_wh:
        return Clearing(None, 0, _none(requests), _none(offers))
    bought_wh = _none(requests) | best_first(buyers, traded_wh, seed)
    sold_wh = _none(offers) | best_first(sellers, traded_wh, seed)
    low = max(
        _prices_of(offers, lambda one: sold_wh[one.id] > 0)
        + _prices_of(requests, lambda one: bought_wh[one.id] < one.energy_wh)
    )
    high = min(
        _prices_of(requests, lambda one: bought_wh[one.id] > 0)
        + _prices_of(offers, lambda one: sold_wh[one.id] < one.energy_wh)
    )
    return Clearing((low + high) // 2, traded_wh, bought_wh, sold_wh)


def _crossing_wh(buyers: Sequence[Sequence[Order]], sellers: Sequence[Sequence[Order]]) -> int:
    """The most that trades while the next limit is at least the next price."""
    traded_wh = wanted_wh = offered_wh = 0
    buying, selling = iter(buyers), iter(sellers)
    limit = price = 0
    while True:
        if wanted_wh == 0:
            if (group := next(buying, None)) is None:
                return traded_wh
            wanted_wh, limit = sum(one.energy_wh for one in group), group[0].price_uaud_per_kwh
        if offered_wh == 0:
            if (group := next(selling, None)) is None:
                return traded_wh
            offered_wh, price = sum(one.energy_wh for one in group), group[0].price_uaud_per_kwh
        if limit < price:
            return traded_wh
        energy_wh = min(wanted_wh, offered_wh)
        traded_wh += energy_wh
        wanted_wh -= energy_wh
        offered_wh -= energy_wh


def _prices_of(orders: Sequence[Order], wanted: Callable[[Order], bool]) -> list[int]:
    return [one.price_uaud_per_kwh for one in orders if wanted(one)]
