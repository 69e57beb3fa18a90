# SPDX-License-Identifier: Apache-2.0
"""Settlement of the forward market: sums that are exact for any community and any parts, and who may lose."""

from dataclasses import replace
from typing import Any

import pytest
from commonwatt_chaincode.market.forward.award import proportion
from commonwatt_chaincode.market.forward.balances import Metered, balance
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.settlement import (
    Line,
    Settlement,
    Terms,
    difference,
    join,
    resettle,
    settle,
    settle_part,
)
from commonwatt_chaincode.market.forward.sharing import DYNAMIC, MODES, NONE, STATIC, keys_of, plan_sharing
from commonwatt_chaincode.market.ties import round_seed, tie_key
from hypothesis import given
from hypothesis import strategies as st

WH = st.integers(0, 60)


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    feed_in = draw(st.integers(-50, 150))
    fee = draw(st.integers(0, 20))
    prices = Prices(feed_in + fee + draw(st.integers(0, 200)), feed_in, fee)
    within = st.integers(prices.feed_in, prices.ceiling)
    return Terms(prices, draw(within), draw(st.sampled_from(MODES)), draw(st.none() | within))


@st.composite
def communities(draw: st.DrawFn) -> list[Metered]:
    """Homes that bought what others sold, with any meters, caps, keys and estimates."""
    count = draw(st.integers(1, 8))
    homes = []
    for number in range(count):
        cap_wh = draw(st.none() | WH)
        key_ppm = draw(st.integers(0, 1_000_000 // count))
        homes.append(
            Metered(f"h{number}", 0, 0, draw(WH), draw(WH), cap_wh, key_ppm, draw(st.integers(0, 4)) == 0)
        )
    for _ in range(draw(st.integers(0, 4))):
        buyer, seller = draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))
        traded_wh = draw(WH)
        homes[buyer] = homes[buyer]._replace(bought_wh=homes[buyer].bought_wh + traded_wh)
        homes[seller] = homes[seller]._replace(sold_wh=homes[seller].sold_wh + traded_wh)
    return homes


def total(settlement: Settlement, name: str) -> int:
    return sum(getattr(line, name) for line in settlement.lines.values())


@given(communities(), terms())
def test_money_and_energy_sum_exactly(homes: list[Metered], at: Terms) -> None:
    settlement = settle(homes, at)
    assert total(settlement, "amount_naud") == settlement.grid_naud
    assert total(settlement, "contract_naud") == total(settlement, "shared_naud") == 0
    assert total(settlement, "shared_in_wh") == total(settlement, "shared_out_wh") == settlement.shared_wh
    grid_wh = (
        total(settlement, "grid_in_wh") - total(settlement, "grid_out_wh") - total(settlement, "breach_wh")
    )
    assert grid_wh == sum(home.import_wh - home.export_wh for home in homes)
    for home in homes:
        line = settlement.lines[home.home]
        assert min(line[:5]) >= 0
        assert min(line.shared_in_wh, line.shared_out_wh) == 0
        assert line.amount_naud == line.contract_naud + line.shared_naud + line.grid_naud + line.fee_naud


@given(communities(), terms(), st.data())
def test_any_parts_join_to_the_whole(homes: list[Metered], at: Terms, data: Any) -> None:
    whole = settle(homes, at)
    plan = plan_sharing(map(balance, data.draw(st.permutations(homes))), at.sharing)
    shuffled = data.draw(st.permutations(homes))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(homes)), max_size=4)))
    slices = [shuffled[first:last] for first, last in zip([0, *cuts], [*cuts, len(homes)], strict=True)]
    parts = [settle_part(part, plan, at) for part in slices]
    assert join(data.draw(st.permutations(parts)), plan) == whole


@given(communities(), terms())
def test_a_second_account_of_the_rules(homes: list[Metered], at: Terms) -> None:
    """Line by line as the rules are written, for homes that were metered."""
    homes = [home._replace(estimated=False) for home in homes]
    settlement = settle(homes, at)
    want, give = {}, {}
    for home in homes:
        export = home.export_wh if home.export_cap_wh is None else min(home.export_wh, home.export_cap_wh)
        short, long = max(0, home.import_wh - home.bought_wh), max(0, export - home.sold_wh)
        want[home.home], give[home.home] = short - min(short, long), long - min(short, long)
    wanted, given_wh = sum(want.values()), sum(give.values())
    if at.sharing == STATIC:
        taken = {one.home: min(want[one.home], one.key_ppm * given_wh // 10**6) for one in homes}
    else:
        shared = min(wanted, given_wh) if at.sharing == DYNAMIC else 0
        taken = by_proportion(want, shared)
    left = by_proportion(give, sum(taken.values()))
    for home in homes:
        line = settlement.lines[home.home]
        assert (line.shared_in_wh, line.shared_out_wh) == (taken[home.home], left[home.home])


def by_proportion(weights: dict[str, int], energy_wh: int) -> dict[str, int]:
    seed = round_seed(weights)
    whole = sum(weights.values()) or 1
    shares = {home: energy_wh * weight // whole for home, weight in weights.items()}
    for home in sorted(weights, key=lambda home: (tie_key(seed, home), home)):
        if sum(shares.values()) < energy_wh and shares[home] < weights[home]:
            shares[home] += 1
    return shares


@given(communities(), terms())
def test_a_home_without_load_panels_and_battery_never_gains(homes: list[Metered], at: Terms) -> None:
    homes = [home._replace(import_wh=0, export_wh=0) if home.home == "h0" else home for home in homes]
    assert settle(homes, at).lines["h0"].amount_naud >= 0


@given(communities(), terms())
def test_who_keeps_its_promises_pays_at_most_the_grid(homes: list[Metered], at: Terms) -> None:
    settlement = settle(homes, at)
    for home in homes:
        kept = home.bought_wh <= home.import_wh and home.sold_wh <= home.export_wh
        if kept and not home.breach_wh and not home.estimated:
            most_naud = home.import_wh * at.prices.tou - home.export_wh * at.prices.feed_in
            assert settlement.lines[home.home].amount_naud <= most_naud


@given(communities(), terms())
def test_without_sharing_a_bid_within_the_meter_costs_nothing(homes: list[Metered], at: Terms) -> None:
    at = replace(at, sharing=NONE)
    with_bids = settle(homes, at)
    silent = settle([home._replace(bought_wh=0, sold_wh=0) for home in homes], at)
    for home in homes:
        if home.bought_wh <= home.import_wh and home.sold_wh <= home.delivered_wh:
            assert with_bids.lines[home.home].amount_naud <= silent.lines[home.home].amount_naud


def test_under_sharing_a_buyer_may_prefer_to_wait() -> None:
    """The property above ends with sharing: where the share is cheaper than the contract."""
    at = Terms(Prices(300, 100), 250, DYNAMIC, 100)
    buyer, seller = Metered("b", 10, 0, 10, 0), Metered("s", 0, 10, 0, 10)
    bought = settle([buyer, seller], at).lines["b"].amount_naud
    waited = settle([buyer._replace(bought_wh=0), seller._replace(sold_wh=0)], at).lines["b"].amount_naud
    assert (bought, waited) == (2_500, 1_000)


@given(terms(), WH, st.integers(1, 20))
def test_overbuying_costs_price_and_fee_less_feed_in(at: Terms, import_wh: int, over_wh: int) -> None:
    at = replace(at, sharing=NONE)

    def paid(bought_wh: int) -> int:
        homes = [Metered("b", bought_wh, 0, import_wh, 0), Metered("s", 0, bought_wh, 0, 0)]
        return settle(homes, at).lines["b"].amount_naud

    loss = (at.price_uaud_per_kwh or 0) + at.prices.local_fee - at.prices.feed_in
    assert paid(import_wh + over_wh) - paid(import_wh) == over_wh * loss


@given(communities(), terms())
def test_a_line_settled_again_by_the_same_readings_is_the_same(homes: list[Metered], at: Terms) -> None:
    settlement = settle(homes, at)
    for home in homes:
        assert resettle(home, settlement.lines[home.home], at) == settlement.lines[home.home]


@given(communities(), terms(), WH, WH)
def test_a_late_reading_moves_its_home_and_the_grid_alone(
    homes: list[Metered], at: Terms, import_wh: int, export_wh: int
) -> None:
    settlement = settle(homes, at)
    before = settlement.lines["h0"]
    late = homes[0]._replace(import_wh=import_wh, export_wh=export_wh, estimated=False)
    change = difference(resettle(late, before, at), before)
    assert change.amount_naud == change.grid_naud
    assert change.shared_in_wh == change.shared_out_wh == change.contract_naud == change.fee_naud == 0
    grid_wh = change.grid_in_wh - change.grid_out_wh - change.breach_wh
    assert grid_wh == (import_wh - export_wh) - (homes[0].import_wh - homes[0].export_wh)


@given(communities(), terms())
def test_what_was_never_metered_is_never_paid(homes: list[Metered], at: Terms) -> None:
    """A home that nobody metered gains nothing by the export that is assumed of it, or by others' sharing."""
    homes = [home._replace(estimated=True, bought_wh=0) if home.home == "h0" else home for home in homes]
    moved = sum(home.bought_wh for home in homes) - sum(home.sold_wh for home in homes)
    homes.append(Metered("rest", max(0, -moved), max(0, moved), 0, 0))
    if at.prices.feed_in >= 0:
        homes[0] = homes[0]._replace(export_wh=0)
    line = settle(homes, at).lines["h0"]
    assert line.shared_in_wh == line.shared_out_wh == 0
    assert line.amount_naud >= homes[0].import_wh * at.prices.tou


def test_an_assumed_export_is_charged_and_neither_sold_nor_shared() -> None:
    """Were it delivered, a silent home would earn its contract and its neighbours' share with panels that are off."""
    at = Terms(Prices(300, -20), 100, DYNAMIC)
    silent = Metered("s", 0, 5, 0, 40, estimated=True)
    needy = Metered("n", 5, 0, 50, 0)
    lines = settle([silent, needy], at).lines
    assert lines["s"] == Line(0, 0, 5, 40, 0, -500, 0, 5 * 300 + 40 * 20, 0, -500 + 1_500 + 800)
    assert lines["n"].shared_in_wh == 0


def test_export_and_import_are_never_netted() -> None:
    at = Terms(Prices(300, 100), None, NONE)
    assert settle([Metered("h", 0, 0, 10, 10)], at).lines["h"].grid_naud == 10 * 300 - 10 * 100


def test_a_breach_earns_nothing_and_pays_where_feeding_in_costs() -> None:
    home = Metered("h", 0, 0, 0, 10, export_cap_wh=4)
    assert settle([home], Terms(Prices(300, 100), None, NONE)).lines["h"].amount_naud == -4 * 100
    line = settle([home], Terms(Prices(300, -20), None, NONE)).lines["h"]
    assert (line.breach_wh, line.amount_naud) == (6, 10 * 20)


def test_static_keys_may_be_the_whole_and_a_price_of_no_sharing_is_no_matter() -> None:
    needy, giving = Metered("n", 0, 0, 10, 0, key_ppm=1_000_000), Metered("g", 0, 0, 0, 20)
    assert settle([needy, giving], Terms(Prices(300, 100), None, STATIC)).shared_wh == 10
    unused = Terms(Prices(300, 100), None, NONE, sharing_price_uaud_per_kwh=301)
    assert settle([needy, giving], unused).shared_wh == 0


def test_a_part_counts_what_its_homes_bought_and_sold() -> None:
    """The ledger keeps these sums of each part."""
    homes = [Metered("a", 3, 0, 5, 0), Metered("b", 0, 2, 0, 5)]
    part = settle_part(homes, plan_sharing(map(balance, homes), DYNAMIC), Terms(Prices(300, 100), 200))
    assert (part.bought_wh, part.sold_wh) == (3, 2)


def test_energy_is_not_negative() -> None:
    home = Metered("h", 0, 0, 5, 5)
    for wrong in (
        home._replace(bought_wh=-1),
        home._replace(sold_wh=-1),
        home._replace(import_wh=-1),
        home._replace(export_wh=-1),
        home._replace(export_cap_wh=-1),
    ):
        with pytest.raises(ValueError, match="^h: energy is negative$"):
            balance(wrong)
    assert balance(home._replace(export_cap_wh=0)).long_wh == 0


def test_what_does_not_add_up_is_refused() -> None:
    at = Terms(Prices(300, 100), 200)
    home = Metered("h", 0, 0, 5, 5)
    plan = plan_sharing([balance(home)], DYNAMIC)
    part = settle_part([home], plan, at)
    for wrong, told in [
        (lambda: settle([home, home], at), "settled twice"),
        (lambda: settle([home._replace(bought_wh=1)], at), "^the homes' purchases differ from their sales$"),
        (lambda: settle([home._replace(bought_wh=1)], replace(at, price_uaud_per_kwh=None)), "no price"),
        (
            lambda: settle([home._replace(bought_wh=1, sold_wh=1)], replace(at, price_uaud_per_kwh=None)),
            "no price",
        ),
        (lambda: settle([home], replace(at, price_uaud_per_kwh=301)), "price: 301"),
        (lambda: settle([home], replace(at, price_uaud_per_kwh=99)), "price: 99"),
        (lambda: settle([home], replace(at, sharing_price_uaud_per_kwh=301)), "sharing_price"),
        (lambda: settle([home], replace(at, sharing="fair")), "none of none, dynamic, static$"),
        (lambda: settle([home._replace(key_ppm=1_000_001)], replace(at, sharing=STATIC)), "together"),
        (lambda: settle([home._replace(key_ppm=-1)], replace(at, sharing=STATIC)), "negative"),
        (lambda: join([part, part], plan), "^a home is settled in two parts$"),
        (lambda: join([], replace(plan, shared_wh=1)), "of the plan"),
        (lambda: proportion([("h", 1)], 2, keys_of("")), "cannot be divided"),
    ]:
        with pytest.raises(ValueError, match=told):
            wrong()
