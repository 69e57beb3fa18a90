# SPDX-License-Identifier: Apache-2.0
"""A forward market's network under a load of signed messages, and what it uses: processor time, memory, bytes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from commonwatt_loadgen.throughput.options import LoadOptions
from commonwatt_loadgen.throughput.resources import network_processes
from commonwatt_loadgen.throughput.run import make_ready, run
from commonwatt_network.channels.private_data import count_private
from commonwatt_network.down import down
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.topology import Topology, load_topology
from commonwatt_network.model.topology_chaincode import Chaincode
from commonwatt_network.up import up

IN_FLIGHT, CONNECTIONS, SECONDS = 4, 2, 6.0
OPEN_MARKET = Chaincode(module="open_market", folder=Path(__file__).parent / "chaincode")
"""The market whose messages stand in the public state."""

SQLITE_PARTS = {
    "blocks": "the block (index, hashes, signatures)",
    "state": "state: index, hashes, private value",
    "private_writes": "private values with their block",
    "history": "history of the index",
}
FABRIC_PARTS = {
    "chains": "blocks (index, hashes, signatures) and their index",
    "stateLeveldb": "state: index, hashes, private value",
    "pvtdataStore": "private values with their block",
    "historyLeveldb": "history of the index",
    "transientstore": "transient store",
}


def with_homes(homes: int, communities: int = 1, *, private: bool = True) -> Topology:
    """The sample topology of the forward market with so many homes in each of its communities."""
    base = load_topology("forward")
    one, channel = base.organizations["newtown"], base.channels["newtown"]
    names = ["newtown", *(f"community{number}" for number in range(2, communities + 1))]
    members = {name: one.model_copy(update={"homes": homes}) for name in names}
    channels = {name: channel.model_copy(update={"organizations": [name, "grid"]}) for name in names}
    changed: dict[str, Any] = {
        "organizations": {**members, "grid": base.organizations["grid"]},
        "channels": channels,
    }
    if not private:
        changed["chaincodes"] = {"market": OPEN_MARKET}
    return Topology.model_validate(base.model_copy(update=changed).model_dump(exclude_unset=True))


@contextmanager
def quiet(_: str) -> Iterator[None]:
    """Say nothing of a network's start."""
    yield


@contextmanager
def running(directory: Path, topology: Topology, backend: str) -> Iterator[Nodes]:
    """The network, while it runs."""
    try:
        yield asyncio.run(up(directory, topology, backend, quiet)).nodes
    finally:
        down(directory)


@dataclass(frozen=True)
class Loaded:
    """What a load came to: messages a second, and by process its processor ms for 1,000 messages, and its MB."""

    messages: int
    per_s: float
    p95_ms: float
    cpu_ms: Mapping[str, float]
    memory_mb: Mapping[str, float]
    generator_ms: float

    def told(self) -> str:
        """One line."""
        parts = ", ".join(f"{name} {ms:.0f}" for name, ms in self.cpu_ms.items())
        total = sum(self.cpu_ms.values()) + self.generator_ms
        return (
            f"{self.per_s:,.0f} messages/s, p95 {self.p95_ms / 1000:.1f} s; processor ms for 1,000 messages: {parts}, "
            f"homes that sign and the sender {self.generator_ms:.0f}; {total:.0f} in all, so at most "
            f"{2_000_000 / total:,.0f} messages/s on two cores; load average {os.getloadavg()[0]:.1f}"
        )


def loaded(nodes: Nodes, size: int, seconds: float = SECONDS, in_flight: int = IN_FLIGHT) -> Loaded:
    """Send batches of `size` messages from both organisations in a closed loop; all of them must be written."""
    options = LoadOptions(
        duration_s=seconds,
        in_flight=in_flight,
        timeout_s=60,
        p95_s=60,
        network_file=nodes.layout.network_file,
        scenario="messages",
        batch=size,
        connections=CONNECTIONS,
    )
    ready = make_ready(options, 100_000)
    network = network_processes(nodes.layout.directory)
    before = {name: processor_s(process) for name, process in network.items()}
    summary = run(options, ready, ())
    assert summary["messages"].keys() == {"written"}, summary["first_errors"]
    assert not summary["first_errors"]
    messages = summary["messages"]["written"]
    used_ms = {
        short(name): 1_000_000 * (processor_s(process) - before[name]) / messages
        for name, process in network.items()
    }
    memory = {short(name): process.memory_info().rss / 1e6 for name, process in network.items()}
    sent = summary["outcomes"]["committed"]
    return Loaded(
        messages,
        summary["messages_per_s"],
        summary["latency_ms"]["total"]["p95"],
        used_ms,
        memory,
        1000 * summary["generator"]["cpu_ms_per_transaction"] * sent / messages,
    )


def processor_s(process: psutil.Process) -> float:
    """What a process has used so far."""
    return sum(process.cpu_times()[:2])


def short(process: str) -> str:
    """A process by name: the embedded network's nodes are one."""
    return "embedded peers and orderer" if "," in process else process


async def all_private(nodes: Nodes, channel: str) -> int:
    """How many private values each peer of the channel holds; all that stand must be there."""
    held = set()
    for peer in nodes.peers_of(channel):
        count = await count_private(nodes, peer, channel)
        assert count.missing == 0
        held.add(len(count.standing))
    [number] = held
    return number


def bytes_of(peer_ledger: Path) -> dict[str, int]:
    """What a peer's folder holds in bytes by part: tables of the embedded peer's files, folders of a real peer's."""
    databases = sorted(peer_ledger.rglob("*.sqlite"))
    if databases:
        return _tables(databases)
    found: defaultdict[str, int] = defaultdict(int)
    for path in peer_ledger.rglob("*"):
        if path.is_file():
            part = next((FABRIC_PARTS[name] for name in path.parts if name in FABRIC_PARTS), "the rest")
            found[part] += path.stat().st_size
    return dict(found)


def _tables(databases: list[Path]) -> dict[str, int]:
    found: defaultdict[str, int] = defaultdict(int)
    for path in databases:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            for table, size in database.execute("select name, sum(pgsize) from dbstat group by name"):
                found[SQLITE_PARTS.get(table, "the rest")] += size
        finally:
            database.close()
    return dict(found)


def grown(before: Mapping[str, int], after: Mapping[str, int], count: int) -> str:
    """Bytes for each of `count`, by part and in all."""
    parts = {name: (size - before.get(name, 0)) / count for name, size in after.items()}
    told = ", ".join(f"{name} {size:,.0f}" for name, size in sorted(parts.items(), key=lambda one: -one[1]))
    return f"{sum(parts.values()):,.0f} bytes ({told})"
