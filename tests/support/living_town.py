# SPDX-License-Identifier: Apache-2.0
"""A small community on a ledger in memory: its operator, its grid, a carrier, and homes that speak."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.signing_key import make_key
from commonwatt_community.operating.reading import Ledger
from commonwatt_community.operating.telling import Telling
from commonwatt_loadgen.forward.setup import NumbersInMemory

from .memory_forward import MemoryChannel

MIDNIGHT_S = 1_796_220_000
"""A local midnight at UTC+10: 2026-12-03."""

TARIFF: Mapping[str, Any] = {
    "schedules": [
        {
            "days": {"weekdays": [0, 1, 2, 3, 4, 5, 6], "holidays": True},
            "bands": [{"name": "all", "from_min": 0, "to_min": 1440, "tou": 300_000, "feed_in": 60_000}],
        }
    ]
}
TIMES = {
    "opens_before_s": 3_600,
    "closes_before_s": 300,
    "clock_error_s": 30,
    "gate_grace_s": 60,
    "readings_due_s": 7_200,
    "resettle_every_s": 3_600,
}


class Town:
    """`now_s` is the market time, which `reach` moves."""

    def __init__(self, folder: Path, seed: int = 0, name: str = "newtown") -> None:
        self.name = name
        self.channel = MemoryChannel(name, seed=seed)
        self.operator = self.channel.market("NewtownMSP", "operator")
        self.grid = self.channel.market("GridMSP", "grid")
        self.carrier = self.channel.market("GridMSP", "carrier")
        self.folder = folder
        self.now_s = 0
        self.net = ""
        self.authors: dict[str, Author] = {}
        self.lines: list[str] = []
        self.alarms: list[str] = []

    def ledger(self, market: ForwardMarket | None = None) -> Ledger:
        """The channel as an operator reads it."""
        return Ledger(market or self.operator)

    def telling(self) -> Telling:
        """Keeps what is said in `lines` and `alarms`."""
        return Telling(say=self.lines.append, warn=self.alarms.append)

    async def found(
        self,
        at_s: int = MIDNIGHT_S,
        homes: int = 3,
        period_min: int = 60,
        times: Mapping[str, int] = TIMES,
        **rules: Any,
    ) -> int:
        """Configure at a time, register homes, give them keys, confirm; the first period that counts them."""
        self.now_s = at_s
        first = {
            "clock": "simulated",
            "at_s": at_s,
            "period_min": period_min,
            "utc_offset_min": 600,
            "tariff": TARIFF,
            "times": dict(times),
            **rules,
        }
        self.net = (await self.operator.configure(0, **first)).net
        names = [f"h{number}" for number in range(1, homes + 1)]
        await self.operator.register_homes(
            [{"home": home, "home_class": "prosumer", "pv_w": 5_000} for home in names]
        )
        for home in names:
            author = self.author(home)
            await self.operator.set_key("home", home, author.brings_key(author.key.public, 1))
        return (await self.grid.confirm_homes(names)).from_period

    def author(self, home: str) -> Author:
        """A home as it speaks."""
        if home not in self.authors:
            file = self.folder / self.name / f"{home}.pem"
            self.authors[home] = Author(make_key(file), NumbersInMemory(), self.net, self.name, home)
        return self.authors[home]

    async def reach(self, time_s: int) -> None:
        """Move the market time forward."""
        if time_s > self.now_s:
            await self.operator.advance_clock(time_s)
            self.now_s = time_s

    async def bids(self, period: int) -> None:
        """One home asks for energy, another one offers it."""
        said = [
            self.author("h1").request(period, 400, 250_000),
            self.author("h2").offer(period, 300, 100_000),
        ]
        assert (await self.carrier.submit_messages("bid", period, said)).results == ("written", "written")

    async def readings(self, period: int, homes: tuple[str, ...] = (), **totals: int) -> None:
        """Homes say what their meters counted; by default all do."""
        said = [
            self.author(home).reading(period, 500 if home == "h1" else 100, 0, **totals)
            for home in homes or tuple(self.authors)
        ]
        assert set((await self.carrier.submit_messages("reading", period, said)).results) == {"written"}
