# SPDX-License-Identifier: Apache-2.0
"""What every award must satisfy, checked again by each peer before it signs."""

from collections.abc import Iterable, Sequence

from .battery import Account
from .clearing import Clearing
from .orders import Offer, Request


class InvariantBroken(Exception):
    """A rule of the market does not hold; the award must not be written."""


def check_clearing(
    requests: Sequence[Request], offers: Sequence[Offer], clearing: Clearing, tou: int, feed_in: int
) -> None:
    """Invariants 1 to 7 of a round; InvariantBroken names the first that does not hold."""
    _check_sums(clearing)
    _check_parts(clearing)
    _check_fills(requests, offers, clearing, tou, feed_in)
    _check_bounds(clearing, tou, feed_in)
    _check_order(requests, offers, clearing)


def check_account(account: Account) -> None:
    """Invariant 8: the battery holds what was promised from it."""
    _require(account.reserved_wh >= 0, "8: a negative reservation")
    _require(account.reserved_wh <= account.energy_wh, "8: more is reserved than stored")


def _require(holds: bool, broken: str) -> None:
    if not holds:
        raise InvariantBroken(broken)


def _check_sums(clearing: Clearing) -> None:
    paid_naud = sum(result.p2p_amount_naud for result in clearing.requests)
    revenue_naud = sum(result.revenue_naud for result in clearing.offers)
    _require(paid_naud == revenue_naud, "1: buyers do not pay what sellers receive")
    bought_wh = sum(result.p2p_energy_wh for result in clearing.requests)
    _require(bought_wh == sum(result.sold_wh for result in clearing.offers), "1: bought is not sold")


def _check_parts(clearing: Clearing) -> None:
    for request in clearing.requests:
        whole = request.p2p_energy_wh + request.grid_energy_wh == request.energy_wh
        _require(whole and request.grid_energy_wh >= 0, f"2: {request.request} is not whole")
    for offer in clearing.offers:
        whole = offer.sold_wh + offer.released_wh == offer.energy_wh
        _require(whole and offer.released_wh >= 0, f"2: {offer.offer} is not whole")


def _check_fills(
    requests: Iterable[Request], offers: Iterable[Offer], clearing: Clearing, tou: int, feed_in: int
) -> None:
    buyers = {request.id: request for request in requests}
    sellers = {offer.id: offer for offer in offers}
    for fill in clearing.fills:
        buyer, seller = buyers[fill.request], sellers[fill.offer]
        inside = feed_in <= seller.price_uaud_per_kwh <= buyer.limit_uaud_per_kwh <= tou
        _require(inside and buyer.bidding, f"3: {fill.request} and {fill.offer} do not agree")
        exact = fill.amount_naud == fill.energy_wh * seller.price_uaud_per_kwh
        _require(exact and fill.energy_wh > 0, f"3: {fill.request} pays another amount")
        _require(buyer.home != seller.home, f"4: {buyer.home} trades with itself")


def _check_bounds(clearing: Clearing, tou: int, feed_in: int) -> None:
    for request in clearing.requests:
        _require(request.amount_naud <= request.energy_wh * tou, f"5: {request.request} pays above the grid")
    for offer in clearing.offers:
        _require(offer.revenue_naud >= offer.sold_wh * feed_in, f"5: {offer.offer} earns below the feed-in")


def _check_order(requests: Sequence[Request], offers: Sequence[Offer], clearing: Clearing) -> None:
    """6, no missed trade, and 7, cheapest first: both look at the cheapest energy of others left unsold."""
    prices = {offer.id: offer.price_uaud_per_kwh for offer in offers}
    left: dict[str, int] = {}
    for result in clearing.offers:
        if result.released_wh:
            left[result.home] = min(prices[result.offer], left.get(result.home, prices[result.offer]))
    cheapest = sorted((price, home) for home, price in left.items())[:2]

    def cheapest_for(home: str) -> int | None:
        return next((price for price, seller in cheapest if seller != home), None)

    unfilled = {result.request for result in clearing.requests if result.grid_energy_wh}
    for request in requests:
        price = cheapest_for(request.home)
        missed = request.bidding and request.id in unfilled and price is not None
        _require(
            not (missed and price is not None and price <= request.limit_uaud_per_kwh),
            f"6: {request.id} missed a trade",
        )
    for fill in clearing.fills:
        price = cheapest_for(fill.buyer)
        _require(
            price is None or price >= fill.price_uaud_per_kwh,
            f"7: {fill.request} was passed over the cheapest",
        )
