# SPDX-License-Identifier: Apache-2.0
"""Clearing of a round (eqs 12 and 13): buyers from the highest limit, sellers from the lowest price, paid as offered.

The paper ranks sellers downwards in eq 12 and upwards in its text (3.3.2); the text alone makes a market.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .orders import Offer, Request
from .ties import ranked

FILLED = "FILLED"
PARTIAL_GRID = "PARTIAL_GRID"
GRID_ONLY = "GRID_ONLY"
ACCEPTED = "ACCEPTED"
PARTIAL = "PARTIAL"
RELEASED = "RELEASED"


class Fill(NamedTuple):
    """``energy_wh`` of an offer go to a request for ``amount_naud`` = energy × the offer's price."""

    request: str
    offer: str
    buyer: str
    seller: str
    energy_wh: int
    price_uaud_per_kwh: int
    amount_naud: int


class RequestResult(NamedTuple):
    """How a request ended: bought from neighbours (p2p) and from the grid."""

    request: str
    home: str
    energy_wh: int
    p2p_energy_wh: int
    grid_energy_wh: int
    p2p_amount_naud: int
    grid_amount_naud: int
    amount_naud: int
    state: str


class OfferResult(NamedTuple):
    """How an offer ended: unsold energy is released and stays in the battery."""

    offer: str
    home: str
    energy_wh: int
    sold_wh: int
    released_wh: int
    revenue_naud: int
    state: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the round and what it leaves to the price history (None without a fill)."""

    p2p_energy_wh: int
    p2p_amount_naud: int
    grid_energy_wh: int
    grid_amount_naud: int
    tou_uaud_per_kwh: int
    price_s_uaud_per_kwh: int | None
    price_b_uaud_per_kwh: int | None
    redundancy_wh: int


@dataclass(frozen=True, slots=True)
class Clearing:
    """The award of a round: fills in the order they were made, requests and offers by id."""

    fills: tuple[Fill, ...]
    requests: tuple[RequestResult, ...]
    offers: tuple[OfferResult, ...]
    totals: Totals


def clear(requests: Iterable[Request], offers: Iterable[Offer], tou_uaud_per_kwh: int) -> Clearing:
    """Award a round at the grid's price of its minute (eqs 12 and 13, steps 7 and 8).

    Pure: the order of the arguments changes nothing.

    Requests without bidding buy from the grid; an offer never serves its own home; the lot is 1 Wh.
    """
    requests = sorted(requests, key=lambda request: request.id)
    offers = sorted(offers, key=lambda offer: offer.id)
    fills = _match(requests, offers)
    request_results = tuple(_request_results(requests, fills, tou_uaud_per_kwh))
    offer_results = tuple(_offer_results(offers, fills))
    return Clearing(
        fills,
        request_results,
        offer_results,
        _totals(requests, offers, fills, request_results, tou_uaud_per_kwh),
    )


def grid_alone(request: Request, tou_uaud_per_kwh: int) -> RequestResult:
    """What `clear` awards to a request where nobody offers: the grid delivers all of it."""
    energy_wh = request.energy_wh
    amount_naud = energy_wh * tou_uaud_per_kwh
    state = GRID_ONLY if energy_wh else FILLED
    return RequestResult(
        request.id, request.home, energy_wh, 0, energy_wh, 0, amount_naud, amount_naud, state
    )


def _match(requests: Sequence[Request], offers: Sequence[Offer]) -> tuple[Fill, ...]:
    bidding = [request for request in requests if request.bidding]
    if not bidding or not offers:
        return ()
    ids = [*(request.id for request in bidding), *(offer.id for offer in offers)]
    buyers = ranked(bidding, [-request.limit_uaud_per_kwh for request in bidding], ids)
    sellers = ranked(offers, [offer.price_uaud_per_kwh for offer in offers], ids)
    rest_wh = [seller.energy_wh for seller in sellers]
    fills: list[Fill] = []
    first = 0
    for buyer in buyers:
        while first < len(sellers) and rest_wh[first] == 0:
            first += 1
        need_wh = buyer.energy_wh
        for place in range(first, len(sellers)):
            seller = sellers[place]
            if need_wh == 0 or seller.price_uaud_per_kwh > buyer.limit_uaud_per_kwh:
                break
            if rest_wh[place] == 0 or seller.home == buyer.home:
                continue
            energy_wh = min(need_wh, rest_wh[place])
            need_wh -= energy_wh
            rest_wh[place] -= energy_wh
            fills.append(_fill(buyer, seller, energy_wh))
    return tuple(fills)


def _fill(buyer: Request, seller: Offer, energy_wh: int) -> Fill:
    price = seller.price_uaud_per_kwh
    return Fill(buyer.id, seller.id, buyer.home, seller.home, energy_wh, price, energy_wh * price)


def _request_results(requests: Sequence[Request], fills: Sequence[Fill], tou: int) -> Iterable[RequestResult]:
    bought: dict[str, tuple[int, int]] = {}
    for fill in fills:
        energy_wh, amount_naud = bought.get(fill.request, (0, 0))
        bought[fill.request] = energy_wh + fill.energy_wh, amount_naud + fill.amount_naud
    for request in requests:
        p2p_wh, p2p_naud = bought.get(request.id, (0, 0))
        grid_wh = request.energy_wh - p2p_wh
        state = FILLED if grid_wh == 0 else GRID_ONLY if p2p_wh == 0 else PARTIAL_GRID
        grid_naud = grid_wh * tou
        yield RequestResult(
            request.id,
            request.home,
            request.energy_wh,
            p2p_wh,
            grid_wh,
            p2p_naud,
            grid_naud,
            p2p_naud + grid_naud,
            state,
        )


def _offer_results(offers: Sequence[Offer], fills: Sequence[Fill]) -> Iterable[OfferResult]:
    sales: dict[str, int] = {}
    for fill in fills:
        sales[fill.offer] = sales.get(fill.offer, 0) + fill.energy_wh
    for offer in offers:
        sold_wh = sales.get(offer.id, 0)
        released_wh = offer.energy_wh - sold_wh
        state = ACCEPTED if released_wh == 0 else RELEASED if sold_wh == 0 else PARTIAL
        revenue_naud = sold_wh * offer.price_uaud_per_kwh
        yield OfferResult(offer.id, offer.home, offer.energy_wh, sold_wh, released_wh, revenue_naud, state)


def _totals(
    requests: Sequence[Request],
    offers: Sequence[Offer],
    fills: Sequence[Fill],
    results: Sequence[RequestResult],
    tou: int,
) -> Totals:
    energy_wh = amount_naud = limit_naud = 0
    if fills:
        limits = {request.id: request.limit_uaud_per_kwh for request in requests}
        energy_wh = sum(fill.energy_wh for fill in fills)
        amount_naud = sum(fill.amount_naud for fill in fills)
        limit_naud = sum(fill.energy_wh * limits[fill.request] for fill in fills)
    return Totals(
        p2p_energy_wh=energy_wh,
        p2p_amount_naud=amount_naud,
        grid_energy_wh=sum(result.grid_energy_wh for result in results),
        grid_amount_naud=sum(result.grid_amount_naud for result in results),
        tou_uaud_per_kwh=tou,
        price_s_uaud_per_kwh=amount_naud // energy_wh if fills else None,
        price_b_uaud_per_kwh=limit_naud // energy_wh if fills else None,
        redundancy_wh=sum(offer.energy_wh for offer in offers) // len(offers) if offers else 0,
    )
