# SPDX-License-Identifier: Apache-2.0
"""Ready means ready: every wait is for a condition, and says which process it waits for when that one fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psutil

from commonwatt_network.errors import NetworkError
from commonwatt_network.model.addresses import split_address
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import (
    EVERYWHERE,
    EVERYWHERE_6,
    HOST,
    HOST_6,
    ChaincodeServer,
    Node,
    Nodes,
    Orderer,
    Peer,
)
from commonwatt_network.programs import processes

if TYPE_CHECKING:
    import aiohttp  # loaded where nodes are asked over HTTP: most commands do without

POLL_S = 0.05
START_TIMEOUT_S = 60.0  # a program that ends is noticed at once; one on a busy machine has time
LEDGER_BYTES_PER_S = 10e6  # of a busy machine
RAFT_LEADER = "consensus_etcdraft_is_leader"
REPEAT = "put right what it names, then repeat the command"
BFT_LEADER = "consensus_BFT_is_leader"


T = TypeVar("T")


class NotReadyError(NetworkError):
    """A process ended or did not become ready; the message carries its own last lines."""


class Host(Protocol):
    """Nodes that run on this machine: a whole network's, or one organisation's."""

    @property
    def layout(self) -> Layout: ...

    @property
    def fabric_nodes(self) -> tuple[Orderer | Peer, ...]: ...

    @property
    def chaincode_servers(self) -> tuple[ChaincodeServer, ...]: ...


async def wait_listening(nodes: Host, pids: Mapping[str, int]) -> None:
    """Until every node accepts connections, orderers on their admin port too. `pids`: node name -> process behind it.

    Chaincode servers have a wait of their own: `chaincode_start`.
    """

    async def listening(node: Orderer | Peer) -> None:
        async def answers() -> bool:
            return await accepts(node) and (
                not isinstance(node, Orderer) or await connects(node.admin_address)
            )

        await _until(
            answers,
            f"{node.name} to listen on {node.listen_address}",
            nodes.layout,
            node.name,
            pids[node.name],
        )

    await asyncio.gather(*(listening(node) for node in nodes.fabric_nodes))


async def wait_healthy(nodes: Host, pids: Mapping[str, int]) -> None:
    """Until every orderer and peer calls itself healthy on its operations address."""
    async with _session() as session:

        async def healthy(node: Orderer | Peer) -> None:
            async def answers() -> bool:
                return await _get(session, f"http://{node.operations_address}/healthz") is not None

            await _until(answers, f"{node.name} to be healthy", nodes.layout, node.name, pids[node.name])

        await asyncio.gather(*(healthy(node) for node in nodes.fabric_nodes))


async def wait_leaders(nodes: Nodes, channels: Iterable[str]) -> None:
    """Until every channel has a leader among the orderers, as their metrics say."""
    metric = BFT_LEADER if nodes.topology.orderers.consensus == "bft" else RAFT_LEADER
    async with _session() as session:

        async def has_leader(channel: str) -> bool:
            return await _leader(session, nodes, metric, channel) is not None

        for channel in channels:

            async def led(channel: str = channel) -> bool:
                return await has_leader(channel)

            await _until(led, f"a leader of channel {channel}", nodes.layout, nodes.orderers[0].name, None)


async def find_leader(nodes: Nodes, channel: str) -> str | None:
    """The name of the orderer that leads `channel` now, by the orderers' own metrics."""
    metric = BFT_LEADER if nodes.topology.orderers.consensus == "bft" else RAFT_LEADER
    async with _session() as session:
        return await _leader(session, nodes, metric, channel)


async def while_alive(work: Coroutine[Any, Any, T], layout: Layout, pids: Mapping[str, int]) -> T:
    """The result of `work`, which needs the programs `pids` (name -> process id).

    When one of them ends, the work is given up and NotReadyError carries that program's last lines. The others would
    say later that it cannot be reached, and explain less.
    """
    task = asyncio.create_task(work)
    try:
        while True:
            done, _ = await asyncio.wait([task], timeout=POLL_S)
            ended = next((name for name, pid in pids.items() if has_ended(pid)), None)
            if ended is not None:
                raise NotReadyError(failure(ended_words(ended, pids[ended], "the network"), layout, ended))
            if done:
                return task.result()
    finally:
        task.cancel()
        # What the work says of it is passed over, and not printed either.
        await asyncio.gather(task, return_exceptions=True)


async def wait_ready_file(path: Path, layout: Layout, name: str, pid: int) -> None:
    """Until the process `pid` has written its ready file."""

    async def written() -> bool:
        return _written_by(path) == pid

    size = 0  # of the ledgers, through which it looks first
    for ledger in layout.ledgers.glob("*/channels/*/ledger.sqlite"):
        with suppress(FileNotFoundError):
            size += ledger.stat().st_size
    timeout_s = START_TIMEOUT_S + size / LEDGER_BYTES_PER_S
    await _until(written, f"{name} to be ready", layout, name, pid, timeout_s)


def _written_by(ready_file: Path) -> int | None:
    try:
        return int(json.loads(ready_file.read_bytes())["pid"])
    except (OSError, ValueError, KeyError):
        return None


async def _leader(session: aiohttp.ClientSession, nodes: Nodes, metric: str, channel: str) -> str | None:
    wanted = f'{metric}{{channel="{channel}"}} 1'
    for orderer in nodes.orderers:
        metrics = await _get(session, f"http://{orderer.operations_address}/metrics")
        if metrics and wanted in metrics.splitlines():
            return orderer.name
    return None


async def _until(
    condition: Callable[[], Awaitable[bool]],
    what: str,
    layout: Layout,
    name: str,
    pid: int | None,
    timeout_s: float = START_TIMEOUT_S,
) -> None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not await condition():
        if pid is not None and has_ended(pid):
            raise NotReadyError(failure(ended_words(name, pid), layout, name))
        if asyncio.get_running_loop().time() > deadline:
            raise NotReadyError(failure(f"waited {timeout_s:.0f} s for {what}", layout, name))
        await asyncio.sleep(POLL_S)


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or waits only to be reaped."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def ended_words(name: str, pid: int, what: str = "it") -> str:
    """That the program ended while `what` started, and how."""
    return " ".join(filter(None, (f"{name} ended", processes.how_ended(pid), f"while {what} started")))


def failure(what: str, layout: Layout, name: str) -> str:
    """`what` went wrong with the program `name`, then what it said last."""
    lines = processes.last_lines(layout, name)
    said = (
        f"; its last lines ({processes.log_file(layout, name)}):\n{lines}" if lines else "; it said nothing"
    )
    return f"{what}{said}\n{REPEAT}"


async def accepts(node: Node) -> bool:
    """Whether the node takes connections now."""
    if isinstance(node, ChaincodeServer):
        return await connects(f"{HOST}:{node.port}")
    here = {EVERYWHERE: HOST, EVERYWHERE_6: HOST_6}.get(node.listen, node.listen)
    return await connects(f"{here}:{node.bound_port}")


async def connects(address: str) -> bool:
    """Whether somebody takes connections at `address`."""
    host, port = split_address(address)
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


def _session() -> aiohttp.ClientSession:
    import aiohttp

    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))


async def _get(session: aiohttp.ClientSession, url: str) -> str | None:
    import aiohttp

    try:
        async with session.get(url) as answer:
            return await answer.text() if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
