# SPDX-License-Identifier: Apache-2.0
"""The exchange's round: limits, links and money for any residuals, and what a false residual earns."""

from itertools import pairwise
from typing import Any

import pytest
from commonwatt_chaincode.market.exchange.clearing import VOID, Link, Round, clear_round
from commonwatt_chaincode.market.exchange.residual import MOST_LEVELS, Level, Residual
from hypothesis import given
from hypothesis import strategies as st

NAMES = ("a", "b", "c", "d")


def levels(lowest: int, highest: int) -> Any:
    one = st.builds(Level, st.integers(lowest, highest), st.integers(1, 30))
    return st.lists(one, max_size=3, unique_by=lambda level: level[0]).map(tuple)


@st.composite
def rounds(draw: st.DrawFn) -> tuple[list[Residual], list[Link]]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=2))
    residuals = [Residual(name, draw(levels(0, 20)), draw(levels(-5, 12))) for name in names]
    ways = [(seller, buyer) for seller in NAMES for buyer in NAMES if seller != buyer]
    used = draw(st.lists(st.sampled_from(ways), unique=True, min_size=4))
    return residuals, [Link(*way, draw(st.integers(0, 30)), draw(st.integers(0, 6))) for way in used]


Case = tuple[list[Residual], list[Link]]


def sold_wh(result: Round, community: str, level: int) -> int:
    return sum(
        one.energy_wh for one in result.trades if (one.seller, one.offered_uaud_per_kwh) == (community, level)
    )


def bought_wh(result: Round, community: str, level: int) -> int:
    return sum(
        one.energy_wh for one in result.trades if (one.buyer, one.limit_uaud_per_kwh) == (community, level)
    )


@given(rounds())
def test_no_limit_is_broken_and_money_sums_to_zero(case: Case) -> None:
    residuals, links = case
    result = clear_round(7, residuals, links)
    fees = {(one.seller, one.buyer): one.fee_uaud_per_kwh for one in links}
    for trade in result.trades:
        assert trade.seller != trade.buyer
        assert trade.fee_uaud_per_kwh == fees[trade.seller, trade.buyer]
        assert trade.offered_uaud_per_kwh <= trade.price_uaud_per_kwh
        assert trade.price_uaud_per_kwh + trade.fee_uaud_per_kwh <= trade.limit_uaud_per_kwh
        gains = trade.price_uaud_per_kwh - trade.offered_uaud_per_kwh
        saves = trade.limit_uaud_per_kwh - trade.price_uaud_per_kwh - trade.fee_uaud_per_kwh
        assert saves - gains in (0, 1)
        assert saves + gains > 0
        assert trade.buyer_naud - trade.seller_naud - trade.fee_naud == 0
    assert sum(result.account_naud(name) for name in NAMES) == result.fee_naud
    for one in residuals:
        for level in one.requests:
            assert bought_wh(result, one.community, level.price_uaud_per_kwh) <= level.energy_wh
        for level in one.offers:
            assert sold_wh(result, one.community, level.price_uaud_per_kwh) <= level.energy_wh


@given(rounds())
def test_no_link_is_over_its_limit_and_no_pair_that_gains_is_left(case: Case) -> None:
    residuals, links = case
    result = clear_round(7, residuals, links)
    by_name = {one.community: one for one in residuals}
    for link in links:
        carried_wh = sum(
            one.energy_wh for one in result.trades if (one.seller, one.buyer) == (link.seller, link.buyer)
        )
        assert carried_wh <= link.limit_wh
        if carried_wh == link.limit_wh or not {link.seller, link.buyer} <= by_name.keys():
            continue
        for request in by_name[link.buyer].requests:
            for offer in by_name[link.seller].offers:
                if request.price_uaud_per_kwh - offer.price_uaud_per_kwh > link.fee_uaud_per_kwh:
                    full = bought_wh(result, link.buyer, request.price_uaud_per_kwh) == request.energy_wh
                    assert full or sold_wh(result, link.seller, offer.price_uaud_per_kwh) == offer.energy_wh


@given(rounds())
def test_better_levels_of_a_community_trade_first(case: Case) -> None:
    """So merit within the community and merit on the exchange are one order."""
    residuals, links = case
    result = clear_round(7, residuals, links)
    for one in residuals:
        for better, worse in pairwise(sorted(one.requests, reverse=True)):
            if bought_wh(result, one.community, worse.price_uaud_per_kwh):
                assert bought_wh(result, one.community, better.price_uaud_per_kwh) == better.energy_wh
        for better, worse in pairwise(sorted(one.offers)):
            if sold_wh(result, one.community, worse.price_uaud_per_kwh):
                assert sold_wh(result, one.community, better.price_uaud_per_kwh) == better.energy_wh


@given(rounds(), st.data())
def test_the_order_of_submission_changes_nothing(case: Case, data: Any) -> None:
    residuals, links = case
    shuffled = [one._replace(requests=one.requests[::-1]) for one in data.draw(st.permutations(residuals))]
    assert clear_round(7, shuffled, data.draw(st.permutations(links))) == clear_round(7, residuals, links)


@given(rounds())
def test_a_community_that_does_not_come_leaves_the_others_their_round(case: Case) -> None:
    residuals, links = case
    away = [one for one in residuals if one.community != "a"]
    without_links = [link for link in links if "a" not in (link.seller, link.buyer)]
    empty = [*away, Residual("a", (), ())]
    assert clear_round(7, away, links) == clear_round(7, empty, links) == clear_round(7, away, without_links)


def test_ties_are_drawn_anew_each_period() -> None:
    """By plain ids the first community of the alphabet would win every tie for ever."""
    residuals = [
        Residual("a", (Level(20, 5),), ()),
        Residual("b", (Level(20, 5),), ()),
        Residual("c", (), (Level(8, 5),)),
    ]
    links = [Link("c", "a", 9), Link("c", "b", 9)]
    winners = [clear_round(period, residuals, links).trades[0].buyer for period in range(0, 300, 5)]
    assert 15 < winners.count("a") < 45


BUYER, SELLER = Residual("a", (Level(20, 10),), ()), Residual("b", (), (Level(8, 10),))
LINKS = [Link("b", "a", 100, 2)]


def cost_naud(levels: list[Level], others: list[Residual], worth: int = 20) -> int:
    """What the buyer gains, at what a Wh is worth to it and for the 10 Wh it needs, by bringing these levels."""
    result = clear_round(7, [Residual("a", tuple(levels), ()), *others], LINKS)
    got_wh = sum(one.energy_wh for one in result.trades if one.buyer == "a")
    return min(got_wh, 10) * worth - result.account_naud("a")


def test_a_lower_limit_earns_half_of_the_difference_until_it_misses_the_trade() -> None:
    """Pairs pay between their own limits, so a false limit pays: it is homes' to say, never the operator's."""
    gains = [cost_naud([Level(limit, 10)], [SELLER]) for limit in (20, 16, 12, 11, 10)]
    assert gains == [50, 70, 90, 100, 0]


def test_a_lower_limit_loses_to_a_neighbour() -> None:
    rival = Residual("c", (Level(16, 10),), ())
    links = [*LINKS, Link("b", "c", 100, 2)]
    for limit, got in ((20, 10), (15, 0)):
        result = clear_round(7, [Residual("a", (Level(limit, 10),), ()), rival, SELLER], links)
        assert sum(one.energy_wh for one in result.trades if one.buyer == "a") == got


def test_splitting_a_level_earns_no_more_than_one_limit_against_a_single_seller() -> None:
    best = max(cost_naud([Level(limit, 10)], [SELLER]) for limit in range(8, 21))
    for part_wh in range(1, 10):
        for low in range(8, 20):
            assert cost_naud([Level(20, part_wh), Level(low, 10 - part_wh)], [SELLER]) <= best


def test_splitting_a_level_earns_a_little_where_rivals_bid() -> None:
    """One part wins the cheapest offer from the rival, and the other pays less for what the rival leaves."""
    rival = Residual("c", (Level(15, 5),), ())
    sellers = [Residual("b", (), (Level(3, 5), Level(8, 5), Level(9, 5))), rival]
    links = [*LINKS, Link("b", "c", 100, 2)]

    def gain_naud(*levels: Level) -> int:
        result = clear_round(7, [Residual("a", levels, ()), *sellers], links)
        assert sum(one.energy_wh for one in result.trades if one.buyer == "a") <= 10
        got_wh = sum(one.energy_wh for one in result.trades if one.buyer == "a")
        return got_wh * 20 - result.account_naud("a")

    best = max(gain_naud(Level(limit, 10)) for limit in range(3, 21))
    split = max(gain_naud(Level(high, 5), Level(low, 5)) for high in range(4, 21) for low in range(3, high))
    assert best < split <= best + 10


@given(st.integers(1, 30))
def test_asking_for_more_than_is_needed_costs(energy_wh: int) -> None:
    large = SELLER._replace(offers=(Level(8, 100),))
    honest = cost_naud([Level(20, 10)], [large])
    assert (cost_naud([Level(20, energy_wh)], [large]) < honest) == (energy_wh != 10)


def test_holding_energy_back_moves_no_price() -> None:
    full, half = (
        clear_round(7, [BUYER, Residual("b", (), (Level(8, wh),))], LINKS).trades[0] for wh in (10, 5)
    )
    assert full.price_uaud_per_kwh == half.price_uaud_per_kwh == 13
    assert full.seller_naud == 2 * half.seller_naud


def test_a_worked_example() -> None:
    """The one of docs/market.md."""
    residuals = [
        Residual("east", (Level(400_000, 600),), ()),
        Residual("north", (Level(350_000, 500),), ()),
        Residual("west", (), (Level(150_000, 400), Level(200_000, 500))),
    ]
    links = [Link("west", "east", 500, 20_000), Link("west", "north", 1_000, 10_000)]
    result = clear_round(29_673_120, residuals, links)
    told = [(one.buyer, one.energy_wh, one.price_uaud_per_kwh, one.buyer_naud) for one in result.trades]
    assert told == [
        ("east", 400, 265_000, 400 * 285_000),
        ("east", 100, 290_000, 100 * 310_000),
        ("north", 400, 270_000, 400 * 280_000),
    ]
    accounts = {name: result.account_naud(name) for name in ("east", "north", "west")}
    assert accounts == {"east": 145_000_000, "north": 112_000_000, "west": -243_000_000}
    assert sum(accounts.values()) == result.fee_naud == 14_000_000


def test_what_cannot_be_a_round() -> None:
    assert clear_round(7, [], []) == VOID
    twice = Residual("a", (Level(5, 1), Level(5, 2)), ())
    many = Residual("a", tuple(Level(price, 1) for price in range(MOST_LEVELS + 1)), ())
    for residuals, links, told in [
        ([BUYER, BUYER], [], "two residuals"),
        ([twice], [], "one price"),
        ([many], [], "more than 20 levels"),
        ([Residual("a", (), (Level(5, 0),))], [], "less than 1 Wh"),
        ([], [Link("a", "a", 5)], "leads back"),
        ([], [Link("a", "b", -1)], "negative"),
        ([], [Link("a", "b", 5, -1)], "negative"),
        ([], [Link("a", "b", 5), Link("a", "b", 6)], "two links"),
    ]:
        with pytest.raises(ValueError, match=told):
            clear_round(7, residuals, links)
