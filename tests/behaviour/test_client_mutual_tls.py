# SPDX-License-Identifier: Apache-2.0
"""A peer that demands client certificates: transactions, events, discovery and administration go on through it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from commonwatt_client import (
    ClientCertificate,
    ClientError,
    EventsError,
    Gateway,
    Peer,
    connect,
    connect_profile,
)
from commonwatt_client.profile import network_file_peers, network_file_user
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.topology import default_topology
from commonwatt_network.testing import run_embedded_network

from .probe_network import MEMBERS, PROBE, Probe

CHANNEL = "newtown"


async def test_embedded(tmp_path: Path) -> None:
    base = default_topology(homes=1)
    demanding = base.organizations["grid"].model_copy(update={"client_authentication": True})
    channel = base.channels[CHANNEL].model_copy(update={"chaincodes": []})
    topology = base.model_copy(
        update={
            "organizations": {**base.organizations, "grid": demanding},
            "channels": {CHANNEL: channel},
            "chaincodes": {},
        }
    )
    async with run_embedded_network(tmp_path / "network", topology) as network:
        await network.deploy("market", [sys.executable, str(PROBE)], endorsement_policy=MEMBERS, guard=False)
        async with network.connect("grid") as gateway:
            await Probe(gateway, gateway.get_network(CHANNEL).get_contract("market")).answers()
        await the_demanding_peer_serves(network.nodes, "who")


async def test_native(raft_nodes: Nodes) -> None:
    await the_demanding_peer_serves(raft_nodes, "get_parameters", "{}")


async def the_demanding_peer_serves(nodes: Nodes, *call: str) -> None:
    path = nodes.layout.network_file
    (peer,) = network_file_peers(path, "grid")
    assert peer.client_certificate is not None
    identity, signer = network_file_user(path, "grid", "operator")

    async with connect(peer, identity=identity, signer=signer) as gateway:
        await trade_and_listen(gateway, call)
    profile = nodes.layout.profiles / "grid.yaml"
    if profile.exists():
        async with connect_profile(profile, identity=identity, signer=signer) as gateway:
            await gateway.get_network(CHANNEL).get_contract("market").evaluate_transaction(*call)
    async with peer_admin(nodes, nodes.gateway_peer("grid")) as admin:
        assert {each.mspid for each in await admin.discover_peers(CHANNEL)} == {"NewtownMSP", "GridMSP"}
        assert [block.number async for block in admin.blocks(CHANNEL, 0, 1)] == [0, 1]

    # A member of another organisation of the channel is let in as well; a stranger and a client without one are not.
    tls = nodes.layout.user("newtown", "admin") / "tls"
    newtown = ClientCertificate(tls / "server.crt", tls / "server.key")
    user = network_file_user(path, "newtown", "operator")
    bare = Peer(peer.address, peer.tls_ca_cert, peer.tls_server_name)
    async with connect(bare, identity=user[0], signer=user[1], client_certificate=newtown) as gateway:
        await trade_and_listen(gateway, call)
    async with connect(bare, identity=identity, signer=signer) as gateway:
        with pytest.raises(ClientError) as caught:
            await gateway.get_network(CHANNEL).get_contract("market").evaluate_transaction(*call)
        unbound = gateway.get_network(CHANNEL).new_block_events_request(start_block=0)
    assert caught.value.reason == "PEER_UNREACHABLE"

    # Nor does a request go through that was made for a connection with another certificate.
    async with connect(peer, identity=identity, signer=signer) as gateway:
        request = gateway.new_signed_block_events_request(unbound.to_bytes(), signer.sign(unbound.digest))
        with pytest.raises(EventsError, match="BAD_REQUEST"):
            await anext(request.events())


async def trade_and_listen(gateway: Gateway, call: tuple[str, ...]) -> None:
    """A transaction, and the block streams: a seek request names the TLS certificate that the connection shows."""
    network = gateway.get_network(CHANNEL)
    async with network.filtered_block_events() as blocks, network.chaincode_events("market"):
        outcome = await network.get_contract("market").submit(call[0], arguments=call[1:])
        async for block in blocks:
            if outcome.transaction_id in [each.transaction_id for each in block.transactions]:
                break
