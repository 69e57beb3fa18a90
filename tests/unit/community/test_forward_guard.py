# SPDX-License-Identifier: Apache-2.0
"""A guarded home sells nothing from its battery that costs it more later, by its own forecast."""

from __future__ import annotations

import random

from commonwatt_chaincode.market.battery import Battery
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_community.hems.energy import Silent
from commonwatt_community.hems.forward.agent import ForwardAgent
from commonwatt_community.hems.forward.connection_point import Store, flow
from commonwatt_community.hems.forward.guard import least_price
from commonwatt_community.hems.home import HomeSpec

CHEAP, DEAR = Prices(200_000, 60_000), Prices(500_000, 60_000)
STORE = Store(0, 10_000, 2_500, 1_000_000, 1_000_000)


def test_what_must_be_bought_back_costs_what_it_costs_then() -> None:
    assert least_price(STORE, 2_000, [0, 2_000], [CHEAP, DEAR], 1_000, 60_000) == 500_000
    assert least_price(STORE, 2_000, [0, 2_000], [CHEAP, CHEAP], 1_000, 60_000) == 200_000
    assert least_price(STORE, 4_000, [0, 2_000], [CHEAP, DEAR], 1_000, 60_000) == 60_000, (
        "it has enough of it"
    )


def test_what_the_battery_holds_less_at_the_end_is_worth_what_the_grid_would_pay() -> None:
    assert least_price(STORE, 2_000, [0], [CHEAP], 1_000, 60_000) == 60_000
    assert least_price(STORE, 2_000, [0], [CHEAP], 1_000, -5_000) == 0


def test_a_surplus_that_makes_up_for_the_sale_is_worth_its_feed_in() -> None:
    expected, tariffs = [0, -3_000, 2_500], [CHEAP, CHEAP, DEAR]
    assert least_price(STORE, 8_000, expected, tariffs, 1_000, 60_000) == 60_000


def test_losses_round_and_the_price_makes_up_for_it() -> None:
    lossy = Store(1_000, 10_000, 250, 950_000, 950_000)
    least = least_price(lossy, 3_000, [0, *[-200] * 400], [CHEAP] * 401, 100, 60_000)
    assert 66_000 <= least <= 70_000


def agent(plan: str, guarded: bool) -> ForwardAgent:
    battery = Battery(10_000, 950_000, 950_000, 100_000, 1_000_000, 100_000, 5_000)
    spec = HomeSpec("h1", True, "", "", Silent(), Silent(), 5_000, 10_000, "")
    return ForwardAgent(
        spec, battery, 30, forecast="yesterday", plan=plan, highest_feed_in=60_000, guarded=guarded
    )


def test_no_bid_of_a_guarded_agent_costs_more_than_it_brings_by_its_own_forecast() -> None:
    draws = random.Random(7)
    kept, sold = 0, 0
    for _ in range(60):
        one, other = agent("sell-all", True), agent("sell-all", False)
        expected = [draws.randrange(-1_500, 1_500) for _ in range(48)]
        tariffs = [draws.choice([CHEAP, DEAR]) for _ in range(48)]
        energy_wh = draws.randrange(1_000, 10_000)
        for home in (one, other):
            for place, net_wh in enumerate(expected):
                home.metered(place - 48, place * 30, net_wh, energy_wh)
        minutes = [1_440 + place * 30 for place in range(48)]
        middles = [prices.middle for prices in tariffs]
        decision = one.decide(0, minutes, tariffs[0], middles, tariffs=tariffs)
        free = other.decide(0, minutes, tariffs[0], middles, tariffs=tariffs)
        kept += decision.guarded
        sold += decision.plan.from_battery_wh > 0
        if decision.guarded:
            assert free.plan.from_battery_wh > 0
            assert decision.plan.from_battery_wh == 0
        if decision.bid is not None and decision.plan.export_wh:
            price = decision.bid.price_uaud_per_kwh
            naud_with, left_with = cost(
                one.store, energy_wh, expected, tariffs, decision.plan.export_wh, price
            )
            naud_without, left = cost(one.store, energy_wh, expected, tariffs, 0, 0)
            rounding_naud = (
                48 * DEAR.tou
            )  # the battery's contents here are whole Wh, those of the guard are finer
            spared_wh = max(0, left - left_with) * 950_000 // 10**6
            assert naud_with + spared_wh * 60_000 <= naud_without + rounding_naud
    assert kept > 5
    assert sold > 5


def cost(
    store: Store, energy_wh: int, expected: list[int], tariffs: list[Prices], sold_wh: int, price: int
) -> tuple[int, int]:
    """Reckoned apart from the guard: what the home pays, and what the battery holds at the end."""
    naud = 0
    for place, net_wh in enumerate(expected):
        promise_wh = sold_wh if not place else 0
        import_wh, export_wh, energy_wh = flow(store, energy_wh, net_wh, promise_wh)
        naud += import_wh * tariffs[place].tou - promise_wh * price
        over_wh = export_wh - promise_wh
        naud -= over_wh * (tariffs[place].feed_in if over_wh > 0 else tariffs[place].tou)
    return naud, energy_wh
