# SPDX-License-Identifier: Apache-2.0
"""Nodes in containers, under Compose and Kubernetes alike: names, folders, what is mounted, what they may use.

Nodes in containers dial each other by `service.organisation` (`peer0.newtown`, `orderer0.orderers`, `market.grid`);
from outside they are reached at the ports that the topology settled. Inside, everything is where the official images
expect it: configuration and keys in /etc/hyperledger/fabric, read-only, and the ledger in /var/hyperledger.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from commonwatt_network.backends.backend import Backend, File, Files, refuse_programs_outside_images
from commonwatt_network.backends.configuration import (
    ORDERER_FILE,
    PEER_FILE,
    builder_environment,
    fabric_environment,
    orderer_configuration,
    peer_configuration,
)
from commonwatt_network.errors import UsageError
from commonwatt_network.model.addresses import is_name
from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.model.nodes import (
    EVERYWHERE,
    HOST,
    AuthorityServer,
    ChaincodeServer,
    Node,
    Nodes,
    Orderer,
    Peer,
)
from commonwatt_network.model.topology import Topology
from commonwatt_network.model.topology_chaincode import MARKET_MODULE, ChaincodeProgram
from commonwatt_network.programs import readiness
from commonwatt_network.programs.chaincode_servers import IN_BASE64, server_programs
from commonwatt_network.programs.processes import Program

CONFIGURATION = Path("/etc/hyperledger/fabric")
LEDGER = Path("/var/hyperledger")
BUILDER = Path("/opt/hyperledger/ccaas_builder")  # in the official peer image
CLUSTER_AUTHORITIES = Path("cluster")
MSP_FILES = (
    "cacerts/ca.pem", "tlscacerts/tlsca.pem", "signcerts/cert.pem", "keystore/key.pem", "config.yaml",
)  # fmt: skip
TLS_FILES = ("server.crt", "server.key", "ca.crt")
# Of an MSP folder: roots besides the first, and intermediates, where it has any.
AUTHORITIES = ("cacerts", "tlscacerts", "intermediatecerts", "tlsintermediatecerts")
PEERS_CERTIFICATE = "tls/peers.crt"


# A program that stands still keeps its port open: only an answer proves that it lives.
HANDSHAKE = (
    "import socket, ssl; context = ssl._create_unverified_context(); context.set_alpn_protocols(['h2']); "
    "context.wrap_socket(socket.create_connection(('127.0.0.1', {port}), 3)).close()"
)


@dataclass(frozen=True)
class Limits:
    """The most that a container may use."""

    cpus: float
    memory_mb: int
    processes: int


@dataclass(frozen=True)
class Container:
    """One node as its container sees itself. `files`: path under its configuration folder -> file."""

    node: Node
    kind: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    limits: Limits
    files: Files
    operations_port: int | None

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def service(self) -> str:
        return self.host.split(".")[0]

    @property
    def host(self) -> str:
        """The name by which other containers dial it: `service.organisation`."""
        return service_host(self.node)

    @property
    def ports(self) -> dict[str, int]:
        """What it listens on, by purpose."""
        node = self.node
        ports = {"grpc": node.port if isinstance(node, ChaincodeServer) else node.bound_port}
        if isinstance(self.node, Orderer):
            ports["admin"] = self.node.admin_port
        if self.operations_port is not None:
            ports["operations"] = self.operations_port
        return ports


class InContainers(Backend):
    """Nodes name themselves to each other otherwise than this machine dials them."""

    in_containers = True
    restart_grace_s = 10.0

    def describe(self, nodes: Nodes) -> str:
        return f"{nodes.topology.images.peer} under {self.name}"

    def dialled(self, nodes: Nodes) -> Nodes:
        return outside(nodes)

    def among_themselves(self, nodes: Nodes) -> Nodes:
        return inside(nodes)

    def monitored_host(self, node: Orderer | Peer) -> str:
        return node.management

    def program_of(self, node: Node | AuthorityServer) -> str:
        return node.name

    def check_ledgers(self, layout: Layout) -> None:
        return None

    async def wait_leaders(self, nodes: Nodes, channels: Iterable[str]) -> None:
        await readiness.wait_leaders(nodes, channels)

    async def extend(self, nodes: Nodes) -> None:
        return None

    def for_clients(self, nodes: Nodes) -> Nodes:
        return nodes


def outside(nodes: Nodes) -> Nodes:
    """The same nodes as they are dialled from here: by the address of the machine that publishes their ports.

    Chaincode servers alone carry the name by which peers dial them, for that goes into the packages.
    """

    def seen(node: Orderer | Peer) -> str:
        return host_of(nodes.topology, node.organization) or HOST

    return replace(
        nodes,
        orderers=tuple(replace(node, host=seen(node)) for node in nodes.orderers),
        peers=tuple(replace(node, host=seen(node)) for node in nodes.peers),
        chaincode_servers=tuple(replace(node, host=service_host(node)) for node in nodes.chaincode_servers),
    )


def inside(nodes: Nodes) -> Nodes:
    """The same nodes as they name themselves to each other and on their channels.

    A machine with a DNS name gives it to all its nodes, which their ports tell apart; others' nodes have the names of
    their containers.
    """

    def seen(node: Orderer | Peer) -> str:
        machine = host_of(nodes.topology, node.organization)
        return machine if machine and is_name(machine) else service_host(node)

    return replace(
        nodes,
        orderers=tuple(replace(node, host=seen(node)) for node in nodes.orderers),
        peers=tuple(replace(node, host=seen(node)) for node in nodes.peers),
        chaincode_servers=tuple(replace(node, host=service_host(node)) for node in nodes.chaincode_servers),
    )


def service_host(node: Node) -> str:
    """The name by which containers dial the node: `service.organisation`."""
    named = not isinstance(node, Orderer) or node.name.endswith(f".{node.organization}")
    return node.name if named else f"{node.name}.{node.organization}"


def host_of(topology: Topology, organization: str) -> str | None:
    """The host of the machine that the organisation's nodes run on; None: the topology says nothing of machines."""
    entry = topology.organizations.get(organization) or topology.orderers.organizations[organization]
    return entry.host


def containers(nodes: Nodes) -> tuple[Container, ...]:
    """Every container of the network, with what it needs: reads keys and certificates of the network's folder."""
    topology, layout = nodes.topology, nodes.layout
    refuse_programs_outside_images(topology)
    view = inside(nodes)
    authorities = {name: layout.tls_ca_certificate(name) for name in topology.orderers.organizations}
    programs = {program.name: program for program in server_programs(view)}
    return (
        *(orderer_container(orderer, topology.images.orderer, authorities) for orderer in view.orderers),
        *(
            peer_container(
                peer, topology.images.peer, view.gateway_peer(peer.organization).address, topology.name
            )
            for peer in view.peers
        ),
        *(
            chaincode_container(
                layout,
                server,
                programs[server.name],
                topology.images.chaincode,
                topology.chaincodes[server.chaincode],
            )
            for server in view.chaincode_servers
        ),
    )


def asking_health(operations_port: int) -> str:
    """What bash does in a peer's or orderer's container to find out that it serves: Fabric's images carry no more."""
    connect = f"exec 3<>/dev/tcp/127.0.0.1/{operations_port}"
    ask = r"printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3 && read -r -t 3 line <&3 && [[ $line == *' 200 '* ]]"
    return f"{connect} && {ask}"


def chaincode_probe(port: int) -> list[str]:
    """The command by which a chaincode server's container finds out that it serves."""
    return ["/venv/bin/python", "-c", HANDSHAKE.format(port=port)]


def write_files(directory: Path, files: Files, owner: tuple[int, int] | None = None) -> None:
    """Write rendered files under `directory`, and the folders they lie in, for `owner` where one is given.

    `owner`: user and group id. The folders are their owner's alone, so he must be the one who reads them.
    """
    for name, file in files.items():
        path = directory / name
        write_atomically(path, file.content, file.mode)
        if owner:
            folders = path.parents[: len(path.relative_to(directory).parts) - 1]
            for mine in (path, *folders):
                os.chown(mine, *owner)


def refuse_foreign(output: Path, files: Iterable[str]) -> None:
    """Rendering over somebody else's files would mix two networks."""
    if not output.exists():
        return
    if not output.is_dir():
        raise UsageError(f"{output} is a file; name a folder")
    ours = {name.split("/")[0] for name in files}
    foreign = sorted(path.name for path in output.iterdir() if path.name not in ours)
    if foreign:
        raise UsageError(f"{output} holds {foreign[0]}, which is not this network's; name an empty folder")


def orderer_container(orderer: Orderer, image: str, authorities: Mapping[str, Path]) -> Container:
    """An orderer as its container sees it. `authorities`: organisation -> the file of its TLS CA, of all that order."""
    inside = {f"{CLUSTER_AUTHORITIES}/{name}.pem": path for name, path in authorities.items()}
    placed = _placed(orderer)
    assert isinstance(placed, Orderer)
    text = orderer_configuration(placed, [CONFIGURATION / name for name in inside])
    return Container(
        orderer,
        "orderer",
        image,
        ("orderer",),
        MappingProxyType(fabric_environment(CONFIGURATION)),
        Limits(1.0, 512, 512),
        {
            ORDERER_FILE: File(text.encode()),
            **_identity(orderer.directory),
            **{name: File(path.read_bytes()) for name, path in inside.items()},
        },
        orderer.operations_port,
    )


def peer_container(peer: Peer, image: str, bootstrap: str, network: str) -> Container:
    """A peer as its container sees it. `bootstrap`: a peer of its organisation, or itself."""
    placed = _placed(peer)
    assert isinstance(placed, Peer)
    text = peer_configuration(placed, bootstrap, network, BUILDER, _version(image), hosts_apart=True)
    return Container(
        peer,
        "peer",
        image,
        ("peer", "node", "start"),
        MappingProxyType({**fabric_environment(CONFIGURATION), **builder_environment(peer)}),
        Limits(2.0, 1024, 1024),
        {PEER_FILE: File(text.encode()), **_identity(peer.directory)},
        peer.operations_port,
    )


def chaincode_container(
    layout: Layout, server: ChaincodeServer, program: Program, image: str, settings: ChaincodeProgram
) -> Container:
    """A chaincode server as its container sees it. `program`: how it would run on this machine."""
    environment = {
        name: _path_inside(value, layout, server)
        for name, value in program.environment.items()
        if name not in IN_BASE64
    }
    for name in ("CHAINCODE_SERVER_ADDRESS", "CORE_CHAINCODE_ADDRESS"):
        environment[name] = f"{EVERYWHERE}:{server.port}"
    environment["GRPC_VERBOSITY"] = (
        "ERROR"  # else each health check is noted as a caller without a certificate
    )
    return Container(
        server,
        "chaincode",
        image,
        ("/venv/bin/python", "-m", settings.module or MARKET_MODULE),
        MappingProxyType(environment),
        Limits(1.0 * settings.workers, 256 + 256 * settings.workers, 256),
        {
            **_files(server.tls_directory, TLS_FILES, "tls"),
            PEERS_CERTIFICATE: File(_peers_certificate(layout, server).read_bytes()),
        },
        None,
    )


def _path_inside(value: str, layout: Layout, server: ChaincodeServer) -> str:
    """A path of this machine as the chaincode's container sees it; anything else unchanged."""
    if value == str(layout.tls_ca_certificate(server.organization)):
        return str(CONFIGURATION / "tls" / "ca.crt")
    if value == str(_peers_certificate(layout, server)):
        return str(CONFIGURATION / PEERS_CERTIFICATE)
    return value.replace(str(server.tls_directory), str(CONFIGURATION / "tls"))


def _peers_certificate(layout: Layout, server: ChaincodeServer) -> Path:
    """What the organisation's peers show to the server."""
    return layout.chaincode_client_tls(server.organization) / "server.crt"


def _placed(node: Orderer | Peer) -> Orderer | Peer:
    """The node with the folders and addresses of its container."""
    return replace(
        node,
        directory=CONFIGURATION,
        ledger=LEDGER,
        listen=EVERYWHERE,  # `listen` of the node is of the machine, which its container does not see
        management=EVERYWHERE,
    )


def _identity(directory: Path) -> dict[str, File]:
    msp = directory / "msp"
    authorities = [
        str(path.relative_to(msp)) for place in AUTHORITIES for path in sorted((msp / place).glob("*.pem"))
    ]
    return _files(msp, tuple(dict.fromkeys((*MSP_FILES, *authorities))), "msp") | _files(
        directory / "tls", TLS_FILES, "tls"
    )


def _files(directory: Path, names: tuple[str, ...], target: str) -> dict[str, File]:
    return {
        f"{target}/{name}": File((directory / name).read_bytes(), 0o600 if _is_key(name) else 0o644)
        for name in names
    }


def _is_key(name: str) -> bool:
    return name.endswith((".key", "keystore/key.pem"))


def _version(image: str) -> tuple[int, ...]:
    """Fabric's version by an image's tag."""
    tag = image.split("@")[0].rsplit(":", 1)[1]
    return tuple(int(part) for part in re.findall(r"\d+", tag)[:3])
