# SPDX-License-Identifier: Apache-2.0
"""Bids as homes send them, and which of them a clearing takes: one a home, within tariff, connection and envelope."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .envelopes import Caps
from .periods import Period
from .prices import Prices

REQUEST, OFFER, WITHDRAWAL = "request", "offer", "withdrawal"
ENERGY_OUT_OF_BOUNDS = "energy_out_of_bounds"
PRICE_OUT_OF_BOUNDS = "price_out_of_bounds"
NOT_REGISTERED = "not_registered"
NOTHING_TO_OFFER_FROM = "nothing_to_offer_from"
ENVELOPE_CLOSED = "envelope_closed"


class Bid(NamedTuple):
    """What a home said for a period. ``price_uaud_per_kwh`` is a request's limit, an offer's price.

    A withdrawal is a bid of nothing.
    """

    home: str
    seq: int
    kind: str
    energy_wh: int = 0
    price_uaud_per_kwh: int = 0


class Connection(NamedTuple):
    """What is registered of a home's connection point, in W."""

    connection_w: int = 24_000
    pv_w: int = 0
    battery_w: int = 0


class Order(NamedTuple):
    """A bid as the clearing takes it: up to ``energy_wh`` at the limit (a request) or price (an offer)."""

    id: str
    home: str
    energy_wh: int
    price_uaud_per_kwh: int


class Judged(NamedTuple):
    """What a period's bids came to: what is cleared, and the code of each bid that is refused, by its id."""

    requests: tuple[Order, ...]
    offers: tuple[Order, ...]
    refused: dict[str, str]


def bid_id(period_id: int, bid: Bid) -> str:
    """The id of a home's bid; clients do not choose it, and so cannot grind the tie key."""
    return f"{period_id}-{'R' if bid.kind == REQUEST else 'O'}-{bid.home}"


def standing(bids: Iterable[Bid]) -> tuple[Bid, ...]:
    """Each home's bid of the highest ``seq``, of two with one ``seq`` the later one; sorted by home."""
    last: dict[str, Bid] = {}
    for bid in bids:
        if bid.home not in last or bid.seq >= last[bid.home].seq:
            last[bid.home] = bid
    return tuple(last[home] for home in sorted(last) if last[home].kind != WITHDRAWAL)


def judge(
    bids: Iterable[Bid],
    period: Period,
    prices: Prices,
    connections: Mapping[str, Connection],
    envelopes: Mapping[str, Caps],
) -> Judged:
    """Take the standing bids that keep to the rules, refuse the others with a code.

    A bid that the connection can never carry is refused. A bid above an envelope is capped, because the grid may
    publish one after the bid.
    """
    requests: list[Order] = []
    offers: list[Order] = []
    refused: dict[str, str] = {}
    for bid in standing(bids):
        order_id = bid_id(period.id, bid)
        code = _refusal(bid, period, prices, connections.get(bid.home))
        if code:
            refused[order_id] = code
            continue
        bounds = envelopes.get(bid.home, Caps())
        cap_wh = bounds.import_wh if bid.kind == REQUEST else bounds.export_wh
        energy_wh = bid.energy_wh if cap_wh is None else min(bid.energy_wh, cap_wh)
        if energy_wh == 0:
            refused[order_id] = ENVELOPE_CLOSED
            continue
        side = requests if bid.kind == REQUEST else offers
        side.append(Order(order_id, bid.home, energy_wh, bid.price_uaud_per_kwh))
    return Judged(tuple(requests), tuple(offers), refused)


def _refusal(bid: Bid, period: Period, prices: Prices, connection: Connection | None) -> str:
    if connection is None:
        return NOT_REGISTERED
    power_w = connection.connection_w if bid.kind == REQUEST else connection.pv_w + connection.battery_w
    if bid.kind == OFFER and power_w == 0:
        return NOTHING_TO_OFFER_FROM
    if not 1 <= bid.energy_wh <= period.energy_wh(power_w):
        return ENERGY_OUT_OF_BOUNDS
    if not prices.feed_in <= bid.price_uaud_per_kwh <= prices.ceiling:
        return PRICE_OUT_OF_BOUNDS
    return ""
