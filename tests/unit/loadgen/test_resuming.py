# SPDX-License-Identifier: Apache-2.0
"""A simulation interrupted anywhere goes on to the very results it would have had."""

import asyncio
import io
from datetime import date

import pytest
from commonwatt_chaincode.market.parameters import Parameters, changed
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.records import DayRecord
from commonwatt_loadgen.simulate.onledger import OnLedgerMarket
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import agents_of, as_they_live, draw_homes
from commonwatt_loadgen.simulate.preparation import prepare
from commonwatt_loadgen.simulate.progress import ProgressBars
from commonwatt_loadgen.simulate.resuming import Unfinished, resume
from rich.console import Console

HOMES = [f"home{number:03d}" for number in range(1, 9)]
SEED = 4
OPTIONS = SimulationOptions(
    days=2,
    share_percent=50,
    strategies=("suggested", "shading"),
    storage_wh=9000,
    noise_percent=15,
    disutility=25,
    storage_from_grid=True,
)


class Killed(Exception):
    """The process died here."""


class Mortal:
    """`MarketCalls` that die after some submissions, some of them committed without anybody being told."""

    def __init__(self, calls, lives: int) -> None:
        self.calls = calls
        self.lives = lives

    async def submit(self, user, transaction, argument):
        if self.lives <= 0:
            raise Killed
        self.lives -= 1
        result = await self.calls.submit(user, transaction, argument)
        if self.lives <= 0:
            raise Killed
        return result

    async def evaluate(self, user, transaction, argument):
        return await self.calls.evaluate(user, transaction, argument)


def living(rules):
    traces, _ = OPTIONS.trace_set()
    return as_they_live(OPTIONS, draw_homes(OPTIONS, HOMES, traces, SEED), rules)


def in_process(midnight_s) -> list[DayRecord]:
    rules = changed(Parameters(), OPTIONS.parameter_changes())
    agents = agents_of(OPTIONS, living(rules), rules, {}, SEED)
    market = InProcessMarket(rules, midnight_s)
    return [market.run_day(agents, day) for day in range(OPTIONS.days)]


async def trade(calls, standing) -> list[DayRecord]:
    agents = agents_of(OPTIONS, living(standing.rules), standing.rules, standing.accounts, SEED)
    market = OnLedgerMarket(calls, standing.rules, standing.midnight_s, standing.past)
    return [await market.run_day(agents, day) for day in range(OPTIONS.days)]


async def test_an_interrupted_simulation_comes_to_the_same_results(memory_calls, tmp_path):
    calls = memory_calls(HOMES, 3)
    unfinished = Unfinished(tmp_path / "unfinished.json", {"seed": SEED})
    standing = await prepare(
        calls, "newtown", living(Parameters()), date(2012, 11, 1), OPTIONS.parameter_changes()
    )
    expected = in_process(standing.midnight_s)
    assert any(one.grid_charge_wh for day in expected for one in day.settlements)
    assert sum(len(one.fills) for day in expected for one in day.rounds) > 20
    unfinished.begin("newtown", standing)
    for lives in (1, 40, 233, 311):
        trader = calls
        if lives > 1:
            again = Unfinished(tmp_path / "unfinished.json", {"seed": SEED}).begun("newtown")
            standing, trader = await resume(calls, again)
            trader._calls = Mortal(calls, lives)
        else:
            trader = Mortal(calls, lives)
        with pytest.raises(Killed):
            await trade(trader, standing)
        await asyncio.sleep(0)
    standing, trader = await resume(calls, again)
    before = dict(calls.committed)
    assert trader.catching_up
    assert await trade(trader, standing) == expected
    assert not trader.catching_up
    assert calls.committed["close_round"] == sum(len(day.rounds) for day in expected)
    assert before["close_round"] > 100  # it did go on rather than begin again


async def test_a_ledger_that_went_on_otherwise_is_not_continued(memory_calls, tmp_path):
    calls = memory_calls(HOMES, 3)
    standing = await prepare(calls, "newtown", living(Parameters()), date(2012, 11, 1), {})
    unfinished = Unfinished(tmp_path / "unfinished.json", {"seed": SEED})
    unfinished.begin("newtown", standing)
    reading = {"interval_start": standing.midnight_s, "interval_end": standing.midnight_s + 60}
    await calls.submit(
        HOMES[0], "report_reading", {"home": HOMES[0], "use_wh": 1, "generation_wh": 0, **reading}
    )
    standing, trader = await resume(calls, unfinished.begun("newtown"))
    with pytest.raises(UsageError, match="somebody else has traded"):
        await trade(trader, standing)


def test_other_options_do_not_continue(tmp_path):
    path = tmp_path / "unfinished.json"
    path.write_text('{"options": {"seed": 1}, "begun": {"newtown": {}}}')
    assert Unfinished(path, {"seed": 2}).other
    assert Unfinished(path, {"seed": 2}).begun("newtown") is None
    assert Unfinished(path, {"seed": 1}).begun("newtown") == {}
    path.write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        Unfinished(path, {"seed": 1})


def test_the_time_left_is_told_from_what_was_traded_since_resuming():
    now = 0.0
    with ProgressBars(Console(file=io.StringIO()), "min", lambda: now) as bars:
        bars.told("newtown", 960, 1440)  # 16 of 24 hours stood on the ledger
        assert bars.left_s("newtown") is None
        for minute in range(970, 1090, 10):
            now += 5.0
            bars.told("newtown", minute, 1440)
        assert bars.left_s("newtown") == pytest.approx((1440 - 1080) / 2, abs=10)  # 2 minutes a second
        assert bars.left_s("glebe") is None
