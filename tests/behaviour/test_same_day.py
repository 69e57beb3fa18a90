# SPDX-License-Identifier: Apache-2.0
"""The in-process day and the day on the ledger are the same, to the nAUD, whatever the order of commits."""

from datetime import date

import pytest
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_community.hems.agent import HomeAgent
from commonwatt_loadgen.community import make_community
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.past_prices import PastPrices, past_prices
from commonwatt_loadgen.records import DayRecord
from commonwatt_loadgen.schedule import local_midnight_s
from commonwatt_loadgen.simulate.calls import OPERATOR
from commonwatt_loadgen.simulate.onledger import OnLedgerMarket
from commonwatt_loadgen.simulate.preparation import prepare
from commonwatt_loadgen.traces import default_types
from commonwatt_loadgen.traces.sun import with_equation_one

HOMES = [f"home{number:03d}" for number in range(1, 13)]
FIRST_DAY = date(2012, 11, 1)
MIDNIGHT_S = local_midnight_s(FIRST_DAY, Parameters().utc_offset_min)  # which names rounds, and orders equals


async def traded(calls, strategies, policy, days, pv="traces", seed=7) -> list[DayRecord]:
    types = default_types(1_684_000)
    homes = make_community(
        with_equation_one(types) if pv == "equation" else types,
        HOMES,
        prosumer_share_ppm=400_000,
        storage_wh=5000,
        seed=seed,
        strategies=strategies,
    )
    if calls is None:
        market = InProcessMarket(Parameters(), MIDNIGHT_S)
        agents = [
            HomeAgent(home, market.rules, seed, battery_policy=policy, forecast="yesterday") for home in homes
        ]
        return [market.run_day(agents, day) for day in range(days)]
    standing = await prepare(calls, "newtown", homes, FIRST_DAY, {})
    agents = [
        HomeAgent(home, standing.rules, seed, battery_policy=policy, forecast="yesterday") for home in homes
    ]
    ledger = OnLedgerMarket(calls, standing.rules, standing.midnight_s)
    return [await ledger.run_day(agents, day) for day in range(days)]


@pytest.mark.parametrize(
    ("strategies", "policy", "days", "pv"),
    [
        (["suggested"], "sell-all", 1, "equation"),
        (["suggested", "zero-intelligence", "shading"], "reserve", 2, "traces"),
    ],
)
async def test_ledger_and_process_agree(memory_calls, strategies, policy, days, pv):
    expected = await traded(None, strategies, policy, days, pv)
    for seed in (1, 2):
        calls = memory_calls(HOMES, seed)
        assert await traded(calls, strategies, policy, days, pv) == expected
        assert calls.most_in_flight > 4  # it did overlap
    assert sum(len(one.fills) for day in expected for one in day.rounds) > 20


async def test_a_market_at_rest_begins_with_the_prices_that_the_ledger_has(memory_calls):
    rules = Parameters()
    homes = make_community(
        default_types(1_684_000), HOMES, prosumer_share_ppm=400_000, storage_wh=5000, seed=7
    )
    market = InProcessMarket(rules, MIDNIGHT_S)
    market.run_day([HomeAgent(home, rules, 7) for home in homes], 0)
    assert len(market.past.prices.hist_s) > 1
    calls = memory_calls(HOMES)
    await prepare(calls, "newtown", homes, FIRST_DAY, {})
    assert past_prices(await calls.evaluate(OPERATOR, "get_prices", {})) == PastPrices()
    await traded(calls, ["suggested"], "sell-all", 1)
    assert past_prices(await calls.evaluate(OPERATOR, "get_prices", {})) == market.past
