# SPDX-License-Identifier: Apache-2.0
"""Homes that live on a market in memory: they bid, trade, read their meters, and lose nothing in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from commonwatt_chaincode.messages.message import A_READING, BID, read
from commonwatt_community.home.book import Book
from commonwatt_community.home.lines import Lines
from commonwatt_community.home.living import LivingHome
from commonwatt_community.home.outbox import WRITTEN
from commonwatt_community.market.results import HomeLine
from commonwatt_community.messages.journal import Journal

from ....support.living_homes import HOMES, FastChannel, Town, home_settings, live, write_trace

BUYER, SELLER = HOMES


class Street:
    """A town whose homes can be started, killed and cut off."""

    def __init__(self, town: Town, **settings: object) -> None:
        self.town = town
        self.settings = settings
        self.said: dict[str, list[str]] = {home: [] for home in HOMES}
        self.living: dict[str, LivingHome] = {}
        self._running: dict[str, tuple[asyncio.Event, asyncio.Task[None]]] = {}

    def begin(self, home: str) -> None:
        until = asyncio.Event()
        lines = Lines(self.town.channel.clock, self.said[home].append)

        def found(living: LivingHome) -> None:
            self.living[home] = living

        settings = home_settings(self.town.folder, home, self.town.net, **self.settings)
        task = asyncio.create_task(live(self.town, settings, lines, until, found=found))
        self._running[home] = until, task

    async def kill(self, home: str) -> None:
        until, task = self._running.pop(home)
        until.set()
        await task

    async def until_minute(self, minute: int) -> None:
        clock = self.town.channel.clock
        await clock.sleep_until(self.town.channel.begins_s + minute * 60)

    async def lines_of(self, home: str) -> list[HomeLine]:
        """What is settled, from the first period in which the home takes part."""
        begins = (await self.town.operator.get_home(home)).versions[0].from_period
        now = int(self.town.channel.now()) // 300 * 5
        found = []
        for period in range(begins, now, 5):
            if (await self.town.operator.get_period(period)).sums is not None:
                found += [
                    one for one in await self.town.operator.list_lines(period, period + 5) if one.home == home
                ]
        return found


@asynccontextmanager
async def street(folder: Path, rate: float = 100.0, **settings: object) -> AsyncIterator[Street]:
    town = Town(folder, FastChannel(rate))
    await town.found(battery_w=3_000)
    write_trace(folder / f"{BUYER}.csv", 1_200, 0)
    write_trace(folder / f"{SELLER}.csv", 0, 2_400)
    made = Street(town, **settings)
    operator = asyncio.create_task(town.operate())
    try:
        yield made
        if operator.done():
            operator.result()
    finally:
        operator.cancel()
        for home in list(made._running):
            await made.kill(home)
        await asyncio.gather(operator, return_exceptions=True)
        for home, said in made.said.items():
            print(home, *said, sep="\n  ")


@pytest.mark.long
async def test_two_homes_trade_and_say_what_their_meters_counted(tmp_path: Path) -> None:
    async with street(tmp_path, rate=250.0, bid_before_gate_s=200) as homes:
        for home in HOMES:
            homes.begin(home)
        await homes.until_minute(42)
        bought, sold = await homes.lines_of(BUYER), await homes.lines_of(SELLER)
        await homes.kill(BUYER)
        await homes.kill(SELLER)
    assert len(bought) >= 3
    for one, other in zip(bought, sold, strict=True):
        assert (one.quality, one.seq, one.import_wh) == ("measured", 1, 100)
        assert (other.quality, other.seq, other.export_wh) == ("measured", 1, 200)
        assert one.bought_wh == other.sold_wh
    assert sum(one.bought_wh for one in bought) >= 200
    trades = [line for line in homes.said[BUYER] if "bought" in line]
    assert trades
    assert all("I ask for 100 Wh up to 30.00 c/kWh: the home will lack 100 Wh" in line for line in trades)
    with Book(tmp_path / f"{BUYER}.db") as book:
        outcomes = set(book.count_outcomes())
        assert {one for one in outcomes if one[0] == A_READING} == {(A_READING, WRITTEN)}
        assert (BID, WRITTEN) in outcomes
        assert {one.price_uaud_per_kwh for one in book.trades_since(0) if one.bought_wh} == {180_000}


@pytest.mark.long
async def test_nothing_is_lost_by_kills_and_outages_and_a_pause_is_obeyed(tmp_path: Path) -> None:
    async with street(tmp_path) as homes:
        channel = homes.town.channel
        for home in HOMES:
            homes.begin(home)
        await homes.until_minute(17)
        await homes.kill(SELLER)  # at once, with whatever it was doing
        homes.begin(SELLER)
        channel.cut.add(BUYER)
        await homes.until_minute(34)
        await homes.kill(BUYER)  # offline, and killed
        homes.begin(BUYER)
        await homes.until_minute(40)
        channel.cut.clear()
        homes.living[SELLER].pause("household", True)
        await homes.until_minute(62)
        bought, sold = await homes.lines_of(BUYER), await homes.lines_of(SELLER)
        for home in HOMES:
            await homes.kill(home)
    for lines in (bought, sold):
        assert len(lines) >= 6
        assert {one.quality for one in lines} == {"measured"}
        assert {one.seq for one in lines} == {1}
    assert sum(one.import_wh for one in bought) == 100 * len(bought)
    assert sum(one.export_wh for one in sold) == 200 * len(sold)
    assert sold[-1].sold_wh == 0
    assert any("trading is paused" in line for line in homes.said[SELLER])
    outages = [line for line in homes.said[BUYER] if "no way to the market" in line]
    assert 1 <= len(outages) <= 4, "an outage is one line for questions and one for messages, in each run"
    for home in HOMES:
        with Journal(tmp_path / f"{home}.journal") as journal:
            readings = [message for message in map(read, journal.messages()) if message.kind == A_READING]
        assert len({message.period for message in readings}) == len(readings), "a reading is said once"
        with Book(tmp_path / f"{home}.db") as book:
            results = [book.outcome(message.digest) for message in readings]
        assert set(results[:-1]) == {WRITTEN}, results  # the last one may be on its way


@pytest.mark.long
async def test_a_battery_keeps_what_was_sold_and_its_home_is_not_worse_off(tmp_path: Path) -> None:
    """The seller's surplus stops when the trading begins: what it sells then comes from its battery."""
    async with street(
        tmp_path, battery={"capacity_wh": 10_000, "power_w": 3_000, "keep_percent": 0}, forecast="persistence"
    ) as homes:
        for home in HOMES:
            homes.begin(home)
        await homes.until_minute(42)
        sold = await homes.lines_of(SELLER)
        agent = homes.living[SELLER].trader
        assert agent is not None
        assert not agent.lacks_battery
        for home in HOMES:
            await homes.kill(home)
    assert any("of its battery" in line for line in homes.said[SELLER])
    delivered = [one for one in sold if one.sold_wh]
    assert delivered
    assert all(one.export_wh >= one.sold_wh - 5 for one in delivered), "within the meter's step"
