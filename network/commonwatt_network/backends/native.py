# SPDX-License-Identifier: Apache-2.0
"""Real Hyperledger Fabric: the `peer` and `orderer` programs of this machine, one process per node."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from commonwatt_network.backends.backend import refuse_determinism_guard
from commonwatt_network.backends.configuration import (
    LISTEN_FILE,
    ORDERER_FILE,
    PEER_FILE,
    builder_environment,
    fabric_environment,
    orderer_configuration,
    peer_configuration,
)
from commonwatt_network.backends.on_this_machine import OnThisMachine
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import PRIVATE_PROGRAM, Layout, write_atomically
from commonwatt_network.model.nodes import AuthorityServer, Node, Nodes, Orderer, Peer
from commonwatt_network.programs import readiness
from commonwatt_network.programs.chaincode_servers import server_programs
from commonwatt_network.programs.fabric import OLDEST, FabricPrograms, check_version, find_fabric
from commonwatt_network.programs.processes import Program

COUCHDB_USER = "COMMONWATT_COUCHDB_USER"
COUCHDB_PASSWORD = "COMMONWATT_COUCHDB_PASSWORD"  # noqa: S105  a variable's name
COUCHDB_PASSWORD_FILE = "COMMONWATT_COUCHDB_PASSWORD_FILE"  # noqa: S105

# Chaincode as a service needs no building: these three say so to the peer.
BUILDER = {
    "detect": """#!/bin/sh
# detect SOURCE METADATA: is it chaincode as a service?
tr -d ' \\t\\r\\n' <"$2/metadata.json" | grep -qi '"type":"ccaas"'
""",
    "build": """#!/bin/sh
# build SOURCE METADATA OUTPUT
set -e
if grep -q '{{' "$1/connection.json"
then PYTHON -m commonwatt_network.embedded.lifecycle.connection_templates "$1" "$3"
else cp "$1/connection.json" "$3/"
fi
if [ -d "$1/META-INF" ]; then cp -R "$1/META-INF" "$3/"; fi
""",
    "release": """#!/bin/sh
# release OUTPUT RELEASE: where the peer finds the chaincode's address
set -e
mkdir -p "$2/chaincode/server"
cp "$1/connection.json" "$2/chaincode/server/"
if [ -d "$1/META-INF/statedb" ]; then cp -R "$1/META-INF/statedb" "$2/"; fi
""",
}


class Native(OnThisMachine):
    """The `peer` and `orderer` programs of this machine, one process per node."""

    name = "native"
    # Fabric's nodes serve nobody from the first moment of the two seconds that they take to end; what they committed is
    # on disk by then.
    restart_grace_s = 0.5

    def require(self, nodes: Nodes) -> None:
        refuse_determinism_guard(nodes.topology)
        check_version(find_fabric(nodes.layout.directory), nodes.topology.orderers.consensus)

    def describe(self, nodes: Nodes) -> str:
        return f"Hyperledger Fabric {find_fabric(nodes.layout.directory).version_text}"

    def programs(self, nodes: Nodes) -> list[Program]:
        return [*node_programs(nodes, find_fabric(nodes.layout.directory)), *server_programs(nodes)]

    def program_of(self, node: Node | AuthorityServer) -> str:
        return node.name

    async def wait_ready(self, nodes: Nodes, pids: Mapping[str, int]) -> None:
        await readiness.wait_listening(nodes, pids)
        await readiness.wait_healthy(nodes, pids)

    def check_ledgers(self, layout: Layout) -> None:
        return None

    async def wait_leaders(self, nodes: Nodes, channels: Iterable[str]) -> None:
        await readiness.wait_leaders(nodes, channels)


def node_programs(nodes: Nodes, fabric: FabricPrograms) -> list[Program]:
    """Write the configuration of every orderer and peer and say how to run it."""
    builder = write_builder(nodes.layout)
    layout, network = nodes.layout, nodes.topology.name
    authorities = [layout.tls_ca_certificate(name) for name in nodes.topology.orderers.organizations]
    return [
        *(orderer_program(layout, fabric, orderer, authorities) for orderer in nodes.orderers),
        *(
            peer_program(
                layout, fabric, peer, nodes.gateway_peer(peer.organization).address, network, builder
            )
            for peer in nodes.peers
        ),
    ]


def write_builder(layout: Layout) -> Path:
    """Write the external builder that peers need for chaincode as a service; its folder."""
    builder = layout.configuration / "builder"
    for name, script in BUILDER.items():
        text = script.replace("PYTHON", shlex.quote(sys.executable))
        write_atomically(builder / "bin" / name, text, mode=PRIVATE_PROGRAM)
    return builder


def orderer_program(
    layout: Layout, fabric: FabricPrograms, orderer: Orderer, cluster_authorities: Sequence[Path]
) -> Program:
    """Write the orderer's configuration and say how to run it. `cluster_authorities`: TLS CAs of orderers (files)."""
    text = orderer_configuration(orderer, cluster_authorities)
    if orderer.listen.startswith("["):
        write_atomically(orderer.directory / LISTEN_FILE, orderer.listen)
    return _program(layout, orderer.name, ORDERER_FILE, text, [str(fabric.orderer)])


def peer_program(
    layout: Layout,
    fabric: FabricPrograms,
    peer: Peer,
    bootstrap: str,
    network: str,
    builder: Path,
    *,
    hosts_apart: bool = False,
) -> Program:
    """Write the peer's configuration and say how to run it. `bootstrap`: a peer of its organisation, or itself."""
    version = fabric.version or OLDEST
    text = peer_configuration(peer, bootstrap, network, builder, version, hosts_apart=hosts_apart)
    program = _program(
        layout, peer.name, PEER_FILE, text, [str(fabric.peer), "node", "start"], builder_environment(peer)
    )
    if peer.couchdb is None:
        return program
    return replace(program, environment={**program.environment, **couchdb_environment()})


def couchdb_environment() -> dict[str, str]:
    """User and password of CouchDB for a peer: in its environment alone, never in a file of the kit."""
    user = os.environ.get(COUCHDB_USER, "")
    password = os.environ.get(COUCHDB_PASSWORD, "")
    if file := os.environ.get(COUCHDB_PASSWORD_FILE):
        try:
            password = Path(file).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{COUCHDB_PASSWORD_FILE}: {file} cannot be read") from error
    if not user or not password:
        raise UsageError(
            f"the topology's state is in CouchDB: set {COUCHDB_USER}, and {COUCHDB_PASSWORD} or {COUCHDB_PASSWORD_FILE}"
        )
    return {
        "CORE_LEDGER_STATE_COUCHDBCONFIG_USERNAME": user,
        "CORE_LEDGER_STATE_COUCHDBCONFIG_PASSWORD": password,
    }


def _program(
    layout: Layout,
    name: str,
    file: str,
    text: str,
    command: list[str],
    environment: Mapping[str, str] | None = None,
) -> Program:
    folder = layout.configuration / name
    write_atomically(folder / file, text)
    return Program(name, command, {**fabric_environment(folder), **(environment or {})}, folder, (name,))
