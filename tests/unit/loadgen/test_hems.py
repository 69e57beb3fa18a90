# SPDX-License-Identifier: Apache-2.0
"""Agents: reproducible draws, intervals that tile the day, batteries that never sell what they do not hold."""

from itertools import pairwise
from pathlib import Path

import pytest
from commonwatt_chaincode.market.battery import Battery
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.tariff import TABLE_2
from commonwatt_community.hems import strategy as strategies
from commonwatt_community.hems.agent import HomeAgent
from commonwatt_community.hems.battery import Holding, Reserve, SellAll
from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.forecast import Metered, Perfect, Persistence, Yesterday
from commonwatt_community.hems.strategy import STRATEGIES, PriceView
from commonwatt_loadgen.community import make_community
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.traces import default_types

HOMES = [f"home{number:03d}" for number in range(1, 31)]


def community(seed=1, share_ppm=300_000, names=None):
    return make_community(
        default_types(1_684_000),
        HOMES,
        prosumer_share_ppm=share_ppm,
        storage_wh=5000,
        seed=seed,
        strategies=names,
    )


def test_equal_seeds_draw_equal_communities_and_others_differ():
    assert community(1) == community(1)
    assert community(1) != community(2)
    assert sum(home.prosumer for home in community(share_ppm=300_000)) == 9


def test_draws_are_uniform_enough_and_do_not_depend_on_order():
    draws = Draws(1, "interval", "home001")
    forward = [draws.within(45, 75, number) for number in range(3000)]
    backward = [Draws(1, "interval", "home001").within(45, 75, number) for number in reversed(range(3000))]
    assert forward == backward[::-1]
    assert (min(forward), max(forward)) == (45, 75)
    assert 59 < sum(forward) / 3000 < 61


def test_intervals_tile_each_day():
    agent = HomeAgent(community()[0], Parameters(cut_at_bands=False), 1)
    sound = HomeAgent(community()[0], Parameters(), 1)
    hours = {band.to_hour for band in TABLE_2}
    for day in range(3):
        intervals = agent.schedule(day)
        for one in sound.schedule(day):
            assert one.start_min < one.end_min <= one.start_min + 75
            assert not any(one.start_min < day * 1440 + 60 * hour < one.end_min for hour in hours)
        assert (intervals[0].start_min, intervals[-1].end_min) == (day * 1440, (day + 1) * 1440)
        assert all(one.end_min == two.start_min for one, two in pairwise(intervals))
        assert all(45 <= one.end_min - one.start_min <= 75 for one in intervals[:-1])


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_prices_stay_between_feed_in_and_grid(name):
    strategy = STRATEGIES[name]()
    for number in range(500):
        view = PriceView(100_000, 177_000 + number % 2 * 300_000, 100_000 + number * 150, 700, number)
        assert view.feed_in <= strategy.ask(view, Draws(1, "ask")) <= view.tou
        assert view.feed_in <= strategy.bid(view, Draws(1, "bid")) <= view.tou
        strategy.sold(700, (0, 700, 300)[number % 3])


def test_a_day_balances_energy_and_money():
    homes = community(3)
    rules = Parameters(spill_policy="FEED_IN")
    agents = [HomeAgent(home, rules, 3) for home in homes]
    day = InProcessMarket(rules).run_day(agents, 0)
    bills = day.bills.values()
    assert sum(bill.p2p_amount_naud for bill in bills) == sum(bill.revenue_naud for bill in bills) > 0
    use = sum(bill.use_wh for bill in bills)
    generation, spill = sum(bill.generation_wh for bill in bills), sum(bill.spill_wh for bill in bills)
    grid = sum(bill.bought_grid_wh for bill in bills)
    assert use == grid + generation - spill - sum(day.battery_wh.values())
    for home in homes:
        if not home.prosumer:
            assert day.bills[home.home].amount_naud <= day.bills[home.home].traditional_naud
    assert all(0 <= one.battery_wh <= 5000 for one in day.settlements)


def test_forecasts_forecast():
    past = [Metered(0, 60, 600, 0), Metered(60, 120, 300, 0)]

    def actual(start: int, end: int) -> Metered:
        return Metered(start, end, 10 * (end - start), 0)

    assert Perfect().net_wh(120, 180, past, actual) == 600
    assert Persistence().net_wh(120, 240, past, actual) == 600
    assert Yesterday().net_wh(1440, 1500, past, actual) == 600
    assert Yesterday().net_wh(300, 360, past, actual) == 300  # nothing known of yesterday: as persistence


def test_a_home_that_reserves_sells_what_it_can_spare_and_asks_for_its_losses():
    battery = Battery(5000, 900_000, 800_000, 0, 1_000_000, 0, 5000)

    def holding(sellable_wh: int, spare_wh: int) -> Holding:
        return Holding(battery, sellable_wh, 0, lambda: spare_wh)

    assert Reserve().offer_wh(holding(1000, 500)) == 400  # 500 stored Wh deliver 400
    assert Reserve().offer_wh(holding(300, 500)) == 300
    assert Reserve().offer_wh(holding(1000, 0)) == 0
    assert SellAll().offer_wh(holding(1000, 0)) == 1000
    assert Reserve().least_ask_uaud_per_kwh(battery, 100_000) == 138_889
    assert SellAll().least_ask_uaud_per_kwh(battery, 100_000) == 100_000


def test_the_strategy_of_the_how_to_page_works(monkeypatch):
    page = Path(__file__).parents[3] / "docs" / "simulate.md"
    code = page.read_text("utf-8").split("```python\n")[1].split("```")[0]
    assert len(code.strip().splitlines()) <= 20
    names = dict(vars(strategies))
    exec(code, names)
    monkeypatch.setitem(STRATEGIES, "patient", names["Patient"])
    homes = community(names=["patient"])
    agents = [HomeAgent(home, Parameters(), 1) for home in homes]
    day = InProcessMarket(Parameters()).run_day(agents, 0)
    assert sum(len(one.fills) for one in day.rounds) > 10
