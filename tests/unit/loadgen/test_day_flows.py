# SPDX-License-Identifier: Apache-2.0
"""A day's flows by the hour are booked as `by_hour` books each of them, to the Wh."""

import random
from collections import Counter

from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_community.hems.agent import HomeAgent, Settlement
from commonwatt_loadgen.inprocess import Sellers
from commonwatt_loadgen.simulate.day_flows import FLOWS, DayFlows
from commonwatt_loadgen.simulate.hours import by_hour
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import draw_homes
from commonwatt_loadgen.traces import default_types

MIDNIGHT = 3 * 1_440


def test_every_interval_is_booked_as_by_hour_books_it():
    random.seed(7)
    flows, expected = DayFlows(), {name: Counter() for name in FLOWS}
    for _ in range(2_000):
        start = random.randrange(1_440)
        end = random.randint(start + 1, min(1_440, start + 200))
        use, generation, own, need, charged, spill, content, from_grid = random.choices(range(5_000), k=8)
        settled = Settlement(
            "home001",
            MIDNIGHT + start,
            MIDNIGHT + end,
            use,
            generation,
            own,
            need,
            charged,
            spill,
            content,
            from_grid,
        )
        p2p, without, fed_in = random.randint(0, need), random.randrange(5_000), random.randrange(5_000)
        flows.add(settled, MIDNIGHT, p2p, without, fed_in)
        for name, energy_wh in {
            "use_wh": use,
            "generation_wh": generation,
            "own_wh": own,
            "charged_wh": charged,
            "spill_wh": spill,
            "grid_charge_wh": from_grid,
            "direct_wh": min(use, generation),
            "p2p_wh": p2p,
            "grid_wh": need - p2p,
            "without_grid_wh": without,
            "without_fed_in_wh": fed_in,
            "import_wh": need - p2p + from_grid,
        }.items():
            for hour, wh in by_hour(start, end, energy_wh):
                expected[name][hour] += wh
    for name in FLOWS:
        assert flows.column(name) == [expected[name][hour] for hour in range(24)], name


def test_sellers_are_those_that_hold_energy_in_the_order_of_the_homes():
    names = [f"home{number:03d}" for number in range(1, 11)]
    homes = draw_homes(SimulationOptions(share_percent=60), names, default_types(), 1)
    agents = [HomeAgent(home, Parameters(), 1) for home in homes]
    sellers = Sellers(agents)
    assert sellers.holding() == []
    for minute in range(0, 1_440, 60):
        for agent in reversed(agents):
            agent.settle(next(one for one in agent.schedule(0) if one.end_min > minute))
            sellers.changed(agent)
            assert sellers.holding() == [one for one in agents if one.spec.prosumer and one.holds_energy()]
    assert sellers.holding()
