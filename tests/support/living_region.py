# SPDX-License-Identifier: Apache-2.0
"""Three small communities and their exchange on ledgers in memory, with what their operators and the grid do there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from commonwatt_community.market.exchange import Block, ExchangeMarket
from commonwatt_community.operating.anchoring import Anchoring
from commonwatt_community.operating.books import Books
from commonwatt_community.operating.cut_off import CutOff
from commonwatt_community.operating.exchanging import Exchanging
from commonwatt_community.operating.gates import Gates
from commonwatt_community.operating.telling import Telling
from commonwatt_community.region.chores import Members, Rounds, found
from commonwatt_community.region.exchange_file import ExchangeFile

from .living_town import MIDNIGHT_S, Town
from .memory_forward import MemoryChannel

COMMUNITIES = ("enmore", "glebe", "newtown")
PERIOD_MIN = 60
ON_EXCHANGE = {"channel": "exchange", "chaincode": "market", "void_after_s": 240}
DUE_S, VOID_S = 180, 60
FEE = 10_000


@dataclass
class Operator:
    """An operator's chores; each keeps in memory what the program does."""

    telling: Telling
    gates: Gates
    books: Books
    exchanging: Exchanging
    anchoring: Anchoring


class Region:
    """`reach` moves all clocks together; `lines` and `alarms` are what all operators say."""

    def __init__(self, folder: Path) -> None:
        self.channel = MemoryChannel("exchange")
        self.towns = {name: Town(folder, name=name) for name in COMMUNITIES}
        for name, town in self.towns.items():
            town.channel.ledger.channels["exchange"] = self.channel.ledger
            self.channel.ledger.channels[name] = town.channel.ledger
        self.grid = self.exchange("GridMSP", "grid")
        self.file = ExchangeFile.model_validate(
            {
                "channel": "exchange",
                "grid": {"organization": "grid", "user": "operator"},
                "communities": list(COMMUNITIES),
                "clock": "simulated",
                "at_s": MIDNIGHT_S,
                "due_before_s": DUE_S,
                "void_before_s": VOID_S,
                "link": {"limit_wh": 10_000, "fee": FEE},
            }
        )
        self.grid_telling = Telling(say=lambda _: None, warn=lambda _: None)
        self.rounds = Rounds(self.grid, self.grid_telling)
        self.lines: list[str] = []
        self.alarms: list[str] = []
        self.now_s = MIDNIGHT_S

    def exchange(self, mspid: str, role: str) -> ExchangeMarket:
        """The exchange as someone calls it."""
        contract = self.channel.contract(mspid, role, of="exchange")
        return ExchangeMarket(contract, "GridMSP", dict.fromkeys(COMMUNITIES, "NewtownMSP"))  # type: ignore[arg-type]

    async def begin(self) -> int:
        """Found all communities and the exchange; the first period of all homes."""
        first = 0
        for town in self.towns.values():
            first = await town.found(homes=4, period_min=PERIOD_MIN, exchange=ON_EXCHANGE)
        await found(self.grid, self.file, self.grid_telling)
        await Members(self.grid, self.file, self.grid_telling).run()
        return first

    def operator(self, name: str) -> Operator:
        """A program that starts now."""
        town = self.towns[name]
        telling = Telling(say=self.lines.append, warn=self.alarms.append)
        exchange, ledger = self.exchange("NewtownMSP", "operator"), town.ledger()
        cut_off = CutOff(exchange, name, telling)
        exchanging = Exchanging(ledger, exchange, name, cut_off, telling)

        return Operator(
            telling,
            Gates(ledger, telling, cut_off),
            Books(ledger, telling, exchanging.want),
            exchanging,
            Anchoring(ledger, exchange, name, self.newest_block, telling),
        )

    async def newest_block(self) -> Block:
        """A block of any community: the later the higher."""
        return Block(self.now_s, hashlib.sha256(str(self.now_s).encode()).hexdigest())

    async def reach(self, time_s: int) -> None:
        """Move all clocks, that of an exchange which is away too."""
        self.now_s = max(self.now_s, time_s)
        for town in self.towns.values():
            await town.reach(time_s)
        away, self.channel.away = self.channel.away, False
        await self.grid.advance_clock(self.now_s)
        self.channel.away = away

    async def bids(self, period: int) -> None:
        """Three homes of newtown want what three of enmore have; nobody within a community takes the other side."""
        newtown, enmore = self.towns["newtown"], self.towns["enmore"]
        asked = [newtown.author(home).request(period, 400, 250_000) for home in ("h1", "h2", "h3")]
        offered = [enmore.author(home).offer(period, 300, 100_000) for home in ("h1", "h2", "h3")]
        for town, said in ((newtown, asked), (enmore, offered)):
            assert set((await town.carrier.submit_messages("bid", period, said)).results) == {"written"}
