# SPDX-License-Identifier: Apache-2.0
"""Wishes: limits of price, several people at once, and notes that are kept or damaged."""

from __future__ import annotations

from pathlib import Path

from commonwatt_chaincode.market.forward.bids import OFFER, REQUEST, Bid
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_community.home.book import Book
from commonwatt_community.home.wishes import Wished, Wishes, any_wish, wishes_of, written

PRICES = Prices(300_000, 60_000, 20_000)


def test_a_bid_keeps_to_the_limits_or_is_none() -> None:
    ask, offer = Bid("h1", 1, REQUEST, 100, 280_000), Bid("h1", 1, OFFER, 100, 60_000)
    assert Wishes().limited(ask, PRICES) == ask
    wishes = Wishes(buy_at_most_uaud_per_kwh=150_000, sell_at_least_uaud_per_kwh=200_000)
    assert wishes.limited(ask, PRICES) == ask._replace(price_uaud_per_kwh=150_000)
    assert wishes.limited(offer, PRICES) == offer._replace(price_uaud_per_kwh=200_000)
    assert Wishes(buy_at_most_uaud_per_kwh=50_000).limited(ask, PRICES) is None
    assert Wishes(sell_at_least_uaud_per_kwh=290_000).limited(offer, PRICES) is None


def test_the_narrowest_of_all_wishes_counts() -> None:
    one, other = Wishes(True, 200_000, None, 500), Wishes(False, 150_000, 90_000, 800)
    assert any_wish(one, other, Wishes()) == Wishes(True, 150_000, 90_000, 800)
    assert any_wish() == Wishes()


def test_notes() -> None:
    wishes = Wishes(True, 1, 2, 3)
    assert wishes_of(written(wishes)) == wishes
    assert wishes_of(None) == wishes_of("[") == wishes_of('{"paused": 7}') == Wishes()


def test_wishes_outlast_the_agent_but_not_those_of_others(tmp_path: Path) -> None:
    with Book(tmp_path / "book") as book:
        wished = Wished(book)
        wished.take("household", Wishes(paused=True))
        wished.take("portal", Wishes(keep_storage_wh=500))
        wished.take("a guest", Wishes(buy_at_most_uaud_per_kwh=1))
        assert wished.now == Wishes(True, 1, None, 500)
    with Book(tmp_path / "book") as book:
        again = Wished(book)
        assert again.now == Wishes(True, None, None, 500)
        assert again.of("household") == Wishes(paused=True)
        assert again.of("a guest") == Wishes()
