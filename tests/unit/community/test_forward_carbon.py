# SPDX-License-Identifier: Apache-2.0
"""A home that will be above its carbon quota plans with the carbon price; below it nothing changes."""

from __future__ import annotations

import pytest
from commonwatt_chaincode.market.battery import Battery
from commonwatt_chaincode.market.forward.carbon import Carbon
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_community.hems.energy import Silent
from commonwatt_community.hems.forward.agent import ForwardAgent
from commonwatt_community.hems.forward.carbon import with_carbon
from commonwatt_community.hems.home import HomeSpec

FLAT = Prices(300_000, 60_000, 20_000)
DAY_MIN, HOUR = 1_440, 60
BY_HOUR = Carbon(2_000, 100_000, ((0, 12, 400), (12, 24, 800)))
"""2 kg a day, 10 c/kg: 4 c/kWh in the morning, 8 c/kWh later."""


def priced(imports_wh: dict[int, int], minutes: list[int]) -> list[int]:
    return [one.tou for one in with_carbon([FLAT] * len(minutes), imports_wh, minutes, HOUR, BY_HOUR)]


def test_only_days_above_the_quota_cost_more_and_each_hour_its_own() -> None:
    minutes = [11 * HOUR, 12 * HOUR, DAY_MIN + 12 * HOUR]
    whole = {day * DAY_MIN + hour * HOUR: 0 for day in (0, 1) for hour in range(24)}
    above = whole | {11 * HOUR: 5_001}  # 2,000.4 g
    assert priced(above, minutes) == [340_000, 380_000, 300_000]
    assert priced(whole | {11 * HOUR: 5_000}, minutes) == [300_000] * 3, "at the quota a home pays nothing"
    assert priced(whole | {DAY_MIN: 9_000}, minutes) == [300_000, 300_000, 380_000]


def test_what_the_day_imported_before_counts() -> None:
    ahead = {hour * HOUR: 0 for hour in range(12, 24)}
    lived = {hour * HOUR: 500 for hour in range(12)}  # 2.4 kg
    assert priced(lived | ahead, [12 * HOUR]) == [380_000]
    assert priced(ahead, [12 * HOUR]) == [300_000]


def test_half_a_day_has_half_of_the_quota() -> None:
    afternoon = {hour * HOUR: 0 for hour in range(12, 24)}
    assert priced(afternoon | {13 * HOUR: 1_251}, [12 * HOUR]) == [380_000]  # 1,000.8 g
    assert priced(afternoon | {13 * HOUR: 1_250}, [12 * HOUR]) == [300_000]


def agent(carbon: Carbon | None) -> ForwardAgent:
    battery = Battery(10_000, 1_000_000, 1_000_000, 0, 1_000_000, 0, 5_000)
    spec = HomeSpec("h1", True, "", "", Silent(), Silent(), 5_000, 10_000, "")
    return ForwardAgent(
        spec,
        battery,
        HOUR,
        forecast="yesterday",
        plan="sell-all",
        highest_feed_in=60_000,
        guarded=True,
        carbon=carbon,
    )


@pytest.mark.parametrize(
    ("quota_g", "price", "sells"),
    [(100_000, 1_000_000, True), (0, 10_000, True), (0, 1_000_000, False)],
)
def test_a_guarded_home_keeps_for_itself_what_it_would_buy_back_at_the_carbon_price(
    quota_g: int, price: int, sells: bool
) -> None:
    """At 9:00 its battery holds what the evening needs. Neighbours pay 18 c at the middle, the grid takes 12 c later:
    with carbon 12.66 c, or 78 c."""
    minutes = [DAY_MIN + hour * HOUR for hour in range(9, 24)]
    morning, evening = Prices(300_000, 60_000), Prices(120_000, 60_000)
    tariffs = [morning if minute < DAY_MIN + 12 * HOUR else evening for minute in minutes]
    found = []
    for carbon in (None, Carbon(quota_g, price, ((0, 24, 660),))):
        home = agent(carbon)
        for place in range(33):
            use_wh = 1_000 if 18 <= place % 24 < 23 else 0
            home.metered(place - 33, place * HOUR, use_wh, 4_000, 0)
        found.append(home.decide(0, minutes, morning, [one.middle for one in tariffs], tariffs=tariffs))
    without, decision = found
    assert without.plan.from_battery_wh > 0
    assert (decision.plan.from_battery_wh > 0) is sells
    assert decision.guarded is not sells


def test_a_sale_is_worth_the_carbon_price_that_buying_back_costs() -> None:
    """A Wh that is sold now is imported in the evening of a day above its quota: 12 c and 6.6 c."""
    minutes = [DAY_MIN + hour * HOUR for hour in range(9, 24)]
    tariffs = [Prices(500_000, 60_000)] + [Prices(120_000, 60_000)] * 14
    home = agent(Carbon(0, 100_000, ((0, 24, 660),)))
    for place in range(33):
        home.metered(place - 33, place * HOUR, 1_000 if 18 <= place % 24 < 23 else 0, 4_000, 0)
    bid = home.decide(0, minutes, tariffs[0], [one.middle for one in tariffs], tariffs=tariffs).bid
    assert bid is not None
    assert bid.price_uaud_per_kwh == 120_000 + 66_000
