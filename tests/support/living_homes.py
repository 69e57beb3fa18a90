# SPDX-License-Identifier: Apache-2.0
"""Homes that live on a market in memory, on a clock that runs fast, with an operator that does what is due."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_community.api.failures import ServiceAway
from commonwatt_community.home.book import Book
from commonwatt_community.home.calendar import Calendar
from commonwatt_community.home.lines import Lines
from commonwatt_community.home.living import LivingHome
from commonwatt_community.home.routes import Routes, Way
from commonwatt_community.home.settings import HomeSettings, settings_of
from commonwatt_community.market.carrier import Carrier, Limits
from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.refused import Refused
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key
from commonwatt_community.meters.clock import Clock

from .memory_forward import MemoryChannel

BEGINS_S = 20_420 * 86_400
HOMES = ("h-buyer", "h-seller")
CONFIGURATION: dict[str, Any] = {
    "clock": "live",
    "trust_homes": True,
    "readings_by": "home",
    "period_min": 5,
    "utc_offset_min": 0,
    "times": {"opens_before_s": 900, "closes_before_s": 300},
    "tariff": {
        "schedules": [
            {
                "days": {"weekdays": list(range(7)), "holidays": True},
                "bands": [
                    {"name": "all day", "from_min": 0, "to_min": 1_440, "tou": 300_000, "feed_in": 60_000}
                ],
            }
        ]
    },
}


class FastChannel(MemoryChannel):
    """A channel whose proposals are dated by a clock that runs `rate` times as fast as this machine's."""

    def __init__(self, rate: float = 200.0, begins_s: int = BEGINS_S) -> None:
        self._began, self._rate, self.begins_s = time.monotonic(), rate, begins_s
        self.cut: set[str] = set()
        super().__init__()

    @property
    def time_s(self) -> int:  # type: ignore[override]
        return int(self.now())

    @time_s.setter
    def time_s(self, value: int) -> None:
        pass

    def now(self) -> float:
        return self.begins_s + (time.monotonic() - self._began) * self._rate

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self._rate)


def home_settings(folder: Path, home: str, net: str, **other: Any) -> HomeSettings:
    """A home with a replayed meter."""
    content = {
        "home": home,
        "net": net,
        "channel": "newtown",
        "key": f"{home}.pem",
        "journal": f"{home}.journal",
        "book": f"{home}.db",
        "carriers": [{"network": "network.json", "organization": "newtown", "user": home}],
        "meter": {"kind": "replay", "file": f"{home}.csv"},
        **other,
    }
    return settings_of(content, folder / "home.yaml")


def write_trace(file: Path, use_w: int, generation_w: int) -> None:
    """A day of the same power."""
    rows = [f"2025-06-01T{hour:02d}:00,{use_w},{generation_w}" for hour in range(24)]
    file.write_text("time,use_w,generation_w\n" + "\n".join(rows) + "\n")


class Cut:
    """A market or carrier as one home calls it over a line that may be cut."""

    def __init__(self, channel: FastChannel, home: str, other_end: Any) -> None:
        self._channel, self._home, self._other_end = channel, home, other_end

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._other_end, name)

        async def over_the_line(*arguments: Any, **named: Any) -> Any:
            if self._home in self._channel.cut:
                raise ServiceAway("the line is cut")
            return await call(*arguments, **named)

        return over_the_line


class Town:
    """Two homes with keys that stand on the ledger."""

    def __init__(self, folder: Path, channel: FastChannel) -> None:
        self.folder = folder
        self.channel = channel
        self.operator = channel.market("NewtownMSP", "operator")
        self.grid = channel.market("GridMSP", "grid")
        self.net = ""

    async def found(self, battery_w: int = 0, **configuration: Any) -> None:
        self.net = (await self.operator.configure(0, **{**CONFIGURATION, **configuration})).net
        homes = [
            {"home": home, "home_class": "prosumer", "pv_w": 5_000, "battery_w": battery_w} for home in HOMES
        ]
        await self.operator.register_homes(homes)
        for home in HOMES:
            key = make_key(self.folder / f"{home}.pem")
            with Journal(self.folder / f"{home}.journal") as journal:
                author = Author(key, journal, self.net, "newtown", home)
                await self.operator.set_key("home", home, author.brings_key(key.public, 1))
        await self.grid.confirm_homes(HOMES)

    async def routes(self, stack: AsyncExitStack, author: Author, journal: Journal) -> Routes:
        market: ForwardMarket = self.channel.market("NewtownMSP", "home", **{"home.id": author.home})
        carrier = await stack.enter_async_context(Carrier(market, Limits(longest_wait_s=0.01, patience_s=1)))
        ends = [Cut(self.channel, author.home, end) for end in (market, carrier)]
        return Routes([Way("memory", *ends)], author, journal, clock=self.channel.clock)

    async def calendar(self) -> Calendar:
        return Calendar((await self.operator.get_configuration()).configuration)

    async def operate(self) -> None:
        """Close, clear, freeze and settle each period when it is time."""
        calendar, clock = await self.calendar(), self.channel.clock
        open_periods: list[Period] = []
        period = calendar.at(clock.now() + 600)
        while True:
            await clock.sleep_until(calendar.clears_s(period))
            await self.operator.close_gate(period.id)
            with suppress(Refused):  # too late, on a machine that has no time
                await self.operator.clear_period(period.id)
            open_periods.append(period)
            for over in [one for one in open_periods if one.end_s + 30 < clock.now()]:
                try:
                    await self.operator.freeze_period(over.id)
                    await self.operator.settle_period(over.id)
                    open_periods.remove(over)
                except Refused:
                    pass  # a reading is missing
            period = calendar.after(period)


async def live(
    town: Town,
    settings: HomeSettings,
    lines: Lines,
    until: asyncio.Event,
    meter_factory: Any = None,
    found: Any = None,
) -> None:
    """One home, until the event."""
    from commonwatt_community.home.meter import meter_of
    from commonwatt_community.messages.signing_key import load_key

    async with AsyncExitStack() as stack:
        journal = stack.enter_context(Journal(town.folder / settings.journal))
        book = stack.enter_context(Book(town.folder / settings.book))
        author = Author(load_key(town.folder / settings.key), journal, town.net, "newtown", settings.home)
        routes = await town.routes(stack, author, journal)
        clock = town.channel.clock
        meter = (meter_factory or meter_of)(settings, town.folder / "home.yaml", book, clock, lines)
        living = LivingHome(settings, routes, author, journal, book, meter, lines, clock)
        if found is not None:
            found(living)
        task = asyncio.create_task(living.run())
        waiting = asyncio.create_task(until.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            task.cancel()
            waiting.cancel()
            await asyncio.gather(task, waiting, return_exceptions=True)
