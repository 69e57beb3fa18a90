# SPDX-License-Identifier: Apache-2.0
"""What is watched: a network of this kit's own, which knows its processes, or one that others made, which answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from commonwatt_client import Gateway, connect_network_file
from commonwatt_client.network_file import MARKET

from commonwatt_network.backends.registry import backend_called, nodes_of
from commonwatt_network.connected.network import ConnectedNetwork, is_connected, read_connected
from commonwatt_network.connected.status import connected_status, height_of
from commonwatt_network.errors import NoNetworkError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, Orderer
from commonwatt_network.model.roster import ADMIN
from commonwatt_network.model.state import State, read_state
from commonwatt_network.programs.processes import log_file
from commonwatt_network.status import NetworkStatus, heights, network_status

MARKET_MODULE = "commonwatt_chaincode"


@dataclass(frozen=True)
class WatchedNode:
    """An orderer or a peer; its operations port as dialled from here and by Prometheus, empty where nobody knows it."""

    name: str
    kind: str
    organization: str
    operations_address: str
    metrics_address: str


@dataclass(frozen=True)
class WatchedChannel:
    """A channel: its organisations, the names of its peers, its chaincodes that are markets."""

    organizations: tuple[str, ...]
    peers: tuple[str, ...]
    markets: tuple[str, ...]


class Subject(Protocol):
    """A network that is watched."""

    @property
    def name(self) -> str: ...

    @property
    def backend(self) -> str: ...

    @property
    def nodes(self) -> tuple[WatchedNode, ...]:
        """Orderers, then peers."""
        ...

    @property
    def channels(self) -> Mapping[str, WatchedChannel]: ...

    @property
    def logs(self) -> tuple[Path, ...]:
        """Logs of chaincode servers, as far as they are on this machine."""
        ...

    async def status(self) -> NetworkStatus:
        """What runs now. Raises UsageError where the network is gone."""
        ...

    async def height(self, channel: str) -> int | None:
        """The most blocks that a peer has of a channel; None where no peer answers."""
        ...

    def connect(self, channel: str) -> Gateway:
        """A gateway as an identity that may read the channel."""
        ...


@dataclass(frozen=True)
class OwnNetwork:
    """A network that this kit made, in its folder."""

    layout: Layout
    state: State
    settled: Nodes = field(repr=False)

    @property
    def name(self) -> str:
        return self.state.topology.name

    @property
    def backend(self) -> str:
        return self.state.backend

    @property
    def nodes(self) -> tuple[WatchedNode, ...]:
        backend = backend_called(self.state.backend)
        return tuple(
            WatchedNode(
                node.name,
                "orderer" if isinstance(node, Orderer) else "peer",
                node.organization,
                node.operations_address,
                f"{backend.monitored_host(node)}:{node.operations_port}",
            )
            for node in self.settled.fabric_nodes
        )

    @property
    def channels(self) -> Mapping[str, WatchedChannel]:
        topology = self.state.topology
        return {
            name: WatchedChannel(
                tuple(settings.organizations),
                tuple(peer.name for peer in self.settled.peers_of(name)),
                tuple(
                    each for each in settings.chaincodes if topology.chaincodes[each].module == MARKET_MODULE
                ),
            )
            for name, settings in topology.channels.items()
        }

    @property
    def logs(self) -> tuple[Path, ...]:
        return tuple(log_file(self.layout, server.name) for server in self.settled.chaincode_servers)

    async def status(self) -> NetworkStatus:
        return await network_status(self.layout.directory)

    async def height(self, channel: str) -> int | None:
        peers = {peer.name for peer in self.settled.peers_of(channel)}
        found = (await heights(self.settled, peers))[channel].values()
        return max((height for height in found if height is not None), default=None)

    def connect(self, channel: str) -> Gateway:
        """As the operator of the channel's first organisation, or its administrator."""
        organization = self.state.topology.channels[channel].organizations[0]
        described = json.loads(self.layout.network_file.read_bytes())
        users = described["organizations"][organization]["users"]
        return connect_network_file(
            self.layout.network_file, organization, "operator" if "operator" in users else ADMIN
        )


@dataclass(frozen=True)
class OthersNetwork:
    """A network that others made. Its chaincode servers' logs are theirs, so refusals are not counted."""

    network: ConnectedNetwork

    @property
    def name(self) -> str:
        return self.network.name

    @property
    def backend(self) -> str:
        return "connected"

    @property
    def nodes(self) -> tuple[WatchedNode, ...]:
        return tuple(
            WatchedNode(
                node.name, node.kind, node.organization, node.operations_address, node.operations_address
            )
            for node in (*self.network.orderers(), *self.network.peers())
        )

    @property
    def channels(self) -> Mapping[str, WatchedChannel]:
        return {
            name: WatchedChannel(
                tuple(described["organizations"]),
                tuple(peer.name for peer in self.network.peers(channel=name)),
                tuple(each for each in described["chaincodes"] if each == MARKET),
            )
            for name, described in self.network.channels.items()
        }

    @property
    def logs(self) -> tuple[Path, ...]:
        return ()

    async def status(self) -> NetworkStatus:
        return await connected_status(self.network)

    async def height(self, channel: str) -> int | None:
        return await height_of(self.network, channel)

    def connect(self, channel: str) -> Gateway:
        """As who connected."""
        return self.network.gateway()


def subject_of(file: Path) -> Subject:
    """The network of a network file. Raises NoNetworkError where no network is, UsageError for a damaged file."""
    if is_connected(file):
        return OthersNetwork(read_connected(file))
    layout = Layout(file.parent)
    state = read_state(layout)
    if state is None:
        raise NoNetworkError(layout.directory)
    return OwnNetwork(layout, state, nodes_of(layout, state))
