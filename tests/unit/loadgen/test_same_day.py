"""The in-process day and the day on the ledger are the same, to the nAUD, whatever the order of commits."""

from datetime import date

import pytest
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_loadgen.hems.agent import HomeAgent
from commonwatt_loadgen.hems.community import make_community
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.records import DayRecord
from commonwatt_loadgen.simulate.onledger import OnLedgerMarket
from commonwatt_loadgen.simulate.preparation import prepare
from commonwatt_loadgen.traces import default_types

METERS = {f"home{number:03d}": f"meter-{number}" for number in range(1, 13)}


async def traded(calls, strategies, policy, days, seed=7) -> list[DayRecord]:
    homes = make_community(
        default_types(1_684_000),
        list(METERS),
        prosumer_share_ppm=400_000,
        storage_wh=5000,
        seed=seed,
        strategies=strategies,
    )
    if calls is None:
        market = InProcessMarket(Parameters())
        agents = [
            HomeAgent(home, market.rules, seed, battery_policy=policy, forecast="yesterday") for home in homes
        ]
        return [market.run_day(agents, day) for day in range(days)]
    standing = await prepare(calls, "newtown", homes, METERS, date(2012, 11, 1), {})
    agents = [
        HomeAgent(home, standing.rules, seed, battery_policy=policy, forecast="yesterday") for home in homes
    ]
    ledger = OnLedgerMarket(calls, standing.rules, standing.midnight_s)
    return [await ledger.run_day(agents, day) for day in range(days)]


@pytest.mark.parametrize(
    ("strategies", "policy", "days"),
    [
        (["suggested"], "sell-all", 1),
        (["suggested", "zero-intelligence", "shading"], "keep", 2),
    ],
)
async def test_ledger_and_process_agree(memory_calls, strategies, policy, days):
    expected = await traded(None, strategies, policy, days)
    for seed in (1, 2):
        calls = memory_calls(METERS, seed)
        assert await traded(calls, strategies, policy, days) == expected
        assert calls.most_in_flight > 4  # it did overlap
    assert sum(len(one.fills) for day in expected for one in day.rounds) > 20
