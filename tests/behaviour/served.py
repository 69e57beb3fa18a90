# SPDX-License-Identifier: Apache-2.0
"""A network with the forward market and the community's service in front of it, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import typer
from commonwatt_community.api import ServiceClient
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key
from commonwatt_community.service.cli import register
from commonwatt_community.service.running import Running, serving
from commonwatt_community.service.settings import POSSESSION, Settings
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.command_line import invoke
from ..support.fabric import require_backend
from .conftest import quiet, run_apart
from .forward_network import CHANNEL, MIDNIGHT, OPERATOR, ForwardNetwork

CARRIER = "NewtownMSP.service"


@dataclass
class Town:
    """Homes with keys, an operator with one, and a service whose folder outlives its processes."""

    network: ForwardNetwork
    folder: Path
    period: int = MIDNIGHT

    def settings(self, **changes: Any) -> Settings:
        """The service's settings; its port is free."""
        settled: dict[str, Any] = {
            "network": self.network.path,
            "channel": CHANNEL,
            "organization": "newtown",
            "user": "carrier",
            "folder": self.folder / "service",
            "port": 0,
        }
        return Settings(**{**settled, **changes})

    @asynccontextmanager
    async def serving(self, **changes: Any) -> AsyncIterator[Running]:
        """The service, once it gives receipts."""
        async with serving(self.settings(**changes)) as running:
            await ready(running)
            yield running

    async def found(self, homes: int) -> None:
        """Homes, the operator's key, and the key of the service's receipts."""
        await self.network.found(homes)
        self.network.signing["NewtownMSP"] = make_key(self.network.keys / "operator.pem")
        with self.author("NewtownMSP") as operator:
            possession = operator.brings_key(operator.key.public, 1, "operator")
        key_of = {"author": "operator", "home": "NewtownMSP"}
        await self.network.submit(OPERATOR, "set_key", key_of, {"possession": possession})
        async with serving(self.settings()):
            brings = self.folder / "service" / POSSESSION
            async with asyncio.timeout(20):
                while not brings.exists():  # noqa: ASYNC110 - files give no notice
                    await asyncio.sleep(0.05)
            options = ["--user", "operator@newtown", "--network", str(self.network.path)]
            app = typer.Typer()
            register(app)
            ended = await asyncio.to_thread(invoke, app, ["service", "set-key", str(brings), *options])
            assert ended.stdout == f"{CARRIER} gives receipts with key 1 from now on\n", ended

    @contextmanager
    def author(self, home: str) -> Iterator[Author]:
        """A home, or the operator by its MSP id, with its journal open."""
        with Journal(self.network.keys / f"{home}.journal") as journal:
            yield Author(self.network.signing[home], journal, self.network.net, CHANNEL, home)

    @asynccontextmanager
    async def client(self, running: Running, home: str) -> AsyncIterator[tuple[ServiceClient, Author]]:
        """A home as it calls the service, and as it signs."""
        assert running.certificate is not None
        with self.author(home) as author:
            async with ServiceClient(running.url, running.certificate.read_bytes(), author) as client:
                yield client, author

    async def next_period(self) -> int:
        """Another period that takes bids."""
        self.period += 120
        await self.network.set_clock(self.period * 60 - 1_800)
        return self.period


async def ready(running: Running) -> None:
    """Wait until the service has its peer and gives receipts."""
    async with asyncio.timeout(20):
        while running.parts.receipts() is None:  # noqa: ASYNC110 - the service gives no notice
            await asyncio.sleep(0.05)


def plain_client(running: Running) -> httpx.AsyncClient:
    """HTTP to the service as a program in any language speaks it."""
    import ssl

    context = ssl.create_default_context(cafile=str(running.certificate))
    return httpx.AsyncClient(base_url=running.url, verify=context, timeout=30, trust_env=False)


@contextmanager
def town(backend: str, folder: Path, homes: int = 3) -> Iterator[Town]:
    """A town on a backend, until the block ends."""
    require_backend(backend)
    directory = folder / ".commonwatt"

    async def begin() -> Town:
        made = await up(directory, load_topology("forward"), backend, quiet)
        begun = Town(ForwardNetwork(made.nodes, folder / "keys"), folder)
        await begun.found(homes)
        return begun

    try:
        yield run_apart(begin)
    finally:
        down(directory)
