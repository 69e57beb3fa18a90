# SPDX-License-Identifier: Apache-2.0
"""From bids of several communities to lines: energy and money of all of them together, to the Wh and the nAUD."""

from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

import pytest
from commonwatt_chaincode.market.exchange.awards import awards_of
from commonwatt_chaincode.market.exchange.clearing import VOID, Link, Round, Trade, clear_round
from commonwatt_chaincode.market.exchange.residual import Pool, Pools, pools_of, residual
from commonwatt_chaincode.market.exchange.settlement import (
    ExchangeSettlement,
    resettle_with_exchange,
    settle_with_exchange,
)
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bids import Judged, Order
from commonwatt_chaincode.market.forward.clearing import PRICINGS, Clearing, clear
from commonwatt_chaincode.market.forward.outside import Outside
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.settlement import Terms, settle
from commonwatt_chaincode.market.forward.sharing import MODES, NONE
from hypothesis import given
from hypothesis import strategies as st

NAMES = ("a", "b", "c")


class Community(NamedTuple):
    """A community after its gate, and its meters afterwards."""

    name: str
    terms: Terms
    clearing: Clearing
    pools: Pools
    homes: list[Metered]


def community(name: str, random: Random) -> Community:
    feed_in, fee = random.randint(-20, 20), random.randint(0, 5)
    prices = Prices(feed_in + fee + random.randint(40, 100), feed_in, fee)
    sunny = name == "a" or random.random() < 0.2
    requests: list[Order] = []
    offers: list[Order] = []
    meters = {}
    for place in range(random.choice([0, 4, 6, 8])):
        home = f"{name}{place}"
        order = Order(f"7-{home}", home, random.randint(1, 40), random.randint(feed_in, prices.ceiling))
        usual, rare = (offers, requests) if sunny else (requests, offers)
        random.choice([usual, usual, usual, usual, rare, []]).append(order)
        cap_wh = random.choice([None, None, random.randint(0, 60)])
        meters[home] = (random.randint(0, 60), random.randint(0, 60), cap_wh, random.random() < 0.1)
    clearing = clear(requests, offers, prices, random.choice(PRICINGS))
    pools = pools_of(Judged(tuple(requests), tuple(offers), {}), clearing, random.choice([1, 1, 1, 2, 3]))
    bought = {one.home: clearing.bought_wh[one.id] for one in requests}
    sold = {one.home: clearing.sold_wh[one.id] for one in offers}
    homes = [
        Metered(home, bought.get(home, 0), sold.get(home, 0), *registers[:3], 100_000, registers[3])
        for home, registers in meters.items()
    ]
    terms = Terms(prices, clearing.price_uaud_per_kwh, random.choice(MODES))
    return Community(name, terms, clearing, pools, homes)


def region(seed: int) -> tuple[list[Community], Round]:
    """Three communities up to their round. From a seed: drawn one by one, most regions would trade nothing."""
    random = Random(seed)
    members = [community(name, random) for name in NAMES]
    links = [
        Link(seller, buyer, random.randint(10, 90), random.randint(0, 5))
        for seller in NAMES
        for buyer in NAMES
        if seller != buyer
    ]
    return members, clear_round(7, [residual(one.name, one.pools) for one in members], links)


REGIONS = st.integers(0, 2**32).map(region)


def test_most_regions_trade() -> None:
    assert sum(bool(region(seed)[1].trades) for seed in range(100)) > 50


def settled(one: Community, result: Round) -> ExchangeSettlement:
    return settle_with_exchange(one.homes, one.terms, awards_of(one.name, one.pools, result.trades))


def total(lines: ExchangeSettlement, name: str) -> int:
    return sum(getattr(line, name) for line in lines.lines.values())


@given(REGIONS)
def test_money_of_all_communities_the_grid_and_the_exchange_sums_to_zero(
    drawn: tuple[list[Community], Round],
) -> None:
    members, result = drawn
    homes_naud = grid_naud = 0
    for one in members:
        outcome = settled(one, result)
        amounts_naud = total(outcome, "amount_naud")
        assert amounts_naud == outcome.grid_naud + outcome.exchange_naud
        assert outcome.exchange_naud == result.account_naud(one.name)
        fees_naud = sum(trade.fee_naud for trade in result.trades if trade.buyer == one.name)
        assert sum(home.fee_naud for home in outcome.outside.values()) == fees_naud
        assert total(outcome, "contract_naud") == total(outcome, "shared_naud") == 0
        homes_naud += amounts_naud
        grid_naud += outcome.grid_naud
    assert homes_naud - grid_naud - result.fee_naud == 0


@given(REGIONS)
def test_energy_is_neither_made_nor_lost(drawn: tuple[list[Community], Round]) -> None:
    members, result = drawn
    from_outside_wh = grid_wh = meters_wh = 0
    for one in members:
        outcome = settled(one, result)
        imported_wh = sum(home.imported_wh for home in outcome.outside.values())
        exported_wh = sum(home.exported_wh for home in outcome.outside.values())
        assert imported_wh == sum(trade.energy_wh for trade in result.trades if trade.buyer == one.name)
        assert exported_wh == sum(trade.energy_wh for trade in result.trades if trade.seller == one.name)
        assert total(outcome, "shared_in_wh") == total(outcome, "shared_out_wh") == outcome.shared_wh
        grid = total(outcome, "grid_in_wh") - total(outcome, "grid_out_wh") - total(outcome, "breach_wh")
        meters = sum(home.import_wh - home.export_wh for home in one.homes)
        assert grid + imported_wh - exported_wh == meters
        from_outside_wh += imported_wh - exported_wh
        grid_wh += grid
        meters_wh += meters
    assert from_outside_wh == 0
    assert grid_wh == meters_wh


@given(REGIONS)
def test_homes_trade_within_their_bids_by_merit(drawn: tuple[list[Community], Round]) -> None:
    for one in drawn[0]:
        outside = awards_of(one.name, one.pools, drawn[1].trades)
        for side, buys in ((one.pools.requests, True), (one.pools.offers, False)):
            orders = [order for pool in side for order in pool.orders]
            got = {home: wh + out for home, (wh, out, *_) in outside.items()}
            for order in orders:
                wh = got.get(order.home, 0)
                assert wh <= order.energy_wh
                if wh:
                    amount_naud = outside[order.home].amount_naud
                    assert amount_naud <= wh * order.price_uaud_per_kwh * (1 if buys else -1)
            for better in orders:
                for worse in orders:
                    gap = better.price_uaud_per_kwh - worse.price_uaud_per_kwh
                    if (gap > 0 if buys else gap < 0) and got.get(worse.home):
                        assert got.get(better.home) == better.energy_wh
                    if gap == 0 and got.get(better.home, 0) < better.energy_wh:
                        assert got.get(worse.home, 0) <= got.get(better.home, 0) + 1


@given(REGIONS)
def test_a_home_that_keeps_its_promises_pays_at_most_the_grids_prices(
    drawn: tuple[list[Community], Round],
) -> None:
    members, result = drawn
    for one in members:
        outcome = settled(one, result)
        prices = one.terms.prices
        for home in one.homes:
            out = outcome.outside.get(home.home, Outside())
            bought_wh, sold_wh = home.bought_wh + out.imported_wh, home.sold_wh + out.exported_wh
            kept = bought_wh <= home.import_wh and sold_wh <= home.export_wh and not home.breach_wh
            if kept and not home.estimated:
                alone_naud = home.import_wh * prices.tou - home.export_wh * prices.feed_in
                assert outcome.lines[home.home].amount_naud <= alone_naud


@given(REGIONS)
def test_a_void_round_settles_as_if_there_were_no_exchange(drawn: tuple[list[Community], Round]) -> None:
    for one in drawn[0]:
        outcome, alone = settled(one, VOID), settle(one.homes, one.terms)
        assert outcome.outside == {}
        assert outcome.exchange_naud == 0
        assert (outcome.lines, outcome.shared_wh, outcome.grid_naud) == (
            alone.lines,
            alone.shared_wh,
            alone.grid_naud,
        )


@given(REGIONS, st.data())
def test_the_order_of_homes_and_trades_changes_nothing(
    drawn: tuple[list[Community], Round], data: Any
) -> None:
    members, result = drawn
    one = data.draw(st.sampled_from(members))
    shuffled = one._replace(homes=data.draw(st.permutations(one.homes)))
    trades = Round(tuple(data.draw(st.permutations(result.trades))))
    assert settled(shuffled, trades) == settled(one, result)


@given(REGIONS)
def test_without_sharing_nobody_is_worse_off_by_the_exchange_who_meters_what_it_bid(
    drawn: tuple[list[Community], Round],
) -> None:
    members, result = drawn
    for one in members:
        bids = {order.home: order.energy_wh for side in one.pools for pool in side for order in pool.orders}
        kept = []
        for home in one.homes:
            rest_wh = bids.get(home.home, 0)
            full = home._replace(
                import_wh=home.bought_wh + (0 if home.sold_wh else rest_wh),
                export_wh=home.sold_wh + rest_wh,
                export_cap_wh=None,
                estimated=False,
            )
            kept.append(full)
        quiet = one._replace(homes=kept, terms=replace(one.terms, sharing=NONE))
        outcome, alone = settled(quiet, result), settle(quiet.homes, quiet.terms)
        for name, line in alone.lines.items():
            assert outcome.lines[name].amount_naud <= line.amount_naud


@given(REGIONS, st.integers(0, 60), st.integers(0, 60))
def test_a_later_reading_moves_its_own_home_and_the_grid_alone(
    drawn: tuple[list[Community], Round], import_wh: int, export_wh: int
) -> None:
    members, result = drawn
    for one in members:
        outcome = settled(one, result)
        for home in one.homes:
            before, out = outcome.lines[home.home], outcome.outside.get(home.home, Outside())
            assert resettle_with_exchange(home, before, one.terms, out) == before
            late = home._replace(import_wh=import_wh, export_wh=export_wh, estimated=False)
            after = resettle_with_exchange(late, before, one.terms, out)
            assert (after.contract_naud, after.shared_naud, after.fee_naud) == (
                before.contract_naud,
                before.shared_naud,
                before.fee_naud,
            )
            assert after.amount_naud - before.amount_naud == after.grid_naud - before.grid_naud
            contracts_wh = home.bought_wh + out.imported_wh - home.sold_wh - out.exported_wh
            shared_wh = after.shared_in_wh - after.shared_out_wh
            grid_wh = after.grid_in_wh - after.grid_out_wh - after.breach_wh
            assert grid_wh + contracts_wh + shared_wh == import_wh - export_wh


def test_a_seller_that_does_not_deliver_pays_its_own_grid() -> None:
    """The other community gets its energy at its price, whatever the seller's meter says."""
    terms = Terms(Prices(500, 120, 20), None)
    outcome = settle_with_exchange([Metered("s", 0, 0, 0, 3)], terms, {"s": Outside(0, 10, -2_000)})
    line = outcome.lines["s"]
    assert (line.grid_in_wh, line.contract_naud, line.amount_naud) == (7, 0, 7 * 500 - 2_000)
    assert (outcome.grid_naud, outcome.exchange_naud) == (3_500, -2_000)


def test_the_local_network_carries_an_import_too() -> None:
    terms = Terms(Prices(500, 120, 20), None)
    outcome = settle_with_exchange([Metered("r", 0, 0, 10, 0)], terms, {"r": Outside(10, 0, 3_000)})
    assert (outcome.lines["r"].fee_naud, outcome.lines["r"].amount_naud) == (200, 3_200)


def test_a_levels_money_is_divided_to_the_last_naud() -> None:
    orders = tuple(Order(f"R{name}", name, 10, 100 - place) for place, name in enumerate("xyz"))
    pools = Pools((Pool(98, orders),), ())
    trades = [Trade("b", "a", 10, 98, 20, 50, 1), Trade("c", "a", 10, 98, 3, 60, 2)]
    outside = awards_of("a", pools, trades)
    assert [one.imported_wh for one in outside.values()] == [10, 10, 3]
    assert sum(one.amount_naud for one in outside.values()) == 20 * 51 + 3 * 62 == 23 * 52 + 10
    assert sum(one.fee_naud for one in outside.values()) == 20 * 1 + 3 * 2
    assert all(0 <= one.amount_naud - 52 * one.imported_wh <= one.imported_wh for one in outside.values())


def test_what_the_exchange_cannot_have_given() -> None:
    orders = (Order("R", "x", 10, 100),)
    pools = Pools((Pool(98, orders),), ())
    for trade, told in [
        (Trade("b", "a", 10, 97, 5, 50, 0), "nothing was offered at 97"),
        (Trade("b", "a", 10, 98, 11, 50, 0), "more than was offered"),
        (Trade("a", "b", 98, 99, 1, 98, 0), "nothing was offered at 98"),
    ]:
        with pytest.raises(ValueError, match=told):
            awards_of("a", pools, [trade])
    both = Pools(pools.requests, (Pool(50, orders),))
    with pytest.raises(ValueError, match="a request and an offer"):
        awards_of("a", both, [Trade("b", "a", 10, 98, 5, 50, 0), Trade("a", "b", 50, 99, 5, 60, 0)])
    terms = Terms(Prices(500, 120, 20), None)
    for homes, outside, told in [
        ([], {"x": Outside(1)}, "is not settled"),
        ([Metered("x", 0, 0, 0, 0)], {"x": Outside(-1)}, "negative"),
        ([Metered("x", 5, 0, 0, 0)], {}, "differ from their sales"),
        ([Metered("x", 5, 5, 0, 0)], {}, "no price"),
    ]:
        with pytest.raises(ValueError, match=told):
            settle_with_exchange(homes, terms, outside)
