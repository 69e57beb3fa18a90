# SPDX-License-Identifier: Apache-2.0
"""Days of the forward market on a ledger in memory equal the same days in-process, whatever order commits come in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from commonwatt_chaincode.messages.keys import ES256
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import Community, NetworkFile
from commonwatt_community.messages.signing_key import make_key
from commonwatt_loadgen.forward import onledger
from commonwatt_loadgen.forward.agreement import rules_of
from commonwatt_loadgen.forward.community import agents_of, in_process
from commonwatt_loadgen.forward.engine import DayRecord, live
from commonwatt_loadgen.forward.founding import first_day_on, found
from commonwatt_loadgen.forward.onledger import Clock, NotTaken, OnLedgerForwardMarket
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.parties import grid_user, key_file
from commonwatt_loadgen.forward.rules import ForwardRules
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import draw_homes

from ...support.memory_forward import MemoryChannel

FIRST_DAY = date(2012, 11, 1)
HOMES = tuple(f"home{number:03d}" for number in range(1, 5))
OPTIONS = ForwardOptions(
    run=SimulationOptions(seed=3, share_percent=50, forecast="yesterday"),
    period=60,
    feed_in=("10", "10-14=-2"),
    local_fee=1.5,
)


class Street:
    """Four homes on a channel in memory, with the folder that keeps their keys."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        users = {home: {"private_key": str(folder / home / "private_key.pem")} for home in HOMES}
        content = {"organizations": {"newtown": {"users": users}}}
        self.channel = MemoryChannel(seed=seed)
        self.parties = self.channel.parties()
        self.community = Community("newtown", "newtown", {home: home for home in HOMES})
        self.network = NetworkFile(folder / "network.json", "memory", "memory", (self.community,), content)

    def rules(self, options: ForwardOptions, first_day: date = FIRST_DAY) -> ForwardRules:
        return rules_of(options, HOMES, first_day)

    def agents(self, options: ForwardOptions, rules: ForwardRules, homes: tuple[str, ...] = HOMES) -> Any:
        run = options.run
        return agents_of(options, draw_homes(run, list(homes), run.trace_set()[0], run.seed), rules)

    async def market(
        self, options: ForwardOptions, first_day: date = FIRST_DAY, homes: tuple[str, ...] = HOMES
    ) -> OnLedgerForwardMarket:
        rules = self.rules(options, first_day)
        agents = self.agents(options, rules, homes)
        connections = {agent.home: agent.connection for agent in agents}
        specs = [agent.spec for agent in agents]
        return await found(self.parties, self.network, self.community, specs, connections, rules)

    async def days(self, options: ForwardOptions, first_day: date = FIRST_DAY) -> list[DayRecord]:
        market = await self.market(options, first_day)
        rules = self.rules(options, first_day)
        agents = self.agents(options, rules)
        return [day async for day in live(market, rules, agents, options.run.days)]

    async def days_in_process(self, options: ForwardOptions, first_day: date = FIRST_DAY) -> list[DayRecord]:
        rules = self.rules(options, first_day)
        agents = self.agents(options, rules)
        return [day async for day in live(in_process(rules, agents), rules, agents, options.run.days)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pricing": "uniform", "sharing": "none"},
        {"sharing": "static", "export_limit_w": 800, "curtail": True},
        {"carbon_quota": 3.0, "carbon_price": 10.0, "carbon_intensity": ("660", "10-15=300")},
        {"clock_zone": "Australia/Sydney", "first_day": date(2012, 10, 6), "days": 2},
    ],
    ids=["default", "uniform", "static keys and envelopes", "a carbon quota", "a clock that is put forward"],
)
async def test_a_ledger_comes_to_what_the_process_comes_to(
    tmp_path: Path, changes: Mapping[str, Any]
) -> None:
    """Each bid, award, reading, line and bill."""
    changes = dict(changes)
    options = replace(OPTIONS, run=replace(OPTIONS.run, days=changes.pop("days", 1)), **changes)
    first_day = options.first_day or FIRST_DAY
    street = Street(tmp_path, seed=len(changes))
    on_ledger = await street.days(options, first_day)
    assert on_ledger == await street.days_in_process(options, first_day)
    assert sum(len(period.cleared.awards) for day in on_ledger for period in day.periods) > 10
    carbon = [bill.carbon for day in on_ledger for bill in day.bills.values() if bill.carbon]
    assert len(carbon) == (len(HOMES) if options.carbon_quota else 0)
    assert not street.channel.conflicts  # nothing that overlaps makes anything else invalid


async def test_another_simulation_goes_on_with_the_day_ahead(tmp_path: Path) -> None:
    street = Street(tmp_path)
    await street.days(OPTIONS)
    first_day = await first_day_on(street.parties, FIRST_DAY, asked_for=False)
    assert first_day == date(2012, 11, 3)  # homes could bid for the 2nd before the 1st was billed
    assert await street.days(OPTIONS, first_day) == await street.days_in_process(OPTIONS, first_day)
    with pytest.raises(UsageError, match="the first day that lies ahead is 2012-11-05"):
        await first_day_on(street.parties, FIRST_DAY, asked_for=True)


async def test_a_new_channel_begins_with_the_day_that_is_wanted(tmp_path: Path) -> None:
    assert await first_day_on(Street(tmp_path).parties, FIRST_DAY, asked_for=True) == FIRST_DAY


async def test_a_channel_with_other_rules_is_refused(tmp_path: Path) -> None:
    street = Street(tmp_path)
    await street.market(OPTIONS)
    with pytest.raises(UsageError, match="channel newtown has traded by other rules"):
        await street.market(replace(OPTIONS, local_fee=2.0))


async def test_a_live_channel_is_refused(tmp_path: Path) -> None:
    street = Street(tmp_path)
    bands = [{"name": "all", "from_min": 0, "to_min": 1440, "tou": 300_000, "feed_in": 100_000}]
    days = {"weekdays": [0, 1, 2, 3, 4, 5, 6], "holidays": True}
    tariff = {"schedules": [{"days": days, "bands": bands}]}
    await street.parties.operator.configure(0, period_min=60, utc_offset_min=660, tariff=tariff)
    with pytest.raises(UsageError, match="channel newtown runs on a live clock"):
        await street.market(OPTIONS)


async def test_a_channel_that_is_meant_to_be_live_is_refused_before_it_is_configured(tmp_path: Path) -> None:
    street = Street(tmp_path)
    street.network.content["channels"] = {"newtown": {"clock": "live"}}  # type: ignore[index]
    with pytest.raises(UsageError, match="channel newtown runs on a live clock"):
        await street.market(OPTIONS)
    assert not street.channel.ledger.keys()


async def test_homes_that_are_left_out_are_named_before_anything_is_traded(tmp_path: Path) -> None:
    street = Street(tmp_path)
    await street.market(OPTIONS)
    with pytest.raises(UsageError, match="1 registered homes that this simulation leaves out"):
        await street.market(OPTIONS, homes=HOMES[:3])


async def test_keys_stay_with_their_homes_and_another_key_is_refused(tmp_path: Path) -> None:
    street = Street(tmp_path)
    await street.market(OPTIONS)
    file = key_file(street.network, street.community, HOMES[0])
    assert file.stat().st_mode & 0o777 == 0o600
    await street.market(OPTIONS)  # the same keys do
    file.unlink()
    make_key(file, ES256)
    with pytest.raises(UsageError, match=f"the key in {file} is not the one that home home001 has"):
        await street.market(OPTIONS)


async def test_a_message_that_is_refused_ends_the_simulation(tmp_path: Path) -> None:
    street = Street(tmp_path)
    market = await street.market(OPTIONS)
    rules = street.rules(OPTIONS)
    market._authors[HOMES[2]] = replace(market._authors[HOMES[2]], home="nobody")
    with pytest.raises(NotTaken, match="1 of 4 messages of kind bid .* the first one with not_registered"):
        async for _ in live(market, rules, street.agents(OPTIONS, rules), 1):
            pass


class FailingSettlements:
    """A market in this process that loses the network when it settles."""

    def __init__(self, market: Any) -> None:
        self.market = market
        self.bid_for = 0

    async def period(self, period: Any, bids: Any) -> Any:
        self.bid_for += 1
        await asyncio.sleep(0)
        return await self.market.period(period, bids)

    async def settle(self, period: Any, readings: Any) -> Any:
        raise NotTaken("the network is gone")

    async def bill(self, day: int) -> Any:
        raise AssertionError("nothing is settled")


async def test_a_settlement_that_fails_ends_the_simulation_at_once(tmp_path: Path) -> None:
    """Not at the day's end: periods are settled while later ones are bid for."""
    street = Street(tmp_path)
    rules = street.rules(OPTIONS)
    agents = street.agents(OPTIONS, rules)
    market = FailingSettlements(in_process(rules, agents))
    with pytest.raises(NotTaken, match="the network is gone"):
        async for _ in live(market, rules, agents, 1):
            pass
    assert market.bid_for < 5


class SlowClock:
    """Counts what is under way when the clock is moved."""

    def __init__(self) -> None:
        self.moved: list[int] = []
        self.under_way = 0

    async def advance_clock(self, to_s: int) -> None:
        assert self.under_way == 0
        await asyncio.sleep(0)
        assert self.under_way == 0
        self.moved.append(to_s)


async def test_the_clock_moves_while_nothing_is_under_way_and_never_back() -> None:
    calls = SlowClock()
    clock = Clock(calls, 100)  # type: ignore[arg-type]

    async def transaction() -> None:
        async with clock.still():
            calls.under_way += 1
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            calls.under_way -= 1

    async with asyncio.timeout(5):
        await asyncio.gather(
            *(transaction() for _ in range(5)),
            clock.reach(300),
            clock.reach(200),
            *(transaction() for _ in range(5)),
            clock.reach(300),
            clock.reach(50),
        )
    assert calls.moved == [300]


def test_a_channel_without_a_grid_is_refused(tmp_path: Path) -> None:
    street = Street(tmp_path)
    content = {"channels": {"newtown": {"organizations": ["newtown"]}}, "organizations": {}}
    with pytest.raises(UsageError, match="no user of role `grid` on channel newtown"):
        grid_user(replace(street.network, content=content), street.community)


@pytest.mark.parametrize(("homes", "asked"), [(60, [48]), (1_000, [10, 10, 10, 10, 8])])
async def test_lines_are_asked_for_once_a_day_or_as_many_as_one_answer_takes(
    monkeypatch: pytest.MonkeyPatch, homes: int, asked: list[int]
) -> None:
    rules = ForwardRules(first_day=20_000, period_min=30, offsets=((0, 600),), tariffs=())
    spans: list[tuple[int, int]] = []

    class Ledger:
        async def list_lines(self, first: int, end: int) -> list[Any]:
            spans.append((first, end))
            return [SimpleNamespace(home="h1", period=period) for period in range(first, end, 30)]

    monkeypatch.setattr(onledger, "_settled", lambda period, line: (period.id, line.period))
    lines = onledger.DayLines(cast("Any", Ledger()), rules, homes)
    periods = rules.periods(0)
    found = await asyncio.gather(*map(lines.of, periods))
    assert found == [{"h1": (period.id, period.id)} for period in periods]
    assert [(end - first) // 30 for first, end in spans] == asked
