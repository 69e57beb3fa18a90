# SPDX-License-Identifier: Apache-2.0
"""Mechanisms of the forward market by their names: how a period's bids become a price and awards.

Those of the contract, and those of other packages, which a simulation in one process tries out. A mechanism of another
package is held to the laws that the contract's keep by themselves.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from commonwatt_chaincode.market.forward.bids import Order
from commonwatt_chaincode.market.forward.clearing import PRICINGS, Clearing, clear
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.ties import round_seed

Mechanism = Callable[[Sequence[Order], Sequence[Order], Prices, str], Clearing]
"""From a period's requests and offers, sorted by id, its prices, and a seed for ties that nobody can choose."""


def _by_contract(
    pricing: str, requests: Sequence[Order], offers: Sequence[Order], prices: Prices, seed: str
) -> Clearing:
    return clear(requests, offers, prices, pricing)


MECHANISMS: Mapping[str, Mechanism] = {name: partial(_by_contract, name) for name in PRICINGS}


class UnlawfulClearingError(ValueError):
    """A mechanism creates energy, or awards somebody what was not bid."""


def cleared(
    mechanism: Mechanism, requests: Sequence[Order], offers: Sequence[Order], prices: Prices
) -> Clearing:
    """What a mechanism makes of a period, held to the laws.

    Raises:
        UnlawfulClearingError: with the first law that it breaks.
    """
    requests, offers = sorted(requests), sorted(offers)
    seed = round_seed([order.id for side in (requests, offers) for order in side])
    clearing = mechanism(requests, offers, prices, seed)
    broken = next(_broken_laws(clearing, requests, offers, prices), None)
    if broken is not None:
        raise UnlawfulClearingError(broken)
    return clearing


def _broken_laws(
    clearing: object, requests: Sequence[Order], offers: Sequence[Order], prices: Prices
) -> Iterator[str]:
    if not isinstance(clearing, Clearing):
        yield f"it returns {type(clearing).__name__}, not a `Clearing`"
        return
    price = clearing.price_uaud_per_kwh
    for side, orders, awards in (
        ("requests", requests, clearing.bought_wh),
        ("offers", offers, clearing.sold_wh),
    ):
        if awards.keys() != {order.id for order in orders}:
            yield f"it does not award all {side} and nothing else"
            continue
        for order in orders:
            award_wh = awards[order.id]
            if type(award_wh) is not int or not 0 <= award_wh <= order.energy_wh:
                yield f"{order.id}: it awards {award_wh} Wh of {order.energy_wh} Wh"
            elif award_wh and price is not None and _is_worse(side, price, order):
                yield f"{order.id}: it trades at {price}, beyond the bid's {order.price_uaud_per_kwh} µAUD per kWh"
        if sum(awards.values()) != clearing.traded_wh:
            yield f"{side} come to {sum(awards.values())} Wh, and {clearing.traded_wh} Wh are traded"
    if (price is None) != (clearing.traded_wh == 0):
        yield f"its price is {price} where {clearing.traded_wh} Wh are traded"
    if price is not None and (type(price) is not int or not prices.feed_in <= price <= prices.ceiling):
        yield f"its price {price} is no integer within {prices.feed_in}..{prices.ceiling} µAUD per kWh"


def _is_worse(side: str, price: int, order: Order) -> bool:
    limit = order.price_uaud_per_kwh
    return price > limit if side == "requests" else price < limit
