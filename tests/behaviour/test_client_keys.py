# SPDX-License-Identifier: Apache-2.0
"""Identities of every kind of key: P-384 on any channel, Ed25519 where the channel's capability is V3_0."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from commonwatt_client import EvaluateError, Gateway, Identity, private_key_signer
from commonwatt_client.admin import (
    CHANNEL,
    assemble_update,
    compute_update,
    set_capability,
    sign_update,
    wait_for_config,
)
from commonwatt_client.profile import network_file_user
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.trust.certificates import read_key_pair, reissue
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ..support.homes import home_id
from .probe_network import Probe
from .test_admin_channel import admin_of, ordering_client


def home_with_key(network: Any, gateway: Gateway, key: Any) -> Probe:
    """home001 with its certificate issued anew for this key."""
    folder = network.nodes.layout.organization("newtown") / "ca"
    home, _ = network_file_user(network.path, "newtown", "home001")
    certificate = x509.load_pem_x509_certificate(home.certificate_pem)
    pair = reissue(read_key_pair(folder / "ca.crt", folder / "ca.key"), certificate, key, days=1)
    identity = Identity("NewtownMSP", pair.certificate_pem)
    as_home = gateway.with_identity(identity, private_key_signer(pair.key_pem))
    return Probe(as_home, as_home.get_network("trials").get_contract("probe"))


async def write_and_read(probe: Probe) -> None:
    key = f"k{secrets.token_hex(6)}"
    await probe.submit("put", key, "signed")
    assert await probe.evaluate("get", key) == "signed"
    assert (await probe.json("who"))["attributes"]["home.id"] == home_id("newtown", 1)
    async with probe.gateway.get_network("trials").block_events(start_block=0) as blocks:
        assert (await anext(blocks)).number == 0


async def test_p384(deployed: Any) -> None:
    async with deployed.connect() as gateway:
        await write_and_read(home_with_key(deployed, gateway, ec.generate_private_key(ec.SECP384R1())))


async def test_ed25519_from_capability_v3_0_on(deployed: Any) -> None:
    if deployed.version.startswith("2."):
        pytest.skip(f"Ed25519 identities came with Fabric 3.0, this is {deployed.version}")
    async with deployed.connect() as gateway:
        home = home_with_key(deployed, gateway, ed25519.Ed25519PrivateKey.generate())
        with pytest.raises(EvaluateError) as caught:
            await home.evaluate("who")
        assert caught.value.reason == "ACCESS_DENIED"
        await raise_capability(deployed)
        await write_and_read(home)


async def raise_capability(network: Any) -> None:
    """Require V3_0 of the channel `trials`: what all organisations' administrators sign."""
    signers = [admin_of(network, *each) for each in (("newtown", "NewtownMSP"), ("grid", "GridMSP"))]
    orderer = network.nodes.orderers[0]
    signers.append(admin_of(network, orderer.organization, orderer.mspid))
    async with (
        ordering_client(network) as ordering,
        peer_admin(network.nodes, network.nodes.peers[0]) as peer,
    ):
        current = await peer.fetch_config("trials")
        update = compute_update(current, set_capability(current, CHANNEL, "V3_0"))
        signatures = [await sign_update(update, *each) for each in signers]
        await ordering.broadcast(await assemble_update(update, signatures, *signers[0]))
    for node in network.nodes.peers:
        async with peer_admin(network.nodes, node) as peer:
            await wait_for_config(
                lambda peer=peer: peer.fetch_config("trials"),
                lambda config: config.capabilities["Channel"] == ("V3_0",),
            )
