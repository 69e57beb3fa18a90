# SPDX-License-Identifier: Apache-2.0
"""Invariants of the market (section 7 of its specification), stated again from scratch, and what follows from them.

Two desirable properties hold with exact conditions, which the tests state:

* *A cheaper offer of a third party never raises a buyer's bill* and *which seller sells among equals never changes
  what a buyer pays* both hold where no two buyers bid the same limit and no buyer sells at a price at which another
  offers too. Every change of the round draws new tie keys: equal limits may then be served in another order, and
  among equal offers another one may be left over, which a buyer cannot use if it is its own. Examples show both.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from commonwatt_chaincode.market.battery import (
    Account,
    Battery,
    available_wh,
    chargeable_wh,
    reserve,
    sellable_wh,
    settle_offer,
)
from commonwatt_chaincode.market.billing import Metered, bill
from commonwatt_chaincode.market.clearing import Clearing, Fill, clear, grid_alone
from commonwatt_chaincode.market.history import Entry
from commonwatt_chaincode.market.invariants import InvariantBroken, check_account, check_clearing
from commonwatt_chaincode.market.orders import Offer, Request
from commonwatt_chaincode.market.parameters import MODES, Parameters
from commonwatt_chaincode.market.prices import PriceState, buy_price, prices_after, sell_price
from commonwatt_chaincode.market.settlement import grid_room_wh, settle_interval
from commonwatt_chaincode.market.tariff import tou_at
from commonwatt_chaincode.market.ties import ranked, round_seed, tie_key
from hypothesis import given
from hypothesis import strategies as st

from .strategies import ENERGY, FEED_IN, HOMES, PRICES, TOU, offers, requests

Buyers = dict[str, tuple[int, int]]


def paid(clearing: Clearing) -> Buyers:
    """What each request got from neighbours, and its bill."""
    return {result.request: (result.p2p_energy_wh, result.amount_naud) for result in clearing.requests}


@given(requests(), offers())
def test_sums_and_parts_are_exact(asked: list[Request], offered: list[Offer]) -> None:
    clearing = clear(asked, offered, TOU)
    assert sum(r.p2p_amount_naud for r in clearing.requests) == sum(o.revenue_naud for o in clearing.offers)
    assert sum(r.p2p_energy_wh for r in clearing.requests) == sum(o.sold_wh for o in clearing.offers)
    assert [r.p2p_energy_wh + r.grid_energy_wh for r in clearing.requests] == [r.energy_wh for r in asked]
    assert [o.sold_wh + o.released_wh for o in clearing.offers] == [o.energy_wh for o in offered]
    assert all(r.amount_naud == r.p2p_amount_naud + r.grid_energy_wh * TOU for r in clearing.requests)


@given(requests(), offers())
def test_fills_keep_to_prices_limits_and_bidders(asked: list[Request], offered: list[Offer]) -> None:
    buyers, sellers = {r.id: r for r in asked}, {o.id: o for o in offered}
    for fill in clear(asked, offered, TOU).fills:
        buyer, seller = buyers[fill.request], sellers[fill.offer]
        assert FEED_IN <= seller.price_uaud_per_kwh <= buyer.limit_uaud_per_kwh <= TOU
        assert fill.amount_naud == fill.energy_wh * seller.price_uaud_per_kwh
        assert fill.energy_wh > 0
        assert fill.price_uaud_per_kwh == seller.price_uaud_per_kwh
        assert buyer.bidding
        assert (fill.buyer, fill.seller) == (buyer.home, seller.home)
        assert fill.buyer != fill.seller


@given(requests(), offers())
def test_nobody_does_worse_than_with_the_grid(asked: list[Request], offered: list[Offer]) -> None:
    clearing = clear(asked, offered, TOU)
    assert all(r.amount_naud <= r.energy_wh * TOU for r in clearing.requests)
    assert all(o.revenue_naud >= o.sold_wh * FEED_IN for o in clearing.offers)


@given(requests())
def test_without_offers_the_grid_delivers_as_clearing_says(asked: list[Request]) -> None:
    assert {grid_alone(one, TOU) for one in asked} == set(clear(asked, [], TOU).requests)


@given(offers(most=8))
def test_orders_are_ranked_by_price_then_tie_key_then_id(offered: list[Offer]) -> None:
    ids = ["R0", *(one.id for one in offered)]
    seed = round_seed(ids)
    expected = sorted(offered, key=lambda one: (one.price_uaud_per_kwh, tie_key(seed, one.id), one.id))
    assert ranked(offered, [one.price_uaud_per_kwh for one in offered], ids) == expected


@given(requests(), offers())
def test_no_trade_is_missed(asked: list[Request], offered: list[Offer]) -> None:
    clearing = clear(asked, offered, TOU)
    left = {o.offer for o in clearing.offers if o.released_wh}
    wanting = {r.request for r in clearing.requests if r.grid_energy_wh}
    for request in asked:
        for offer in offered:
            fits = request.limit_uaud_per_kwh >= offer.price_uaud_per_kwh and request.home != offer.home
            assert not (fits and request.bidding and request.id in wanting and offer.id in left)


@given(requests(), offers())
def test_the_cheapest_energy_sells_first(asked: list[Request], offered: list[Offer]) -> None:
    clearing = clear(asked, offered, TOU)
    prices = {o.id: o.price_uaud_per_kwh for o in offered}
    for fill in clearing.fills:
        for other in clearing.offers:
            if prices[other.offer] < fill.price_uaud_per_kwh and other.home != fill.buyer:
                assert other.released_wh == 0


@given(requests(), offers())
def test_higher_limits_are_served_before_lower_ones(asked: list[Request], offered: list[Offer]) -> None:
    limits = {r.id: r.limit_uaud_per_kwh for r in asked}
    served = [limits[fill.request] for fill in clear(asked, offered, TOU).fills]
    assert served == sorted(served, reverse=True)


@given(requests(), offers(), st.randoms(use_true_random=False))
def test_the_order_of_submission_changes_nothing(
    asked: list[Request], offered: list[Offer], random: Any
) -> None:
    expected = clear(asked, offered, TOU)
    random.shuffle(asked)
    random.shuffle(offered)
    assert clear(asked, offered, TOU) == expected


@given(requests(), offers())
def test_the_checks_before_signing_accept_every_award(asked: list[Request], offered: list[Offer]) -> None:
    check_clearing(asked, offered, clear(asked, offered, TOU), TOU, FEED_IN)


def untied(asked: list[Request], offered: list[Offer]) -> bool:
    """The condition: distinct limits, and no buyer sells at a price at which another offers too."""
    limits = Counter(request.limit_uaud_per_kwh for request in asked if request.bidding)
    prices = Counter(offer.price_uaud_per_kwh for offer in offered)
    buyers = {request.home for request in asked if request.bidding}
    return max(limits.values(), default=0) < 2 and not any(
        offer.home in buyers and prices[offer.price_uaud_per_kwh] > 1 for offer in offered
    )


@given(requests(distinct_limits=True), offers(), ENERGY, PRICES)
def test_another_sellers_offer_never_raises_a_bill(
    asked: list[Request], offered: list[Offer], energy_wh: int, price: int
) -> None:
    more = [*offered, Offer("O9", "newcomer", energy_wh, price)]
    if not untied(asked, more):
        more = [replace(offer, home=f"seller{place}") for place, offer in enumerate(more)]
    before, after = paid(clear(asked, more[:-1], TOU)), paid(clear(asked, more, TOU))
    for request, (_, amount_naud) in before.items():
        assert after[request][1] <= amount_naud


@given(requests(distinct_limits=True), offers(), st.permutations(range(6)))
def test_which_of_equal_offers_sells_never_changes_a_bill(
    asked: list[Request], offered: list[Offer], names: list[int]
) -> None:
    if not untied(asked, offered):
        offered = [replace(offer, home=f"seller{place}") for place, offer in enumerate(offered)]
    renamed = [replace(offer, id=f"X{names[place]}") for place, offer in enumerate(offered)]
    assert paid(clear(asked, offered, TOU)) == paid(clear(asked, renamed, TOU))


def test_equal_limits_are_served_in_an_order_that_every_change_draws_anew() -> None:
    asked = [Request("R0", "h0", 10, TOU), Request("R1", "h1", 10, TOU)]
    offer = Offer("O0", "p0", 10, FEED_IN)
    bills = {
        tuple(paid(clear(asked, [offer, Offer(f"O{n}", "p1", 1, TOU)], TOU)).values()) for n in range(1, 30)
    }
    assert len(bills) > 1


def test_a_buyer_cannot_use_its_own_energy_where_another_took_the_equal_offer() -> None:
    asked = [Request("R0", "h0", 10, TOU), Request("R1", "h1", 10, TOU - 1)]
    outcomes = {
        paid(clear(asked, [Offer(f"A{n}", "h1", 10, FEED_IN), Offer(f"B{n}", "p1", 10, FEED_IN)], TOU))["R1"]
        for n in range(30)
    }
    assert outcomes == {(10, 10 * FEED_IN), (0, 10 * TOU)}


BATTERIES = st.builds(
    Battery,
    capacity_wh=st.integers(0, 10_000),
    eta_c_ppm=st.integers(500_000, 1_000_000),
    eta_d_ppm=st.integers(500_000, 1_000_000),
    soc_min_ppm=st.integers(0, 300_000),
    soc_max_ppm=st.integers(700_000, 1_000_000),
    soc_dsr_ppm=st.integers(0, 1_000_000),
    p_rate_w=st.integers(1, 8_000),
)


@st.composite
def batteries_and_accounts(draw: st.DrawFn) -> tuple[Battery, Account]:
    battery = draw(BATTERIES)
    energy_wh = draw(st.integers(battery.e_min_wh, battery.e_max_wh))
    return battery, Account(energy_wh, draw(st.integers(0, energy_wh - battery.e_min_wh)))


WH = st.integers(0, 12_000)


@given(batteries_and_accounts(), st.integers(1, 1_440), WH, WH)
def test_an_interval_neither_makes_energy_nor_breaks_a_promise(
    start: tuple[Battery, Account], minutes: int, use_wh: int, generation_wh: int
) -> None:
    battery, before = start
    interval = settle_interval(battery, before, minutes, use_wh, generation_wh)
    after = interval.account
    assert (
        use_wh + interval.charged_wh + interval.spill_wh == generation_wh + interval.own_wh + interval.need_wh
    )
    assert after.energy_wh - before.energy_wh <= interval.charged_wh - interval.own_wh
    assert battery.e_min_wh <= after.energy_wh <= battery.e_max_wh
    assert after.reserved_wh == before.reserved_wh <= after.energy_wh - battery.e_min_wh
    assert interval.own_wh + interval.charged_wh <= battery.throughput_wh(minutes)
    assert min(interval.own_wh, interval.charged_wh) == min(interval.need_wh, interval.spill_wh) == 0
    assert interval.need_wh == 0 or interval.own_wh == available_wh(battery, before, minutes)
    assert interval.spill_wh == 0 or interval.charged_wh == chargeable_wh(battery, before, minutes)


@given(batteries_and_accounts(), st.integers(1, 1_440), WH, WH, st.integers(0, 100))
def test_charging_from_the_grid_makes_no_energy_either(
    start: tuple[Battery, Account], minutes: int, use_wh: int, generation_wh: int, percent: int
) -> None:
    battery, before = start
    without = settle_interval(battery, before, minutes, use_wh, generation_wh)
    most_wh = grid_room_wh(battery, without.account, minutes, without.charged_wh) if without.charged_wh else 0
    if generation_wh <= use_wh:
        most_wh = grid_room_wh(battery, before, minutes, 0)
    grid_wh = most_wh * percent // 100
    interval = settle_interval(battery, before, minutes, use_wh, generation_wh, grid_wh)
    after = interval.account
    assert interval.grid_charge_wh == grid_wh
    assert after.energy_wh - before.energy_wh <= grid_wh + interval.charged_wh - interval.own_wh
    assert battery.e_min_wh <= after.energy_wh <= battery.e_max_wh
    assert grid_wh + interval.charged_wh <= battery.throughput_wh(minutes)
    assert min(grid_wh, interval.own_wh) == 0
    with pytest.raises(ValueError, match=f"{most_wh} Wh from the grid"):
        settle_interval(battery, before, minutes, use_wh, generation_wh, most_wh + 1)


@given(st.lists(st.tuples(ENERGY, PRICES), max_size=6), st.data())
def test_a_consumer_never_pays_more_than_without_the_market(needs: list[tuple[int, int]], data: Any) -> None:
    """Invariant 12: a home without generation, whose every need is a request, whatever it bids and others ask."""
    intervals = []
    for energy_wh, limit in needs:
        (bought,) = clear([Request("R", "h0", energy_wh, limit)], data.draw(offers()), TOU).requests
        flows = (energy_wh, 0, 0, energy_wh, 0, 0, 0)
        bids = (bought.p2p_energy_wh, bought.p2p_amount_naud)
        intervals.append(Metered(*flows, *bids, TOU, FEED_IN, 0))
    computed = bill(intervals, ())
    assert computed.amount_naud <= computed.traditional_naud
    assert computed.amount_naud >= computed.need_wh * FEED_IN


@given(batteries_and_accounts(), st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=6))
def test_offers_hold_back_what_they_may_sell(
    start: tuple[Battery, Account], parts: list[tuple[int, int]]
) -> None:
    battery, account = start
    promised: list[tuple[int, int]] = []
    for offered_percent, sold_percent in parts:
        offered_wh = sellable_wh(battery, account) * offered_percent // 100
        account = reserve(battery, account, offered_wh)
        assert account.reserved_wh <= account.energy_wh - battery.e_min_wh
        promised.append((offered_wh, offered_wh * sold_percent // 100))
    energy_wh, reserved_wh = account.energy_wh, start[1].reserved_wh
    for offered_wh, sold_wh in promised:
        account = settle_offer(battery, account, offered_wh, sold_wh)
        check_account(account)
        assert account.energy_wh >= battery.e_min_wh
    assert account.reserved_wh == reserved_wh
    assert energy_wh - account.energy_wh >= sum(sold_wh for _, sold_wh in promised)


@given(
    st.sampled_from(MODES),
    st.integers(-(10**6), 10**6),
    st.integers(0, 10**6),
    st.integers(-(10**6), 10**6),
    st.lists(st.integers(100_000, 541_100), max_size=15),
    st.integers(0, 50_000),
    st.integers(0, 1_439),
)
def test_suggested_prices_lie_between_feed_in_and_tariff(
    mode: str, slope: int, mu_milli: int, nu_milli: int, history: list[int], energy_wh: int, minute: int
) -> None:
    rules = Parameters(mode=mode, lam=slope, beta=slope, mu_milli=mu_milli, nu_milli=nu_milli)
    prices = PriceState(tuple(history), tuple(history), energy_wh)
    tou = tou_at(rules.tou, minute)
    assert rules.feed_in <= sell_price(rules, prices, minute) <= tou
    assert rules.feed_in <= buy_price(rules, prices, energy_wh, minute) <= tou
    after = prices_after(prices, Entry(1, 2, ()), 3, rules.window)
    assert len(after.hist_s) == len(after.hist_b) <= rules.window


HOURS = st.lists(
    st.tuples(st.sampled_from(HOMES), WH, WH, st.integers(FEED_IN, TOU), st.integers(FEED_IN, TOU)),
    max_size=24,
)


@given(HOURS)
def test_a_random_day_loses_neither_money_nor_energy(day: list[tuple[str, int, int, int, int]]) -> None:
    """Every need becomes a round in which all others offer what they have; the battery is lossless."""
    battery = Battery(5_000, 1_000_000, 1_000_000, 0, 1_000_000, 0, 5_000)
    accounts = dict.fromkeys(HOMES, Account())
    use_wh = generation_wh = spill_wh = grid_wh = 0
    balance_naud = dict.fromkeys([*HOMES, "grid"], 0)
    for home, used_wh, generated_wh, limit, price in day:
        interval = settle_interval(battery, accounts[home], 60, used_wh, generated_wh)
        accounts[home] = interval.account
        use_wh, generation_wh = use_wh + used_wh, generation_wh + generated_wh
        spill_wh += interval.spill_wh
        if not interval.need_wh:
            continue
        offered = [
            Offer(f"O-{other}", other, energy_wh, price)
            for other, account in accounts.items()
            if other != home and (energy_wh := sellable_wh(battery, account))
        ]
        for offer in offered:
            accounts[offer.home] = reserve(battery, accounts[offer.home], offer.energy_wh)
        clearing = clear([Request("R", home, interval.need_wh, limit)], offered, TOU)
        for result in clearing.offers:
            accounts[result.home] = settle_offer(
                battery, accounts[result.home], result.energy_wh, result.sold_wh
            )
            balance_naud[result.home] += result.revenue_naud
        (bought,) = clearing.requests
        grid_wh += bought.grid_energy_wh
        balance_naud[home] -= bought.amount_naud
        balance_naud["grid"] += bought.grid_amount_naud
    assert sum(balance_naud.values()) == 0
    stored_wh = sum(account.energy_wh for account in accounts.values())
    assert use_wh == grid_wh + generation_wh - spill_wh - stored_wh
    assert all(account.reserved_wh == 0 for account in accounts.values())


REQUESTS = [Request("R0", "h0", 10, 120), Request("R1", "h1", 10, 110, bidding=False)]
OFFERS = [Offer("O0", "p0", 6, 110), Offer("O1", "p1", 8, 105)]


def forged(**changes: Any) -> Clearing:
    return replace(clear(REQUESTS, OFFERS, TOU), **changes)


def line(results: tuple[Any, ...], place: int, **changes: Any) -> tuple[Any, ...]:
    return tuple(result._replace(**changes) if at == place else result for at, result in enumerate(results))


def test_the_checks_before_signing_find_every_forgery() -> None:
    good = clear(REQUESTS, OFFERS, TOU)
    assert good.fills == (
        Fill("R0", "O1", "h0", "p1", 8, 105, 840),
        Fill("R0", "O0", "h0", "p0", 2, 110, 220),
    )
    forgeries = {
        "1: buyers do not pay": forged(offers=line(good.offers, 0, revenue_naud=221)),
        "1: bought is not sold": forged(offers=line(good.offers, 0, sold_wh=3)),
        "2: R1 is not whole": forged(requests=line(good.requests, 1, grid_energy_wh=9)),
        "2: R0 is not whole": forged(requests=line(good.requests, 0, energy_wh=9, grid_energy_wh=-1)),
        "2: O0 is not whole": forged(offers=line(good.offers, 0, released_wh=5)),
        "2: O1 is not whole": forged(offers=line(good.offers, 1, released_wh=-1, energy_wh=7)),
        "3: R0 pays another amount": forged(fills=line(good.fills, 0, amount_naud=841)),
        "3: R0 pays another amount, none": forged(
            fills=(*good.fills, good.fills[0]._replace(energy_wh=0, amount_naud=0))
        ),
        "3: R1 and O1 do not agree": forged(fills=line(good.fills, 0, request="R1")),
        "5: R1 pays above": forged(requests=line(good.requests, 1, amount_naud=10 * TOU + 1)),
    }
    for broken, clearing in forgeries.items():
        with pytest.raises(InvariantBroken) as error:
            check_clearing(REQUESTS, OFFERS, clearing, TOU, FEED_IN)
        assert str(error.value).startswith(broken.partition(",")[0])


def test_the_checks_before_signing_find_wrong_matches() -> None:
    own = [replace(OFFERS[0], home="h0"), OFFERS[1]]
    with pytest.raises(InvariantBroken, match="4: h0 trades with itself"):
        check_clearing(REQUESTS, own, clear(REQUESTS, OFFERS, TOU), TOU, FEED_IN)
    low = [Offer("O0", "p0", 10, FEED_IN - 1)]
    with pytest.raises(InvariantBroken, match="3: R0 and O0 do not agree"):
        check_clearing(REQUESTS, low, clear(REQUESTS, low, TOU), TOU, FEED_IN)
    with pytest.raises(InvariantBroken, match="3: R0 and O1 do not agree"):
        check_clearing(REQUESTS, OFFERS, clear(REQUESTS, OFFERS, TOU), 119, FEED_IN)
    cheap_first = clear(REQUESTS, [OFFERS[0], replace(OFFERS[1], price_uaud_per_kwh=115)], TOU)
    with pytest.raises(InvariantBroken, match="1: |3: "):
        check_clearing(REQUESTS, OFFERS, cheap_first, TOU, FEED_IN)
    nobody = clear([replace(REQUESTS[0], bidding=False), REQUESTS[1]], OFFERS, TOU)
    with pytest.raises(InvariantBroken, match="6: R0 missed a trade"):
        check_clearing(REQUESTS, OFFERS, nobody, TOU, FEED_IN)


def test_the_checks_before_signing_find_a_dearer_sale() -> None:
    asked = [Request("R0", "h0", 5, 120)]
    offered = [Offer("O0", "p0", 5, 110), Offer("O1", "p1", 5, 105)]
    dear = clear(asked, offered[:1], TOU)
    released = clear([], offered, TOU).offers[1]
    award = replace(dear, offers=(*dear.offers, released))
    with pytest.raises(InvariantBroken, match="7: R0 was passed over"):
        check_clearing(asked, offered, award, TOU, FEED_IN)


def test_the_checks_before_signing_look_at_bounds_exactly() -> None:
    dearest = [Request("R0", "h0", 5, TOU)]
    at_feed_in = [Offer("O0", "p0", 5, FEED_IN)]
    award = clear(dearest, at_feed_in, TOU)
    check_clearing(dearest, at_feed_in, award, TOU, FEED_IN)
    short = replace(
        award,
        requests=line(award.requests, 0, p2p_amount_naud=5 * FEED_IN - 1),
        offers=line(award.offers, 0, revenue_naud=5 * FEED_IN - 1),
    )
    with pytest.raises(InvariantBroken, match="5: O0 earns below the feed-in"):
        check_clearing(dearest, at_feed_in, short, TOU, FEED_IN)
    missed = clear([replace(dearest[0], bidding=False)], at_feed_in, TOU)
    exactly = [replace(dearest[0], limit_uaud_per_kwh=FEED_IN)]
    with pytest.raises(InvariantBroken, match="6: R0 missed a trade"):
        check_clearing(exactly, at_feed_in, missed, TOU, FEED_IN)
    both = [Offer("O0", "p0", 5, FEED_IN), Offer("O1", "p0", 5, TOU)]
    nothing = clear([replace(dearest[0], bidding=False)], both, TOU)
    with pytest.raises(InvariantBroken, match="6: R0 missed a trade"):
        check_clearing(exactly, both, nothing, TOU, FEED_IN)


def test_accounts_before_signing() -> None:
    check_account(Account(5, 5))
    for account in (Account(5, 6), Account(5, -1)):
        with pytest.raises(InvariantBroken, match="8: "):
            check_account(account)
