# SPDX-License-Identifier: Apache-2.0
"""Wishes: limits of price, several people at once, and what a damaged note comes to."""

from __future__ import annotations

from commonwatt_chaincode.market.forward.bids import OFFER, REQUEST, Bid
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_community.home.lines import Lines, cents
from commonwatt_community.home.wishes import Wishes, any_wish, wishes_of, written
from commonwatt_community.meters.clock import Clock

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


def test_a_trouble_is_one_line_until_it_is_over() -> None:
    said: list[str] = []
    lines = Lines(Clock(lambda: 0.0), said.append)
    for _ in range(3):
        lines.trouble("meter", "it is away")
    lines.over("meter", "it is back")
    lines.over("meter", "it is back")
    lines.trouble("meter", "it is away")
    assert [line.partition(" ")[2] for line in said] == ["it is away", "it is back", "it is away"]
    assert lines.troubles == {"meter": "it is away"}
    assert cents(183_456) == "18.35 c/kWh"
