# SPDX-License-Identifier: Apache-2.0
"""The exchange's round: levels of different communities trade in pairs, the pair that gains most first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..ties import round_seed, tie_key
from .residual import MOST_LEVELS, Level, Residual


class Link(NamedTuple):
    """What may flow from one community to another in a period, and what the grid asks for each kWh of it."""

    seller: str
    buyer: str
    limit_wh: int
    fee_uaud_per_kwh: int = 0


class Trade(NamedTuple):
    """Energy from a seller's level to a buyer's. ``price_uaud_per_kwh`` is what the seller gets."""

    seller: str
    buyer: str
    offered_uaud_per_kwh: int
    limit_uaud_per_kwh: int
    energy_wh: int
    price_uaud_per_kwh: int
    fee_uaud_per_kwh: int

    @property
    def seller_naud(self) -> int:
        """What the seller's community receives."""
        return self.energy_wh * self.price_uaud_per_kwh

    @property
    def fee_naud(self) -> int:
        """What the grid receives for carrying the energy."""
        return self.energy_wh * self.fee_uaud_per_kwh

    @property
    def buyer_naud(self) -> int:
        """What the buyer's community pays: the seller's money and the fee."""
        return self.seller_naud + self.fee_naud


@dataclass(frozen=True, slots=True)
class Round:
    """The trades of a period, in the order in which they were found."""

    trades: tuple[Trade, ...] = ()

    @property
    def fee_naud(self) -> int:
        """What the grid receives."""
        return sum(one.fee_naud for one in self.trades)

    def account_naud(self, community: str) -> int:
        """What a community owes the exchange; negative: what the exchange owes it. All accounts sum to the fees."""
        bought_naud = sum(one.buyer_naud for one in self.trades if one.buyer == community)
        return bought_naud - sum(one.seller_naud for one in self.trades if one.seller == community)


VOID = Round()
"""A round that nobody cleared in time: every community settles as if there were no exchange."""


def check_result(left: Residual, trades: Iterable[Trade], account_naud: int) -> None:
    """ValueError unless trades are such as a round gives one community for what it left over.

    It cannot say that a better pair was passed over, nor that a link was full: that takes all residuals.
    """
    left_wh = {True: dict(left.requests), False: dict(left.offers)}
    own = []
    for one in trades:
        buys = one.buyer == left.community
        if buys == (one.seller == left.community):
            raise ValueError("a trade is not one of this community with another one")
        level = one.limit_uaud_per_kwh if buys else one.offered_uaud_per_kwh
        rest_wh = left_wh[buys].get(level, 0) - one.energy_wh
        if one.energy_wh < 1 or rest_wh < 0:
            raise ValueError(f"it trades {one.energy_wh} Wh at {level}, of which less is left")
        left_wh[buys][level] = rest_wh
        gain = one.limit_uaud_per_kwh - one.offered_uaud_per_kwh - one.fee_uaud_per_kwh
        link = Link(one.seller, one.buyer, 0, one.fee_uaud_per_kwh)
        priced = _trade(link, one.limit_uaud_per_kwh, one.offered_uaud_per_kwh, one.energy_wh)
        if gain < 1 or one.fee_uaud_per_kwh < 0 or one != priced:
            raise ValueError("a trade's price is not halfway between its two levels")
        own.append(one)
    if account_naud != Round(tuple(own)).account_naud(left.community):
        raise ValueError("the account is not the sum of the trades")


class _Stake(NamedTuple):
    """A level in the round, under an id that nobody chooses but by its price."""

    id: str
    price_uaud_per_kwh: int
    energy_wh: int


def clear_round(period_id: int, residuals: Iterable[Residual], links: Iterable[Link]) -> Round:
    """Trade what communities left over. Pure: the order of the arguments changes nothing.

    Pairs come by (limit - price - fee), the highest first while it is above 0; equal ones by the tie keys of their
    levels' ids. Each takes what its levels and its link still have. Two levels without a link between them do not
    trade, and no link leads back to its own community. ValueError for what is there twice or out of bounds.
    """
    residuals, links = tuple(residuals), tuple(links)
    _check(residuals, links)
    requests = {one.community: _stakes(period_id, "R", one.community, one.requests) for one in residuals}
    offers = {one.community: _stakes(period_id, "O", one.community, one.offers) for one in residuals}
    stakes = [stake for side in (requests, offers) for many in side.values() for stake in many]
    seed = round_seed(stake.id for stake in stakes)
    keys = {stake.id: (tie_key(seed, stake.id), stake.id) for stake in stakes}
    pairs = [
        (request.price_uaud_per_kwh - offer.price_uaud_per_kwh - link.fee_uaud_per_kwh, request, offer, link)
        for link in links
        for request in requests.get(link.buyer, ())
        for offer in offers.get(link.seller, ())
    ]
    improving = sorted(
        (pair for pair in pairs if pair[0] > 0),
        key=lambda pair: (-pair[0], keys[pair[1].id], keys[pair[2].id]),
    )
    left_wh = {stake.id: stake.energy_wh for stake in stakes}
    free_wh = {link: link.limit_wh for link in links}
    trades = []
    for _, request, offer, link in improving:
        energy_wh = min(left_wh[request.id], left_wh[offer.id], free_wh[link])
        if energy_wh:
            left_wh[request.id] -= energy_wh
            left_wh[offer.id] -= energy_wh
            free_wh[link] -= energy_wh
            trades.append(_trade(link, request.price_uaud_per_kwh, offer.price_uaud_per_kwh, energy_wh))
    return Round(tuple(trades))


def _trade(link: Link, limit: int, offered: int, energy_wh: int) -> Trade:
    """Both sides gain alike, but for a µAUD that rounding gives to the buyer."""
    price = (limit + offered - link.fee_uaud_per_kwh) // 2
    return Trade(link.seller, link.buyer, offered, limit, energy_wh, price, link.fee_uaud_per_kwh)


def _stakes(period_id: int, side: str, community: str, levels: Sequence[Level]) -> list[_Stake]:
    return [
        _Stake(f"{period_id}-{side}-{price}-{community}", price, energy_wh) for price, energy_wh in levels
    ]


def _check(residuals: Sequence[Residual], links: Sequence[Link]) -> None:
    if len({one.community for one in residuals}) != len(residuals):
        raise ValueError("a community has two residuals in the period")
    for one in residuals:
        for levels in (one.requests, one.offers):
            if len({level.price_uaud_per_kwh for level in levels}) != len(levels):
                raise ValueError(f"{one.community[:80]}: two levels of one direction have one price")
            if len(levels) > MOST_LEVELS or any(level.energy_wh < 1 for level in levels):
                raise ValueError(
                    f"{one.community[:80]}: more than {MOST_LEVELS} levels, or one of less than 1 Wh"
                )
    if len({(link.seller, link.buyer) for link in links}) != len(links):
        raise ValueError("two links lead from one community to another")
    for link in links:
        if link.seller == link.buyer or link.limit_wh < 0 or link.fee_uaud_per_kwh < 0:
            raise ValueError(f"{link.seller[:80]}: a link leads back, or has a negative limit or fee")
