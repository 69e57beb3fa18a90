# SPDX-License-Identifier: Apache-2.0
"""A channel of two organisations and three orderers with real certificates, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.channels.genesis import genesis_block
from commonwatt_network.embedded.channels.configuration import ChannelConfig
from commonwatt_network.embedded.config import NodeConfig
from commonwatt_network.embedded.trust.signing import SigningIdentity
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, ports_needed, settle
from commonwatt_network.model.topology import parse_topology
from commonwatt_network.programs.ports import choose_first_port
from commonwatt_network.trust.identity import ensure_identities
from fabric_protos.common import common_pb2

TOPOLOGY = """
organizations:
  newtown: {homes: 1, users: {operator: {role: operator}}}
  grid: {users: {operator: {role: grid}}}
orderers: {organizations: {orderers: {mspid: OrdererMSP, nodes: 3}}}
channels:
  newtown: {organizations: [newtown, grid], batch: {timeout_ms: 300, max_messages: 10}}
"""


@pytest.fixture(scope="session")
def trust_nodes(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    layout = Layout(tmp_path_factory.mktemp("trust"))
    topology = parse_topology(TOPOLOGY)
    nodes = settle(topology, layout, choose_first_port(ports_needed(topology), layout.directory))
    ensure_identities(nodes)
    return nodes


@pytest.fixture(scope="session")
def genesis(trust_nodes: Nodes) -> Any:
    return common_pb2.Block.FromString(genesis_block(trust_nodes, "newtown"))


@pytest.fixture
def channel(genesis: Any) -> ChannelConfig:
    return ChannelConfig.from_block(genesis)


@pytest.fixture(scope="session")
def signer(trust_nodes: Nodes) -> Callable[[str, str], SigningIdentity]:
    """(organisation, user) -> that user's signing identity."""
    mspids = {"newtown": "NewtownMSP", "grid": "GridMSP", "orderers": "OrdererMSP"}

    def find(organization: str, user: str) -> SigningIdentity:
        directory = trust_nodes.layout.user(organization, user) / "msp"
        return SigningIdentity.from_directory(directory, mspids[organization])

    return find


@pytest.fixture(scope="session")
def peer_signer(trust_nodes: Nodes) -> Callable[[str], SigningIdentity]:
    def find(organization: str) -> SigningIdentity:
        peer = next(peer for peer in trust_nodes.peers if peer.organization == organization)
        return SigningIdentity.from_directory(peer.directory / "msp", peer.mspid)

    return find


@pytest.fixture
def orderer_configs(trust_nodes: Nodes, tmp_path: Path) -> list[NodeConfig]:
    return [
        NodeConfig(
            name=orderer.name,
            mspid=orderer.mspid,
            address=orderer.address,
            admin_address=orderer.admin_address,
            operations_address=orderer.operations_address,
            msp_directory=orderer.directory / "msp",
            tls_directory=orderer.directory / "tls",
            data_directory=tmp_path / orderer.name,
        )
        for orderer in trust_nodes.orderers
    ]


@pytest.fixture(scope="session")
def envelope(signer: Callable[[str, str], SigningIdentity]) -> Callable[..., Any]:
    """A signed envelope of any type with any data."""

    def make(data: bytes = b"data", type: int = 3, by: SigningIdentity | None = None, **fields: Any) -> Any:
        author = by or signer("newtown", "operator")
        header = common_pb2.ChannelHeader(type=type, channel_id=fields.pop("channel_id", "newtown"), **fields)
        header.timestamp.GetCurrentTime()
        payload = common_pb2.Payload(
            header=common_pb2.Header(
                channel_header=header.SerializeToString(), signature_header=author.signature_header()
            ),
            data=data,
        ).SerializeToString()
        return common_pb2.Envelope(payload=payload, signature=author.sign(payload))

    return make
