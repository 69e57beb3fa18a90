# SPDX-License-Identifier: Apache-2.0
"""A topology settled on one machine: which processes there are, with their names, addresses and folders."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from commonwatt_network.model.addresses import is_name
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.node_names import (
    authority_owners,
    chaincode_owners,
    fixed_ports,
    orderer_name,
    ports_of_nodes,
)
from commonwatt_network.model.placement import Placement
from commonwatt_network.model.topology import Topology
from commonwatt_network.model.topology_parts import NodePorts

HOST = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104  listening on every interface is what a host among others does
EVERYWHERE_6 = "[::]"  # with IPv4 too, where the system has both
HOST_6 = "[::1]"


@dataclass(frozen=True, kw_only=True)
class FabricNode:
    """An orderer or a peer, with a folder for its identities and one for its ledgers.

    `host` and `port` are what others dial, `listen` and `listen_port` (`port` where it is None) what it binds: behind
    NAT or a load balancer they differ. Administration and operations are at `management`: on this machine alone, but
    for a node in a container. An IPv6 address stands in brackets wherever it is a host.
    """

    name: str
    organization: str
    mspid: str
    port: int
    operations_port: int
    directory: Path
    ledger: Path
    host: str = HOST
    listen: str = HOST
    listen_port: int | None = None
    management: str = HOST

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def bound_port(self) -> int:
        """The port of this machine that it binds."""
        return self.listen_port or self.port

    @property
    def listen_address(self) -> str:
        return f"{self.listen}:{self.bound_port}"

    @property
    def server_name(self) -> str:
        """The name that callers ask for in TLS; its certificate has both. An Ingress tells nodes apart by the host."""
        return self.host if is_name(self.host) else self.name

    @property
    def operations_address(self) -> str:
        return f"{self.management}:{self.operations_port}"

    @property
    def tls_directory(self) -> Path:
        return self.directory / "tls"


@dataclass(frozen=True, kw_only=True)
class Orderer(FabricNode):
    """An ordering node. `admin_port` is the channel participation REST interface, mutual TLS."""

    admin_port: int

    @property
    def admin_address(self) -> str:
        return f"{self.management}:{self.admin_port}"


@dataclass(frozen=True, kw_only=True)
class Peer(FabricNode):
    """A peer; its name is unique in the network: `peer0.newtown`.

    With `client_authentication` it demands a TLS client certificate of everyone. `couchdb`: host:port of the server
    that has its state, None where it keeps its state itself.
    """

    client_authentication: bool = False
    couchdb: str | None = None


@dataclass(frozen=True)
class ChaincodeServer:
    """One organisation's process for one chaincode, on all channels: `market.newtown`."""

    name: str
    chaincode: str
    organization: str
    port: int
    tls_directory: Path
    host: str = HOST

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class AuthorityServer:
    """One organisation's Fabric CA server, `ca.newtown`; `directory` is its folder, its owner's alone."""

    name: str
    organization: str
    port: int
    directory: Path

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def tls_directory(self) -> Path:
        return self.directory / "tls"


Node = Orderer | Peer | ChaincodeServer


@dataclass(frozen=True)
class Nodes:
    """Every process of a network. Equal topologies and first ports give equal nodes."""

    topology: Topology
    layout: Layout
    orderers: tuple[Orderer, ...]
    peers: tuple[Peer, ...]
    chaincode_servers: tuple[ChaincodeServer, ...]
    authorities: tuple[AuthorityServer, ...] = ()

    @property
    def fabric_nodes(self) -> tuple[Orderer | Peer, ...]:
        """Orderers, then peers."""
        return (*self.orderers, *self.peers)

    def ports(self) -> dict[int, str]:
        """Every port the network listens on, with the name of who does."""
        taken = {node.port: node.name for node in self.fabric_nodes}
        taken |= {server.port: server.name for server in self.chaincode_servers}
        taken |= {server.port: server.name for server in self.authorities}
        taken |= {node.operations_port: node.name for node in self.fabric_nodes}
        return taken | {orderer.admin_port: orderer.name for orderer in self.orderers}

    def peers_of(self, channel: str) -> tuple[Peer, ...]:
        members = self.topology.channels[channel].organizations
        return tuple(peer for peer in self.peers if peer.organization in members)

    def gateway_peer(self, organization: str) -> Peer:
        """The peer through which an organisation's own clients speak."""
        return next(peer for peer in self.peers if peer.organization == organization)

    def chaincode_server(self, chaincode: str, organization: str) -> ChaincodeServer:
        servers = (server for server in self.chaincode_servers if server.chaincode == chaincode)
        return next(server for server in servers if server.organization == organization)


def ports_needed(topology: Topology) -> int:
    """How many consecutive ports `settle` will use at most: fixed ports may lie among them."""
    return sum(map(len, ports_of_nodes(topology).values()))


def settle(topology: Topology, layout: Layout, first_port: int, placement: Placement | None = None) -> Nodes:
    """Give every process of `topology` its name, folders and ports, counted up from `first_port`.

    A network that was changed while it ran has a `placement`, which knows the names and ports of them all.
    """
    counted = _block(topology, first_port)

    def ports(name: str, *kinds: str) -> tuple[int, ...]:
        if placement:
            return placement.ports[name]
        fixed = topology.ports.nodes.get(name, NodePorts())
        return tuple(getattr(fixed, kind) or next(counted) for kind in kinds)

    orderers: list[Orderer] = []
    for organization, settings in topology.orderers.organizations.items():
        for n in range(settings.nodes):
            name = (
                placement.orderers[organization][n]
                if placement
                else orderer_name(topology, organization, n, len(orderers))
            )
            port, admin_port, operations_port = ports(name, "port", "admin", "operations")
            orderers.append(
                Orderer(
                    name=name,
                    organization=organization,
                    mspid=topology.mspid(organization),
                    port=port,
                    admin_port=admin_port,
                    operations_port=operations_port,
                    directory=layout.orderer(organization, name),
                    ledger=layout.ledgers / name,
                )
            )
    peers: list[Peer] = []
    for organization, member in topology.organizations.items():
        for n in range(member.peers):
            name = f"peer{n}.{organization}"
            port, operations_port = ports(name, "port", "operations")
            peers.append(
                Peer(
                    name=name,
                    organization=organization,
                    mspid=topology.mspid(organization),
                    port=port,
                    operations_port=operations_port,
                    directory=layout.peer(organization, f"peer{n}"),
                    ledger=layout.ledgers / name,
                    client_authentication=member.client_authentication,
                    couchdb=topology.couchdb_address(name),
                )
            )
    servers: list[ChaincodeServer] = []
    for chaincode, organization in chaincode_owners(topology):
        name = f"{chaincode}.{organization}"
        (port,) = ports(name, "port")
        tls = layout.chaincode_tls(organization)
        servers.append(ChaincodeServer(name, chaincode, organization, port, tls))
    authorities = []
    for organization in authority_owners(topology):
        name = f"ca.{organization}"
        (port,) = ports(name, "port")
        authorities.append(AuthorityServer(name, organization, port, layout.authority(organization)))
    return Nodes(topology, layout, tuple(orderers), tuple(peers), tuple(servers), tuple(authorities))


def _block(topology: Topology, first_port: int) -> Iterator[int]:
    """The ports from `first_port` on, without those that the topology fixes."""
    fixed = fixed_ports(topology)
    return (port for port in itertools.count(first_port) if port not in fixed)
