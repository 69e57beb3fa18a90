# SPDX-License-Identifier: Apache-2.0
"""What of a network runs now: every process, every peer's height, the days left on its certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from commonwatt_client import ClientError
from commonwatt_client.admin import openings
from commonwatt_client.admin.configuration.checks import bft_quorum
from cryptography import x509

from commonwatt_network.backends.backend import Condition
from commonwatt_network.backends.registry import backend_called, nodes_of
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.channels.readers import readers_mistakes
from commonwatt_network.errors import NoNetworkError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import AuthorityServer, ChaincodeServer, Nodes, Orderer, Peer
from commonwatt_network.model.state import read_state
from commonwatt_network.model.topology import Topology
from commonwatt_network.programs import processes
from commonwatt_network.trust.certificates import days_left

QUERY_TIMEOUT_S = 5.0
KINDS = {Orderer: "orderer", Peer: "peer", ChaincodeServer: "chaincode", AuthorityServer: "authority"}


@dataclass(frozen=True)
class NodeStatus:
    """One orderer, peer, chaincode server or Fabric CA server. Nodes of an embedded process share its process id.

    `state` is running, stopped, or suspended: the process is there and stands still (SIGSTOP). A container may also be
    restarting, or unhealthy: it runs and does not answer. `remedy` says what helps, where something does.
    """

    name: str
    kind: str
    organization: str
    address: str
    state: str
    pid: int | None
    memory_bytes: int | None
    certificate_days_left: int | None
    remedy: str | None = None


@dataclass(frozen=True)
class NetworkStatus:
    """`state` is running, partial, suspended or stopped.

    `channels`: channel -> peer -> height, None where it does not answer. `no_quorum`: how many orderers run of how
    many, when nodes run but too few orderers to order anything; else None.
    """

    name: str
    backend: str
    directory: str
    state: str
    processes: tuple[NodeStatus, ...]
    memory_bytes: int
    channels: dict[str, dict[str, int | None]] = field(default_factory=dict)
    no_quorum: str | None = None

    def to_json(self) -> dict[str, Any]:
        content = asdict(self)
        content["channels"] = {name: {"heights": heights} for name, heights in self.channels.items()}
        return content


async def network_status(directory: Path) -> NetworkStatus:
    """The network in `directory` as it is now. Raises UsageError when there is none."""
    layout = Layout(directory)
    state = read_state(layout)
    if state is None:
        raise NoNetworkError(layout.directory)
    nodes = nodes_of(layout, state)
    alive = processes.running(layout)
    backend = backend_called(state.backend)
    conditions = await asyncio.to_thread(backend.conditions, nodes)
    statuses = []
    for node in (*nodes.authorities, *nodes.fabric_nodes, *nodes.chaincode_servers):
        running = alive.get(backend.program_of(node), [])
        if isinstance(node, AuthorityServer) or not backend.in_containers:
            condition = _of_processes(running)
        else:
            condition = conditions.get(node.name, Condition("stopped"))
        statuses.append(
            NodeStatus(
                name=node.name,
                kind=KINDS[type(node)],
                organization=node.organization,
                address=node.address,
                state=condition.state,
                pid=running[0].pid if running else None,
                memory_bytes=condition.memory_bytes,
                certificate_days_left=_days_left(node.tls_directory / "server.crt"),
                remedy=condition.remedy,
            )
        )
    states = {status.state for status in statuses}
    network_state = "partial" if len(states) > 1 else next(iter(states))
    return NetworkStatus(
        state.topology.name,
        state.backend,
        str(layout.directory),
        network_state,
        tuple(statuses),
        sum(_memory(process) for group in alive.values() for process in group)
        + sum(condition.memory_bytes or 0 for condition in conditions.values()),
        await heights(nodes, {status.name for status in statuses if status.state == "running"}),
        None if states == {"stopped"} else missing_quorum(state.topology, statuses),
    )


def missing_quorum(topology: Topology, statuses: Sequence[NodeStatus]) -> str | None:
    """How many orderers run of how many, "1 of 3 orderers", when these are too few to order anything; else None."""
    states = [status.state for status in statuses if status.kind == "orderer"]
    running, total = states.count("running"), len(states)
    needed = bft_quorum(total) if topology.orderers.consensus == "bft" else total // 2 + 1
    return None if running >= needed else f"{running} of {total} orderers"


async def heights(nodes: Nodes, running: set[str]) -> dict[str, dict[str, int | None]]:
    """Channel -> peer -> number of blocks it has."""

    async def ask(peer: Peer, channel: str) -> int | None:
        if peer.name not in running:
            return None
        try:
            async with peer_admin(nodes, peer) as admin, asyncio.timeout(QUERY_TIMEOUT_S):
                return (await admin.get_chain_info(channel)).height
        except (ClientError, TimeoutError):
            return None

    pairs = [(channel, peer) for channel in nodes.topology.channels for peer in nodes.peers_of(channel)]
    answers = await asyncio.gather(*(ask(peer, channel) for channel, peer in pairs))
    found: dict[str, dict[str, int | None]] = {channel: {} for channel in nodes.topology.channels}
    for (channel, peer), height in zip(pairs, answers, strict=True):
        found[channel][peer.name] = height
    return found


async def wide_readers(nodes: Nodes, running: set[str]) -> dict[str, tuple[str, ...]]:
    """Channel -> who lets others read its blocks than its topology says, in words, as one of its running peers knows.

    Without the channels of which none answers.
    """

    async def ask(channel: str, readers: str) -> tuple[str, ...] | None:
        for peer in nodes.peers_of(channel):
            if peer.name in running:
                try:
                    async with peer_admin(nodes, peer) as admin, asyncio.timeout(QUERY_TIMEOUT_S):
                        config = await admin.fetch_config(channel)
                except (ClientError, TimeoutError):
                    continue
                if readers == "members":
                    return ()
                return tuple(map(str, openings(config))) or tuple(readers_mistakes(config))
        return None

    channels = nodes.topology.channels
    answers = await asyncio.gather(*(ask(name, entry.readers) for name, entry in channels.items()))
    return {name: words for name, words in zip(channels, answers, strict=True) if words is not None}


def _of_processes(running: Sequence[psutil.Process]) -> Condition:
    state = processes.state_of(running)
    remedy = f"let it go on with `kill -CONT {running[0].pid}`" if state == "suspended" else None
    return Condition(state, remedy, sum(map(_memory, running)) if running else None)


def _memory(process: psutil.Process) -> int:
    """Resident memory, in bytes."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _days_left(certificate: Path) -> int | None:
    try:
        return days_left(x509.load_pem_x509_certificate(certificate.read_bytes()))
    except (OSError, ValueError):
        return None
