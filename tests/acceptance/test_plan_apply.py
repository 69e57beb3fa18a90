"""Edit the topology, `commonwatt plan`, `commonwatt apply`: every change of a running network while trade goes on."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from commonwatt_client import ClientError, RetryPolicy, ValidationCode, connect_network_file
from commonwatt_network.change.apply import apply
from commonwatt_network.deploy import peer_admin
from commonwatt_network.layout import Layout
from commonwatt_network.nodes import Nodes
from commonwatt_network.state import read_state
from commonwatt_network.topology import Topology

CHANNEL = "newtown"
LONGEST_PAUSE_S = 5.0
COMMUNITY_S = 20.0


@contextmanager
def silent(_: str) -> Iterator[None]:
    """A phase that nobody watches."""
    yield


def edited(topology: Topology, **changes: object) -> Topology:
    """The topology with some of its values changed: `channels__newtown__batch__timeout_ms=100`."""
    content = topology.model_dump(mode="json")
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    return Topology.model_validate(content)


def with_community(topology: Topology, name: str) -> Topology:
    """With one more organisation, its channel shared with the grid, and the market on it."""
    content = topology.model_dump(mode="json")
    content["organizations"][name] = {"homes": 2, "users": {"operator": {"role": "operator"}}}
    content["channels"][name] = {"organizations": [name, "grid"], "chaincodes": ["market"]}
    return Topology.model_validate(content)


@dataclass
class Trade:
    """Homes registered one after the other meanwhile: the ids of those that were committed, and the longest pause."""

    network_file: Path
    committed: list[str] = field(default_factory=list)
    pause_s: float = 0.0
    over: Event = field(default_factory=Event)

    def go_on(self) -> None:
        """In a thread of its own, so that the change does not hold it up."""
        asyncio.run(self._submit())

    async def _submit(self) -> None:
        async with connect_network_file(self.network_file, "newtown", "operator") as gateway:
            contract = gateway.get_network(CHANNEL).get_contract("market")
            last = time.monotonic()
            while not self.over.is_set():
                argument = _registration(f"t{time.time_ns()}")
                try:
                    outcome = await contract.submit(
                        "register_home",
                        arguments=[json.dumps(argument)],
                        endorse_timeout_s=3,
                        submit_timeout_s=3,
                        commit_timeout_s=10,
                        retry=RetryPolicy(longest_pause_s=0.5),
                    )
                except ClientError:
                    await asyncio.sleep(0.1)
                    continue
                self.committed.append(outcome.transaction_id)
                now = time.monotonic()
                self.pause_s = max(self.pause_s, now - last)
                last = now
            self.pause_s = max(self.pause_s, time.monotonic() - last)


def _registration(home: str) -> dict[str, str]:
    salt = "00" * 8
    meter = hashlib.sha256(bytes.fromhex(salt) + home.encode()).hexdigest()
    return {"home": home, "home_class": "consumer", "meter_salt": salt, "meter_hash": meter}


@dataclass
class Running:
    """A network that is changed by its topology while homes trade on it."""

    directory: Path

    @property
    def nodes(self) -> Nodes:
        state = read_state(Layout(self.directory))
        assert state is not None
        return state.nodes(Layout(self.directory))

    @property
    def topology(self) -> Topology:
        return self.nodes.topology

    async def become(self, wanted: Topology, within_s: float = 40.0) -> list[str]:
        """Apply; afterwards nothing committed is lost, the pause was short, and the same again does nothing."""
        async with self.trade() as trade:
            began = time.monotonic()
            applied = await apply(self.directory, wanted, silent)
            seconds = time.monotonic() - began
        words = [words for words, _ in applied.done]
        print(
            f"{'; '.join(words)}: {seconds:.1f} s, pause {trade.pause_s:.2f} s, {len(trade.committed)} transactions"
        )
        assert self.topology == wanted
        assert trade.pause_s <= LONGEST_PAUSE_S
        assert seconds <= within_s
        await self.holds(trade.committed)
        assert not (await apply(self.directory, wanted, silent)).done
        return words

    @asynccontextmanager
    async def trade(self) -> AsyncIterator[Trade]:
        """Transactions before, during and after the body."""
        trade = Trade(self.directory / "network.json")
        going = asyncio.create_task(asyncio.to_thread(trade.go_on))
        try:
            await _until(lambda: len(trade.committed) >= 3)
            yield trade
            so_far = len(trade.committed)
            await _until(lambda: len(trade.committed) >= so_far + 3)
        finally:
            trade.over.set()
            await going

    async def holds(self, transactions: list[str]) -> None:
        """Every peer of the channel has every one of the transactions, valid."""
        for peer in self.nodes.peers_of(CHANNEL):
            async with peer_admin(self.nodes, peer) as admin:
                await _level(self.nodes, peer.name)
                for transaction in transactions:
                    found = await admin.get_transaction_by_id(CHANNEL, transaction)
                    assert found.validation is ValidationCode.VALID, (peer.name, transaction)


async def _level(nodes: Nodes, name: str) -> None:
    """Until the peer has what the channel's first peer has."""
    [peer] = [peer for peer in nodes.peers if peer.name == name]
    async with peer_admin(nodes, nodes.gateway_peer("newtown")) as first, peer_admin(nodes, peer) as admin:
        height = (await first.get_chain_info(CHANNEL)).height
        async with asyncio.timeout(15):
            while (await admin.get_chain_info(CHANNEL)).height < height:  # noqa: ASYNC110 - peers give no notice
                await asyncio.sleep(0.1)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the other side is a thread
            await asyncio.sleep(0.05)
