# SPDX-License-Identifier: Apache-2.0
"""An embedded network in a process of its own, as `network up` runs it, for strangers to attack."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from commonwatt_client import connect_network_file
from commonwatt_network.backends import embedded as backend
from commonwatt_network.channels.deploy import join_orderers, join_peers
from commonwatt_network.channels.genesis import ensure_genesis_blocks
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.network_file import write_network_file
from commonwatt_network.model.nodes import Nodes, ports_needed, settle
from commonwatt_network.model.topology import parse_topology
from commonwatt_network.programs.ports import choose_first_port
from commonwatt_network.trust.identity import ensure_identities

TOPOLOGY = """
organizations:
  newtown: {homes: 1, users: {operator: {role: operator}}}
  grid: {users: {operator: {role: grid}}}
orderers: {organizations: {orderers: {mspid: OrdererMSP, nodes: 1}}}
channels:
  newtown: {organizations: [newtown, grid]}
"""


@dataclass(frozen=True)
class Attacked:
    """The network under attack, and what the attack costs it."""

    nodes: Nodes
    process: psutil.Process
    log: Path

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory_bytes(self) -> int:
        return int(self.process.memory_info().rss)

    async def serves_a_member(self) -> bool:
        """A home's own connection, made now: whether the peer evaluates for it, and at what height it stands."""
        async with connect_network_file(self.nodes.layout.network_file, "newtown", "home001") as gateway:
            qscc = gateway.get_network("newtown").get_contract("qscc")
            return bool(await qscc.evaluate_transaction("GetChainInfo", "newtown"))


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    layout = Layout(tmp_path_factory.mktemp("attacked"))
    topology = parse_topology(TOPOLOGY)
    nodes = settle(topology, layout, choose_first_port(ports_needed(topology), layout.directory))
    roster = ensure_identities(nodes)
    ensure_genesis_blocks(nodes)
    log = layout.directory / "embedded.log"
    with log.open("wb") as output:
        command = backend.process_program(nodes).command
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        asyncio.run(_start(nodes, process, log))
        write_network_file(nodes, "embedded", roster, {"newtown": {}})
        yield Attacked(nodes, psutil.Process(process.pid), log)
    finally:
        process.terminate()
        process.wait(20)


async def _start(nodes: Nodes, process: subprocess.Popen[bytes], log: Path) -> None:
    async with asyncio.timeout(60):
        while not backend.ready_file(nodes).exists():
            assert process.poll() is None, f"the network did not start; see {log}"
            await asyncio.sleep(0.05)
    blocks = ensure_genesis_blocks(nodes)
    await join_orderers(nodes, blocks)
    await join_peers(nodes, blocks)
