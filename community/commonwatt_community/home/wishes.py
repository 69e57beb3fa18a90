# SPDX-License-Identifier: Apache-2.0
"""The household's wishes, which its agent obeys: trading paused, and limits of price."""

from dataclasses import dataclass
from typing import Any

from commonwatt_chaincode.market.forward.bids import REQUEST, Bid
from commonwatt_chaincode.market.forward.prices import Prices
from pydantic import TypeAdapter, ValidationError

from .book import Book

KEPT = ("household", "home assistant", "portal")
"""Their wishes outlast the agent."""


@dataclass(frozen=True)
class Wishes:
    """Prices are µAUD per kWh; None leaves them to the agent. `keep_storage_wh` stays in the battery."""

    paused: bool = False
    buy_at_most_uaud_per_kwh: int | None = None
    sell_at_least_uaud_per_kwh: int | None = None
    keep_storage_wh: int | None = None

    def limited(self, bid: Bid, prices: Prices) -> Bid | None:
        """The bid within the limits; None where the market takes no such price."""
        price = bid.price_uaud_per_kwh
        if bid.kind == REQUEST and self.buy_at_most_uaud_per_kwh is not None:
            price = min(price, self.buy_at_most_uaud_per_kwh)
        if bid.kind != REQUEST and self.sell_at_least_uaud_per_kwh is not None:
            price = max(price, self.sell_at_least_uaud_per_kwh)
        if not prices.feed_in <= price <= prices.ceiling:
            return None
        return bid._replace(price_uaud_per_kwh=price)


_ADAPTER = TypeAdapter(Wishes)


def written(wishes: Wishes) -> str:
    """As text for the book."""
    return _ADAPTER.dump_json(wishes).decode()


def wishes_of(text: str | None) -> Wishes:
    """From the book; empty wishes where it holds none."""
    try:
        return _ADAPTER.validate_json(text) if text else Wishes()
    except ValidationError:
        return Wishes()


class Wished:
    """The last wishes of each who may wish. Those of `KEPT` stand in the book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._wishes = {who: wishes_of(book.noted(_note(who))) for who in KEPT}

    @property
    def now(self) -> Wishes:
        """All of them together."""
        return any_wish(*self._wishes.values())

    def of(self, who: str) -> Wishes:
        """The wishes of one."""
        return self._wishes.get(who, Wishes())

    def take(self, who: str, wishes: Wishes) -> None:
        """Replace the wishes of one."""
        if self.of(who) == wishes:
            return
        self._wishes[who] = wishes
        if who in KEPT:
            self._book.note(_note(who), written(wishes))


def any_wish(*several: Wishes) -> Wishes:
    """All wishes together: paused where one pauses, the narrowest of each limit."""
    return Wishes(
        any(one.paused for one in several),
        _least(one.buy_at_most_uaud_per_kwh for one in several),
        _most(one.sell_at_least_uaud_per_kwh for one in several),
        _most(one.keep_storage_wh for one in several),
    )


def _note(who: str) -> str:
    return f"wishes of {who}"


def _least(values: Any) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _most(values: Any) -> int | None:
    return max((value for value in values if value is not None), default=None)
