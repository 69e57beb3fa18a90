# SPDX-License-Identifier: Apache-2.0
"""The embedded network: orderers and peers in one Python process, for development, tests and simulation."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from commonwatt_network.backends.on_this_machine import OnThisMachine
from commonwatt_network.embedded.lifecycle.connection_templates import VARIABLE as BUILDER_VARIABLE
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.model.nodes import AuthorityServer, ChaincodeServer, Node, Nodes
from commonwatt_network.programs import processes, readiness, second_servers
from commonwatt_network.programs.chaincode_servers import server_programs
from commonwatt_network.programs.processes import Program
from commonwatt_network.programs.second_servers import second_programs

PROCESS = "embedded"


def ready_file(nodes: Nodes) -> Path:
    """Written by the process once every node listens."""
    return nodes.layout.configuration / PROCESS / "ready.json"


class Embedded(OnThisMachine):
    """One process of this kit that holds every orderer and peer; chaincode servers beside it."""

    name = "embedded"

    def require(self, nodes: Nodes) -> None:
        if nodes.topology.orderers.consensus == "bft":
            raise UsageError(
                "orderers.consensus: bft needs real Fabric; choose COMMONWATT_BACKEND=native, or "
                "consensus: raft for the embedded one"
            )

    def describe(self, nodes: Nodes) -> str:
        return "embedded, for development"

    def programs(self, nodes: Nodes) -> list[Program]:
        second = second_programs(nodes) if nodes.topology.determinism_guard else []
        return [process_program(nodes), *server_programs(nodes), *second]

    def program_of(self, node: Node | AuthorityServer) -> str:
        return node.name if isinstance(node, ChaincodeServer | AuthorityServer) else PROCESS

    async def wait_ready(self, nodes: Nodes, pids: Mapping[str, int]) -> None:
        pid = pids[nodes.orderers[0].name]
        await readiness.wait_ready_file(ready_file(nodes), nodes.layout, PROCESS, pid)
        await readiness.wait_listening(nodes, pids)

    def check_ledgers(self, layout: Layout) -> tuple[int, Sequence[str]]:
        from commonwatt_network.embedded.peer.ledger_check import check_files  # not for every verb

        return check_files(layout.ledgers)

    async def wait_leaders(self, nodes: Nodes, channels: Iterable[str]) -> None:
        return None  # its one orderer process leads from the start

    async def extend(self, nodes: Nodes) -> None:
        """Asked to, the process reads its configuration again and starts the nodes that came."""
        found = processes.running(nodes.layout).get(PROCESS)
        if found and not all([await readiness.accepts(node) for node in nodes.fabric_nodes]):
            found[0].send_signal(signal.SIGHUP)


def process_program(nodes: Nodes) -> Program:
    """Write the process's configuration and say how to run it."""
    folder = nodes.layout.configuration / PROCESS
    configuration = {
        "orderers": [
            {
                "name": orderer.name,
                "mspid": orderer.mspid,
                "address": orderer.address,
                "admin_address": orderer.admin_address,
                "operations_address": orderer.operations_address,
                "msp_directory": str(orderer.directory / "msp"),
                "tls_directory": str(orderer.directory / "tls"),
                "data_directory": str(orderer.ledger),
            }
            for orderer in nodes.orderers
        ],
        "peers": [
            {
                "name": peer.name,
                "mspid": peer.mspid,
                "address": peer.address,
                "operations_address": peer.operations_address,
                "msp_directory": str(peer.directory / "msp"),
                "tls_directory": str(peer.directory / "tls"),
                "data_directory": str(peer.ledger),
                "gateway_concurrency_limit": 5000,
                "client_authentication": peer.client_authentication,
                "rich_queries": nodes.topology.state != "leveldb",
                "commit_jitter_ms": nodes.topology.commit_jitter_ms,
                "commit_jitter_seed": nodes.topology.name,
                "second_servers": str(second_servers.folder(nodes.layout))
                if nodes.topology.determinism_guard
                else None,
            }
            for peer in nodes.peers
        ],
        "ready_file": str(ready_file(nodes)),
    }
    path = folder / "embedded.json"
    write_atomically(path, json.dumps(configuration, indent=2) + "\n")
    command = [sys.executable, "-m", "commonwatt_network.embedded", str(path)]
    names = tuple(node.name for node in nodes.fabric_nodes)
    environment = {"PYTHONUNBUFFERED": "1"}
    if setting := os.environ.get(BUILDER_VARIABLE):
        environment[BUILDER_VARIABLE] = setting
    return Program(PROCESS, command, environment, folder, names)
