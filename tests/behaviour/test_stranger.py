# SPDX-License-Identifier: Apache-2.0
"""What one client sends to hurt all others, on every backend: they go on trading, and so after a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from commonwatt_client import Gateway, Peer, connect_network_file
from commonwatt_client.admin import OrderingClient, decode_block
from commonwatt_network.down import down
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.topology import default_topology
from commonwatt_network.up import up
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import transaction_pb2

from ..support.fabric import require_backend
from .conftest import quiet
from .forged import Member, member
from .mutations import flipped_point, pem_of, unknown_curve, unknown_subject, unknown_version

CHANNEL, MARKET = "newtown", "market"
Mistake = Callable[[Random, bytes], bytes]
MISTAKES: tuple[Mistake, ...] = (flipped_point, unknown_curve, unknown_version, unknown_subject)


async def trade(nodes: Nodes) -> None:
    """Everybody else has a transaction committed."""
    for organization, user in (("newtown", "operator"), ("newtown", "home002"), ("grid", "operator")):
        async with connect_network_file(nodes.layout.network_file, organization, user) as gateway:
            contract = gateway.get_network(CHANNEL).get_contract(MARKET)
            await contract.submit("get_parameters", arguments=["{}"])


def unhealthy(nodes: Nodes) -> list[Any]:
    """What /healthz of all nodes complains of."""
    found = []
    for node in (*nodes.peers, *nodes.orderers):
        try:
            with urlopen(f"http://{node.operations_address}/healthz", timeout=5) as answer:
                assert json.load(answer)["status"] == "OK"
        except HTTPError as error:
            found.append((node.name, error.code, error.read()))
    return found


async def poisoned(gateway: Gateway, home: Member, mistake: Mistake) -> bytes:
    """A home's ordinary envelope of which the first endorsement names a certificate with a mistake."""
    contract = gateway.get_network(CHANNEL).get_contract(MARKET)
    endorsed = await contract.new_proposal("get_parameters", arguments=["{}"]).endorse()
    envelope = gateway_pb2.PreparedTransaction.FromString(endorsed.to_bytes()).envelope
    payload = common_pb2.Payload.FromString(envelope.payload)
    transaction = transaction_pb2.Transaction.FromString(payload.data)
    action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
    endorsement = action.action.endorsements[0]
    named = identities_pb2.SerializedIdentity.FromString(endorsement.endorser)
    certificate = x509.load_pem_x509_certificate(named.id_bytes).public_bytes(Encoding.DER)
    named.id_bytes = pem_of(mistake(Random(1), certificate))
    endorsement.endorser = named.SerializeToString()
    transaction.actions[0].payload = action.SerializeToString()
    payload.data = transaction.SerializeToString()
    content = payload.SerializeToString()
    encoded: bytes = common_pb2.Envelope(payload=content, signature=home.sign(content)).SerializeToString()
    return encoded


@asynccontextmanager
async def orderer_as(nodes: Nodes, who: Member) -> AsyncIterator[OrderingClient]:
    orderer = nodes.orderers[0]
    authority = nodes.layout.tls_ca_certificate(orderer.organization).read_bytes()
    async with OrderingClient(
        Peer(orderer.address, authority, tls_server_name=orderer.name),
        identity=who.identity,
        signer=who.signer,
    ) as client:
        yield client


async def attack(nodes: Nodes) -> None:
    """Have every mistake ordered; a home does so with its own certificate and nothing else."""
    home = member(nodes, "newtown", "home001")
    file = nodes.layout.network_file
    async with (
        connect_network_file(file, "newtown", "home001") as gateway,
        connect_network_file(file, "newtown", "operator") as reader,
    ):
        envelopes = [await poisoned(gateway, home, mistake) for mistake in MISTAKES]
        async with orderer_as(nodes, home) as orderer, asyncio.timeout(60):
            for envelope in envelopes:
                await orderer.broadcast(envelope)
            codes: dict[bytes, str] = {}
            async for found in reader.get_network(CHANNEL).block_events(start_block=0):
                block = decode_block(found.raw)
                codes |= {
                    content: code.name
                    for content, code in zip(block.envelopes, block.validations, strict=True)
                    if content in envelopes
                }
                if len(codes) == len(envelopes):
                    break
    assert set(codes.values()) == {"ENDORSEMENT_POLICY_FAILURE"}


@pytest.mark.parametrize("backend", ["embedded", pytest.param("native", marks=pytest.mark.long)])
def test_a_home_cannot_end_the_network_with_a_certificate(backend: str, tmp_path: Path) -> None:
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    topology = default_topology(homes=2)
    try:
        nodes = asyncio.run(up(directory, topology, backend, quiet)).nodes
        asyncio.run(trade(nodes))
        asyncio.run(attack(nodes))
        asyncio.run(trade(nodes))
        assert not unhealthy(nodes)
        down(directory)
        nodes = asyncio.run(up(directory, None, None, quiet)).nodes
        asyncio.run(trade(nodes))
        assert not unhealthy(nodes)
    finally:
        down(directory)
