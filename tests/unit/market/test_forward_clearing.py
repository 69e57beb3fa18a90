# SPDX-License-Identifier: Apache-2.0
"""Clearing of the forward market: what holds for random bids, and what does not."""

from typing import Any

import pytest
from commonwatt_chaincode.market.forward.award import equal_award
from commonwatt_chaincode.market.forward.bids import Order
from commonwatt_chaincode.market.forward.clearing import MID_MARKET, PRICINGS, UNIFORM, Clearing, clear
from commonwatt_chaincode.market.forward.prices import Prices, check_prices
from commonwatt_chaincode.market.ties import tie_key
from hypothesis import assume, given
from hypothesis import strategies as st

PRICES = Prices(tou=130, feed_in=100, local_fee=4)
BIDS = st.lists(
    st.tuples(st.integers(1, 40), st.integers(PRICES.feed_in, PRICES.ceiling)), min_size=0, max_size=7
)
PRICING = st.sampled_from(PRICINGS)


def orders(side: str, bids: list[tuple[int, int]]) -> list[Order]:
    return [
        Order(f"7-{side}-{side}{place}", f"{side}{place}", wh, price)
        for place, (wh, price) in enumerate(bids)
    ]


SIDES = st.tuples(BIDS.map(lambda bids: orders("R", bids)), BIDS.map(lambda bids: orders("O", bids)))
Sides = tuple[list[Order], list[Order]]


def awards(clearing: Clearing) -> dict[str, int]:
    return clearing.bought_wh | clearing.sold_wh


@given(SIDES, PRICING)
def test_what_is_bought_is_sold_within_bids_and_prices(sides: Sides, pricing: str) -> None:
    requests, offers = sides
    clearing = clear(requests, offers, PRICES, pricing)
    assert sum(clearing.bought_wh.values()) == sum(clearing.sold_wh.values()) == clearing.traded_wh
    assert set(clearing.bought_wh) == {one.id for one in requests}
    assert set(clearing.sold_wh) == {one.id for one in offers}
    price = clearing.price_uaud_per_kwh
    assert (price is None) == (clearing.traded_wh == 0)
    for one in requests:
        assert 0 <= clearing.bought_wh[one.id] <= one.energy_wh
        assert not clearing.bought_wh[one.id] or one.price_uaud_per_kwh >= (price or 0)
    for one in offers:
        assert 0 <= clearing.sold_wh[one.id] <= one.energy_wh
        assert not clearing.sold_wh[one.id] or one.price_uaud_per_kwh <= (price or 0)
    if price is not None:
        assert PRICES.feed_in <= price <= PRICES.ceiling


@given(SIDES, PRICING, st.randoms(use_true_random=False))
def test_the_order_of_bids_changes_nothing(sides: Sides, pricing: str, random: Any) -> None:
    expected = clear(*sides, PRICES, pricing)
    for side in sides:
        random.shuffle(side)
    assert clear(*sides, PRICES, pricing) == expected


@given(SIDES)
def test_mid_market_gives_one_side_all_that_it_wants(sides: Sides) -> None:
    requests, offers = sides
    clearing = clear(requests, offers, PRICES, MID_MARKET)
    buyers = [one for one in requests if one.price_uaud_per_kwh >= PRICES.middle]
    sellers = [one for one in offers if one.price_uaud_per_kwh <= PRICES.middle]
    full = [all(awards(clearing)[one.id] == one.energy_wh for one in side) for side in (buyers, sellers)]
    assert any(full)
    assert clearing.price_uaud_per_kwh in (None, PRICES.middle)


@given(SIDES, st.data())
def test_mid_market_asking_for_more_gains_at_most_1_wh(sides: Sides, data: Any) -> None:
    side = data.draw(st.sampled_from([side for side in (0, 1) if sides[side]] or [None]))
    assume(side is not None)
    place = data.draw(st.integers(0, len(sides[side]) - 1))
    honest = sides[side][place]
    before = awards(clear(*sides, PRICES, MID_MARKET))[honest.id]
    sides[side][place] = honest._replace(energy_wh=honest.energy_wh + data.draw(st.integers(1, 80)))
    after = awards(clear(*sides, PRICES, MID_MARKET))[honest.id]
    assert min(after, honest.energy_wh) <= before + 1


@given(SIDES)
def test_uniform_trades_the_best_prices_and_misses_no_trade(sides: Sides) -> None:
    requests, offers = sides
    clearing = clear(requests, offers, PRICES, UNIFORM)
    for one in requests:
        for other in requests:
            if one.price_uaud_per_kwh > other.price_uaud_per_kwh and clearing.bought_wh[other.id]:
                assert clearing.bought_wh[one.id] == one.energy_wh
    for one in offers:
        for other in offers:
            if one.price_uaud_per_kwh < other.price_uaud_per_kwh and clearing.sold_wh[other.id]:
                assert clearing.sold_wh[one.id] == one.energy_wh
    limits = [one.price_uaud_per_kwh for one in requests if clearing.bought_wh[one.id] < one.energy_wh]
    asks = [one.price_uaud_per_kwh for one in offers if clearing.sold_wh[one.id] < one.energy_wh]
    assert not limits or not asks or max(limits) < min(asks)
    price = clearing.price_uaud_per_kwh
    assert price is None or max(limits, default=price) <= price <= min(asks, default=price)


@given(SIDES)
def test_both_pricings_trade_what_their_definition_says(sides: Sides) -> None:
    """Merit order, Wh by Wh: the nth dearest Wh asked for against the nth cheapest offered."""
    requests, offers = sides
    dearest = sorted((one.price_uaud_per_kwh for one in requests for _ in range(one.energy_wh)), reverse=True)
    cheapest = sorted(one.price_uaud_per_kwh for one in offers for _ in range(one.energy_wh))
    wanted = sum(limit >= price for limit, price in zip(dearest, cheapest, strict=False))
    assert clear(requests, offers, PRICES, UNIFORM).traded_wh == wanted
    wanting = sum(limit >= PRICES.middle for limit in dearest)
    giving = sum(price <= PRICES.middle for price in cheapest)
    assert clear(requests, offers, PRICES, MID_MARKET).traded_wh == min(wanting, giving)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.data())
def test_equal_award_is_the_largest_level_that_fits(wanted: list[int], data: Any) -> None:
    energy_wh = data.draw(st.integers(0, sum(wanted)))
    side = orders("R", [(wh, PRICES.feed_in) for wh in wanted])
    awarded = equal_award(side, energy_wh, "seed")
    level = max(s for s in range(31) if sum(min(wh, s) for wh in wanted) <= energy_wh)
    more = sorted((tie_key("seed", one.id), one.id) for one in side if one.energy_wh > level)
    lucky = {order_id for _, order_id in more[: energy_wh - sum(min(wh, level) for wh in wanted)]}
    assert awarded == {one.id: min(one.energy_wh, level) + (one.id in lucky) for one in side}
    assert sum(awarded.values()) == energy_wh


def test_equal_award_gives_the_rest_to_those_alone_who_want_more() -> None:
    for seed in map(str, range(20)):
        first, *others = equal_award(orders("R", [(1, 126), (2, 126), (2, 126)]), 4, seed).values()
        assert (first, sorted(others)) == (1, [1, 2])
        assert list(equal_award(orders("R", [(2, 126), (2, 126), (5, 126)]), 8, seed).values()) == [2, 2, 4]
        assert max(equal_award(orders("R", [(1, 126)] * 3 + [(2, 126)]), 4, seed).values()) == 1
    assert equal_award([], 0, "") == {}


def test_equal_award_refuses_more_than_is_wanted() -> None:
    side = orders("R", [(3, 100)])
    for energy_wh in (-1, 4):
        with pytest.raises(ValueError, match="cannot be awarded"):
            equal_award(side, energy_wh, "seed")


def test_splitting_gains_in_the_award() -> None:
    """So a home is one connection point, and has one bid."""
    offers = orders("O", [(100, 100)])
    honest = clear(orders("R", [(100, 126), (100, 126)]), offers, PRICES, MID_MARKET)
    split = clear(orders("R", [(100, 126), (50, 126), (50, 126)]), offers, PRICES, MID_MARKET)
    assert honest.bought_wh["7-R-R1"] == 50
    assert split.bought_wh["7-R-R1"] + split.bought_wh["7-R-R2"] > 60


def test_a_pivotal_home_moves_the_uniform_price_over_its_range() -> None:
    """So mid_market is the default."""
    requests = orders("R", [(100, PRICES.ceiling)])
    exact = clear(requests, orders("O", [(100, 100)]), PRICES, UNIFORM)
    withheld = clear(requests, orders("O", [(99, 100)]), PRICES, UNIFORM)
    beyond = clear(requests, orders("O", [(101, 100)]), PRICES, UNIFORM)
    prices = [one.price_uaud_per_kwh for one in (beyond, exact, withheld)]
    assert prices == [100, 113, PRICES.ceiling]


def test_the_uniform_price_is_an_integer_rounded_down() -> None:
    clearing = clear(orders("R", [(100, 126)]), orders("O", [(100, 101)]), PRICES, UNIFORM)
    assert clearing.price_uaud_per_kwh == 113
    assert type(clearing.price_uaud_per_kwh) is int


def test_the_seed_is_over_all_ids_dropped_bids_included() -> None:
    requests = orders("R", [(1, 126), (1, 126)])
    offers = orders("O", [(1, 100)])
    winners = set()
    for number in range(20):
        dropped = Order(f"dropped{number}", "dropped", 1, PRICES.feed_in)
        winners.add(tuple(clear([*requests, dropped], offers, PRICES, MID_MARKET).bought_wh.values()))
    assert winners == {(1, 0, 0), (0, 1, 0)}


def test_negative_prices_round_down() -> None:
    prices = Prices(tou=10, feed_in=-21)
    clearing = clear([Order("r", "r", 1, 10)], [Order("o", "o", 1, -21)], prices, MID_MARKET)
    assert clearing.price_uaud_per_kwh == -6


@pytest.mark.parametrize(
    ("requests", "offers", "told"),
    [
        ([Order("r", "r", 0, 110)], [], "less than 1 Wh"),
        ([Order("r", "r", 1, 99)], [], "outside 100"),
        ([], [Order("o", "o", 1, 127)], "outside 100"),
        ([Order("r", "x", 1, 110)], [Order("o", "x", 1, 110)], "another bid"),
        ([Order("r", "x", 1, 110)], [Order("r", "y", 1, 110)], "another bid"),
    ],
)
def test_bids_that_nobody_judged(requests: list[Order], offers: list[Order], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        clear(requests, offers, PRICES, UNIFORM)
    with pytest.raises(ValueError, match="none of mid_market, uniform"):
        clear([], [], PRICES, "median")


def test_prices_stand_in_their_order() -> None:
    check_prices(Prices(130, 100, 30), 100)
    for prices, sharing_price, told in [
        (Prices(130, 100, 31), None, "above tou - feed_in, 30"),
        (Prices(130, 100, -1), None, "negative"),
        (Prices(130, 100, 30), 101, "outside 100"),
        (Prices(130, 100), 99, "outside 100"),
    ]:
        with pytest.raises(ValueError, match=told):
            check_prices(prices, sharing_price)
