# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of batches: what has a commit receipt is there once, and what has none may be sent again.

The carrier is a process of its own. It, peers, chaincode servers and the embedded network's process are killed while
homes speak; what is left without a commit receipt goes to the other organisation's carrier, the very same bytes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from commonwatt_chaincode.messages.message import read
from commonwatt_client import GatewayError
from commonwatt_client.network_file import read_network_file
from commonwatt_community.market.commit_receipts import Pins, committed
from commonwatt_community.market.forward import market_of
from commonwatt_community.market.receipts import Service
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .conftest import BACKENDS, quiet, run_apart
from .forward_network import CHANNEL, GRID, MIDNIGHT, OPERATOR, ForwardNetwork
from .test_faults import kill, restore

HOMES = 4
EACH = 16
"""What each home says in a cycle."""
NAMES = {"newtown": "NewtownMSP.service", "grid": "GridMSP.service"}
CARRIER = "carrier"
VICTIMS = {
    "embedded": (CARRIER, "embedded", "market.newtown"),
    "native": (CARRIER, "peer0.grid", "market.newtown", "peer0.newtown"),
}
DEADLINE_S = 90.0


@dataclass
class Street:
    """A network whose processes get killed; its homes, and a carrier's key for each organisation."""

    backend: str
    network: ForwardNetwork
    folder: Path
    period: int = MIDNIGHT

    def pins(self) -> Pins:
        layout = self.network.nodes.layout
        return Pins.of(
            {
                mspid: tuple(one.read_bytes() for one in (layout.msp(name) / "cacerts").iterdir())
                for mspid, name in (("NewtownMSP", "newtown"), ("GridMSP", "grid"))
            }
        )


@pytest.fixture(scope="module", params=BACKENDS)
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    require_backend(request.param)
    folder = tmp_path_factory.mktemp(f"killed-{request.param}")
    directory = folder / ".commonwatt"

    async def begin() -> Street:
        made = await up(directory, load_topology("forward"), request.param, quiet)
        network = ForwardNetwork(made.nodes, folder / "keys")
        await network.found(HOMES)
        for who, organization in ((OPERATOR, "newtown"), (GRID, "grid")):
            name = NAMES[organization]
            service = Service(make_key(folder / f"{organization}.pem"), network.net, CHANNEL, name)
            async with network.gateway(who) as gateway:
                market = market_of(gateway, read_network_file(network.path), CHANNEL)
                await market.set_carrier_key(name, service.brings_key(1))
        return Street(request.param, network, folder)

    try:
        yield run_apart(begin)
    finally:
        down(directory)


@dataclass
class CarrierProcess:
    """A carrier that runs apart, and what it said of each message."""

    process: asyncio.subprocess.Process
    results: dict[str, str] = field(default_factory=dict)
    proofs: dict[str, bytes] = field(default_factory=dict)
    receipts: dict[str, bytes] = field(default_factory=dict)
    listening: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            if not line.endswith(b"\n"):
                return
            said = json.loads(line)
            digest = said["digest"]
            if "proof" in said:
                self.proofs[digest] = base64.b64decode(said["proof"])
            elif "receipt" in said:
                self.receipts[digest] = said["receipt"].encode()
            else:
                self.results[digest] = said["result"]

    async def give(self, messages: list[bytes]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.writelines(one + b"\n" for one in messages)
        await self.process.stdin.drain()

    async def heard(self, count: int) -> None:
        """Wait until so many messages have a commit receipt."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.proofs) < count and self.process.returncode is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def answered(self, digests: set[str]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not digests <= self.results.keys():
                assert self.process.returncode is None
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()
        assert self.listening is not None
        await self.listening


@asynccontextmanager
async def carrying(street: Street, organization: str) -> AsyncIterator[CarrierProcess]:
    """A carrier's process, which is ended afterwards."""
    arguments = [street.network.path, organization, CHANNEL, street.network.net, NAMES[organization]]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.behaviour.carrier_process"),
        *map(str, [*arguments, street.folder / f"{organization}.pem"]),
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    carrier = CarrierProcess(process)
    carrier.listening = asyncio.create_task(carrier.listen())
    try:
        yield carrier
    finally:
        if process.returncode is None:
            await carrier.kill()


async def cycle(street: Street, victim: str, draw: random.Random) -> None:
    """Homes speak to one carrier, something is killed, and what has no commit receipt goes to the other carrier."""
    network, street.period = street.network, street.period + 120
    period = street.period
    await network.set_clock(period * 60 - 1_800)
    said: list[bytes] = []
    for home in network.homes:
        with Journal(street.folder / f"{home}.journal") as journal:
            author = Author(network.signing[home], journal, network.net, CHANNEL, home)
            said += [author.request(period, 100 + number, 250_000) for number in range(EACH)]
    draw.shuffle(said)
    proofs: dict[str, bytes] = {}
    async with carrying(street, "newtown") as first, carrying(street, "grid") as second:
        await first.give(said)
        await second.give(said[: len(said) // 4])  # two carriers have some at once
        await first.heard(draw.randrange(1, len(said) // 2))
        if victim == CARRIER:
            await first.kill()
        else:
            kill(network.nodes, victim)
            assert await restore(network.nodes) == (victim,)
        killed = time.monotonic()
        proofs |= first.proofs | second.proofs
        left = [one for one in said if read(one).digest not in proofs]
        await second.give(left)
        await second.answered({read(one).digest for one in left})
        tries = 0
        while again := [one for one in left if read(one).digest not in second.proofs]:
            tries += 1
            assert tries < 5, Counter(second.results.values())
            for one in again:
                second.results.pop(read(one).digest, None)
            await second.give(again)
            await second.answered({read(one).digest for one in again})
        had, proofs = len(proofs), proofs | second.proofs
    print(
        f"\n{victim} killed: {had} of {len(said)} had a commit receipt, the others have one"
        f" {time.monotonic() - killed:.1f} s later"
    )
    pins = street.pins()
    for one in said:
        committed(proofs[read(one).digest], one, "home", CHANNEL, pins, time.time())
    for mspid in ("NewtownMSP", "GridMSP"):
        assert Counter(await standing(street, period, mspid, len(said))) == Counter(said)


async def standing(street: Street, period: int, mspid: str, count: int) -> list[bytes]:
    """The messages of a period with their private values, as one organisation's peer has them."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                asked = {"kind": "bid", "period": period}
                answer = await street.network.ask(OPERATOR, "list_messages", asked, by=[mspid])
            except GatewayError:
                answer = {"messages": []}  # the peer has yet to fetch some
            if len(answer["messages"]) >= count:
                return [one["message"].encode() for one in answer["messages"]]
            await asyncio.sleep(0.1)


@pytest.mark.timeout(300)
def test_what_was_proven_is_there_once_after_a_kill(street: Street) -> None:
    draw = random.Random(1)
    for victim in VICTIMS[street.backend][:2]:
        run_apart(lambda victim=victim: cycle(street, victim, draw))
    run_apart(street.network.audited)


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_twenty_kills(street: Street) -> None:
    draw = random.Random(20)
    for number in range(24):
        victim = VICTIMS[street.backend][number % len(VICTIMS[street.backend])]
        run_apart(lambda victim=victim: cycle(street, victim, draw))
    run_apart(street.network.audited)
