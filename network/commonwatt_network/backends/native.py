"""Real Hyperledger Fabric: the `peer` and `orderer` programs of this machine, one process per node."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commonwatt_network.backends.configuration import (
    ORDERER_FILE,
    PEER_FILE,
    fabric_environment,
    orderer_configuration,
    peer_configuration,
)
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.model.nodes import Nodes, Orderer, Peer
from commonwatt_network.programs.processes import Program

PROGRAMS = ("peer", "orderer")
OLDEST = (2, 5)

# Chaincode as a service needs no building: these three say so to the peer.
BUILDER = {
    "detect": """#!/bin/sh
# detect SOURCE METADATA: is it chaincode as a service?
tr -d ' \\t\\r\\n' <"$2/metadata.json" | grep -qi '"type":"ccaas"'
""",
    "build": """#!/bin/sh
# build SOURCE METADATA OUTPUT
set -e
cp "$1/connection.json" "$3/"
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


class FabricNotFoundError(UsageError):
    """Fabric's programs are not on this machine, or cannot be run."""


@dataclass(frozen=True)
class FabricPrograms:
    """Where `peer` and `orderer` are, and their version; None when they don't tell it, being built from source."""

    peer: Path
    orderer: Path
    version: tuple[int, ...] | None

    @property
    def version_text(self) -> str:
        if self.version is None:
            return "of unknown version, run as 2.5 is (FABRIC_VERSION=3.1.5 would tell)"
        return ".".join(map(str, self.version))


def find_fabric(directory: Path | None = None, named: str | None = "") -> FabricPrograms:
    """Programs in FABRIC_BIN (or the folder `named`), in the network's own `fabric/bin`, or on PATH.

    FABRIC_VERSION says their version, whatever they say themselves. Raises FabricNotFoundError.
    """
    named = os.environ.get("FABRIC_BIN") if named == "" else named
    own = directory / "fabric" / "bin" if directory else None
    if named:
        search, where = named, f"FABRIC_BIN={named}"
    elif own and own.is_dir():
        search, where = str(own), str(own)
    else:
        search, where = os.environ.get("PATH", ""), "PATH"
    found = {name: shutil.which(name, path=search) for name in PROGRAMS}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise FabricNotFoundError(
            f"{' and '.join(missing)} not found in {where}; run `make fabric` to download Hyperledger Fabric, or "
            "name the folder that holds its programs with FABRIC_BIN"
        )
    peer, orderer = (Path(found[name] or "").absolute() for name in PROGRAMS)
    return FabricPrograms(peer, orderer, _version(orderer))


def _version(program: Path) -> tuple[int, ...] | None:
    try:
        answer = subprocess.run(
            [program, "version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise FabricNotFoundError(f"{program} cannot be run on this machine: {error}") from error
    said = re.search(r"Version: (\S+)", answer)
    if not said:
        raise FabricNotFoundError(f"{program} does not say which version of Fabric it is: {answer[:80]!r}")
    told = os.environ.get("FABRIC_VERSION")
    matched = re.match(r"v?(\d+)\.(\d+)\.(\d+)", told or said[1])
    if told and not matched:
        raise FabricNotFoundError(f"FABRIC_VERSION={told} is not a release such as 3.1.5")
    return tuple(map(int, matched.groups())) if matched else None


def check_version(fabric: FabricPrograms, consensus: str) -> None:
    """Refuse what this version of Fabric cannot run. One that is unknown is taken as it is."""
    if fabric.version is None:
        return
    if fabric.version < OLDEST:
        raise FabricNotFoundError(f"{fabric.orderer} is Fabric {fabric.version_text}; 2.5 or later is needed")
    if consensus == "bft" and fabric.version < (3, 0):
        raise FabricNotFoundError(f"bft needs Fabric 3; {fabric.orderer} is {fabric.version_text}")


def programs(nodes: Nodes, fabric: FabricPrograms) -> list[Program]:
    """Write every node's configuration and say how to run it."""
    builder = write_builder(nodes.layout)
    return [*_orderer_programs(nodes, fabric), *_peer_programs(nodes, fabric, builder)]


def write_builder(layout: Layout) -> Path:
    """Write the external builder that peers need for chaincode as a service; its folder."""
    builder = layout.configuration / "builder"
    for name, script in BUILDER.items():
        write_atomically(builder / "bin" / name, script, mode=0o755)
    return builder


def _orderer_programs(nodes: Nodes, fabric: FabricPrograms) -> list[Program]:
    authorities = [nodes.layout.tls_ca_certificate(name) for name in nodes.topology.orderers.organizations]
    return [orderer_program(nodes.layout, fabric, orderer, authorities) for orderer in nodes.orderers]


def orderer_program(
    layout: Layout, fabric: FabricPrograms, orderer: Orderer, cluster_authorities: Sequence[Path]
) -> Program:
    """Write the orderer's configuration and say how to run it. `cluster_authorities`: TLS CAs of orderers (files)."""
    text = orderer_configuration(orderer, cluster_authorities)
    return _program(layout, orderer.name, ORDERER_FILE, text, [str(fabric.orderer)])


def _peer_programs(nodes: Nodes, fabric: FabricPrograms, builder: Path) -> list[Program]:
    return [
        peer_program(
            nodes.layout,
            fabric,
            peer,
            nodes.gateway_peer(peer.organization).address,
            nodes.topology.name,
            builder,
        )
        for peer in nodes.peers
    ]


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
    return _program(layout, peer.name, PEER_FILE, text, [str(fabric.peer), "node", "start"])


def _program(layout: Layout, name: str, file: str, text: str, command: list[str]) -> Program:
    folder = layout.configuration / name
    write_atomically(folder / file, text)
    return Program(name, command, fabric_environment(folder), folder, (name,))
