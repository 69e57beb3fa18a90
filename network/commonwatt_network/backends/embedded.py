"""The embedded network: orderers and peers in one Python process, for development, tests and simulation."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import write_atomically
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.topology import Topology
from commonwatt_network.programs import second_servers
from commonwatt_network.programs.processes import Program

PROCESS = "embedded"


def ready_file(nodes: Nodes) -> Path:
    """Written by the process once every node listens."""
    return nodes.layout.configuration / PROCESS / "ready.json"


def check_consensus(topology: Topology) -> None:
    """Raise UsageError for an ordering service that only real Fabric has."""
    if topology.orderers.consensus == "bft":
        raise UsageError(
            "orderers.consensus: bft needs real Fabric; choose NETWORK=native, or consensus: raft for the embedded one"
        )


def programs(nodes: Nodes) -> list[Program]:
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
    return [Program(PROCESS, command, {"PYTHONUNBUFFERED": "1"}, folder, names)]
