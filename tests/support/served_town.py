# SPDX-License-Identifier: Apache-2.0
"""A community on a ledger in memory whose days are billed, its exchange, and the service that its homes ask."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer
from commonwatt_community.market.attestations import AttestationsIfThere
from commonwatt_community.market.carrier import Carrier
from commonwatt_community.market.exchange import Block, Digest, ExchangeMarket
from commonwatt_community.operating.books import Books
from commonwatt_community.portal.routes import add_pages
from commonwatt_community.service.app import application
from commonwatt_community.service.events import Hub
from commonwatt_community.service.invitations import Invitations
from commonwatt_community.service.ledger import Ledger
from commonwatt_community.service.outbox import Outbox
from commonwatt_community.service.parts import Parts
from commonwatt_community.service.passphrases import Passphrases
from commonwatt_community.service.store import Store

from .living_town import MIDNIGHT_S, Town
from .memory_forward import MemoryChannel

DAY = (MIDNIGHT_S + 36_000) // 86_400
"""The local day that begins at the midnight."""


class ServedTown:
    """`now_s` is the clock by which the service leaves an exchange alone that did not answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.town = Town(folder)
        self.exchange = MemoryChannel("exchange")
        self.town.channel.ledger.channels["exchange"] = self.exchange.ledger
        self.exchange.ledger.channels["newtown"] = self.town.channel.ledger
        self.now_s = 0.0

    def on_exchange(self, role: str, mspid: str = "GridMSP") -> ExchangeMarket:
        """The exchange as someone calls it."""
        contract = self.exchange.contract(mspid, role, of="exchange")
        return ExchangeMarket(contract, "GridMSP", {"newtown": "NewtownMSP"})  # type: ignore[arg-type]

    async def live(self, **rules: Any) -> None:
        """The end of a local day and the next one, billed."""
        await self.town.found(MIDNIGHT_S - 3 * 3_600, **rules)
        await self.town.reach(MIDNIGHT_S + 86_400 + 4 * 3_600)
        books = Books(self.town.ledger(), self.town.telling())
        for _ in range(8):
            await books.run()
        grid = self.on_exchange("grid")
        await grid.found("simulated", self.town.now_s)
        await grid.register_community("newtown")

    async def attest(self, hours: int) -> None:
        """The grid attests the first settled hours of the day."""
        lines = (await self.town.operator.list_lines(DAY * 1440 - 600, DAY * 1440 + 840, "h1"))[:hours]
        said = [Digest(line.period, line.version, "ab" * 32) for line in lines]
        assert await self.on_exchange("grid").attest("newtown", said, Block(7, "cd" * 32)) == hours

    @asynccontextmanager
    async def serving(
        self, tls: ssl.SSLContext | None = None, *, trades: bool = True
    ) -> AsyncIterator[tuple[TestServer, Parts]]:
        """The service's routes and pages; without `trades` the community is on no exchange."""
        store, market = Store(self.folder / "service.db"), self.town.channel.market("NewtownMSP", "carrier")
        ledger = Ledger(market, "newtown")

        async def exchange() -> ExchangeMarket | None:
            return self.on_exchange("carrier", "NewtownMSP") if trades else None

        async def reacts(_: object) -> None: ...

        parts = Parts(
            (),
            store,
            ledger,
            Outbox(store, Carrier(market), market, lambda *_: None),
            Hub(self.town.channel, ledger, store, reacts),  # type: ignore[arg-type]
            Invitations(b"r" * 32),
            Passphrases(),
            lambda: None,
            attestations=AttestationsIfThere(exchange, "newtown", lambda: self.now_s),
        )
        app = application(parts)
        add_pages(app)
        server = TestServer(app, scheme="http" if tls is None else "https")
        await server.start_server(**({} if tls is None else {"ssl": tls}))
        parts.names = (f"{server.host}:{server.port}",)
        try:
            yield server, parts
        finally:
            await server.close()
            store.close()
