# SPDX-License-Identifier: Apache-2.0
"""One network on real Fabric with three Raft orderers, for all tests that change, kill or cut off parts of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from commonwatt_client import Peer
from commonwatt_client.admin import OrderingClient
from commonwatt_client.identity import load_identity
from commonwatt_client.signers import private_key_signer
from commonwatt_network.down import down
from commonwatt_network.model.nodes import Nodes, Orderer
from commonwatt_network.model.topology import default_topology
from commonwatt_network.model.topology_parts import OrdererOrganization, Orderers, User
from commonwatt_network.up import up

from ..support.fabric import require_backend


@contextmanager
def silent(_: str) -> Iterator[None]:
    """A phase that nobody watches."""
    yield


@pytest.fixture(scope="session")
def raft_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Newtown and grid, whose peer demands client certificates; three orderers of one organisation; the market."""
    require_backend("native")
    base = default_topology(homes=2)
    newtown, grid = base.organizations["newtown"], base.organizations["grid"]
    users = {**newtown.users, "leaver": User(role="operator")}
    topology = base.model_copy(
        update={
            "organizations": {
                "newtown": newtown.model_copy(update={"users": users}),
                "grid": grid.model_copy(update={"client_authentication": True}),
            },
            "orderers": Orderers(
                organizations={"orderers": OrdererOrganization(mspid="OrdererMSP", nodes=3)}
            ),
        }
    )
    directory = tmp_path_factory.mktemp("raft") / ".commonwatt"
    try:
        yield asyncio.run(up(directory, topology, "native", silent)).nodes
    finally:
        down(directory)


def admin_of(nodes: Nodes, organization: str) -> tuple[Any, Any]:
    """The identity and signer of an organisation's administrator."""
    folder = nodes.layout.user(organization, "admin")
    mspid = nodes.topology.mspid(organization)
    return load_identity(mspid, folder / "certificate.pem"), private_key_signer(folder / "private_key.pem")


def ordering_client(nodes: Nodes, orderer: Orderer) -> OrderingClient:
    """An orderer, asked as its own organisation's administrator."""
    identity, signer = admin_of(nodes, orderer.organization)
    return OrderingClient(
        Peer(
            orderer.address,
            nodes.layout.tls_ca_certificate(orderer.organization),
            tls_server_name=orderer.name,
        ),
        identity=identity,
        signer=signer,
    )
