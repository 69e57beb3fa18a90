# SPDX-License-Identifier: Apache-2.0
"""An organisation's authorities change on a running channel: operators read from their first certificate on.

A principal for an organisational unit matches one path of authorities alone, by a hash over its certificates. Fabric
lowers the S of their signatures before it hashes; half of all certificates come with the higher one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from commonwatt_client.admin import ChannelConfig
from commonwatt_client.ledger.configuration import msp_of
from commonwatt_network.change.configuration import change_configuration
from commonwatt_network.channels.readers import readers_mistakes, with_authorities
from commonwatt_network.embedded.trust.certificates import HALF_ORDER
from commonwatt_network.trust.certificates import KeyPair, issue_enrolment, read_key_pair
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from .callers import OPERATOR, Caller, Node, caller_with, callers

MSPID, CHANNEL = "NewtownMSP", "newtown"
HOME = {"role": "home", "home.id": "home900", "meter.id": "newtown-meter900"}


def authority(
    name: str,
    by: KeyPair | None = None,
    key: Any = None,
    *,
    high_s: bool,
    like: x509.Certificate | None = None,
) -> KeyPair:
    """A certificate of an authority: its own root's, or below `by`; with the higher or the lower S."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = like.subject if like else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = by or KeyPair(None, key)  # type: ignore[arg-type]
    now = datetime.now(UTC)
    begins = like.not_valid_before_utc if like else now - timedelta(days=1)
    while True:
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by.certificate.subject if by else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(now + timedelta(days=100))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
            )
            .sign(issuer.key, hashes.SHA256())
        )
        if (decode_dss_signature(certificate.signature)[1] > HALF_ORDER["secp256r1"]) == high_s:
            return KeyPair(certificate, key)


def first_authority(network: Any) -> KeyPair:
    folder = network.nodes.layout.organization("newtown") / "ca"
    return read_key_pair(folder / "ca.crt", folder / "ca.key")


def forgetful(config: ChannelConfig, roots: list[bytes], below: list[bytes]) -> ChannelConfig:
    """The organisation's authorities changed, and its Readers policy left as it is: what must not happen."""
    changed = with_authorities(config, MSPID, roots, below)
    root = changed.edited_group()
    for section in ("Application", "Orderer"):
        groups = root.groups[section].groups
        if MSPID in groups:
            groups[MSPID].policies["Readers"].CopyFrom(
                config.root.groups[section].groups[MSPID].policies["Readers"]
            )
    return ChannelConfig(config.channel, config.sequence, root.SerializeToString())


@asynccontextmanager
async def in_force(network: Any, edit: Callable[[ChannelConfig], ChannelConfig]) -> AsyncIterator[None]:
    """The edit in force on every peer, and the first authority again afterwards."""
    await change_configuration(network.nodes, CHANNEL, edit, ["newtown"])
    try:
        await network.level(CHANNEL)
        yield
    finally:
        first = [first_authority(network).certificate_pem]
        await change_configuration(
            network.nodes, CHANNEL, lambda config: with_authorities(config, MSPID, first), ["newtown"]
        )
        await network.level(CHANNEL)


async def may(node: Node, caller: Caller) -> tuple[bool, bool]:
    """Whether the caller may submit, and whether it reads blocks."""
    submits, _ = await node.invoke(caller, "market", "get_parameters", b"{}")
    reads, _ = await node.deliver(caller, "Deliver")
    return submits, reads


@pytest.mark.parametrize("high_s", [False, True], ids=["lower-s", "higher-s"])
async def test_an_intermediate_authority_issues_operators_who_read_at_once(
    network: Any, high_s: bool
) -> None:
    root = authority("ca.newtown.second", high_s=high_s)
    below = authority("ca.newtown.below", root, high_s=high_s)
    roots = [first_authority(network).certificate_pem, root.certificate_pem]
    people = callers(network.nodes)
    newcomer = caller_with(MSPID, issue_enrolment(below, "operator2", "client", OPERATOR, 1))
    home = caller_with(MSPID, issue_enrolment(below, "home900", "client", HOME, 1))
    async with Node(network.nodes, CHANNEL) as node:
        assert await may(node, newcomer) == (False, False)
        async with in_force(network, lambda config: forgetful(config, roots, [below.certificate_pem])):
            assert await may(node, newcomer) == (True, False)  # why Readers have to know first
        async with in_force(
            network, lambda config: with_authorities(config, MSPID, roots, [below.certificate_pem])
        ):
            assert await may(node, newcomer) == (True, True)
            assert await may(node, home) == (True, False)
            assert await may(node, people["operator"]) == (True, True)
            assert await may(node, people["home"]) == (True, False)
        assert await may(node, newcomer) == (False, False)
        assert await may(node, people["operator"]) == (True, True)


@pytest.mark.parametrize("high_s", [False, True], ids=["lower-s", "higher-s"])
async def test_a_renewed_authority_keeps_its_operators_reading(network: Any, high_s: bool) -> None:
    """The same key under another certificate: the path's hash is another, so the policy has to change with it."""
    first = first_authority(network)
    renewed = authority("", None, first.key, high_s=high_s, like=first.certificate)
    people = callers(network.nodes)
    async with Node(network.nodes, CHANNEL) as node:
        async with in_force(network, lambda config: forgetful(config, [renewed.certificate_pem], [])):
            assert await may(node, people["operator"]) == (True, False)
        async with in_force(
            network, lambda config: with_authorities(config, MSPID, [renewed.certificate_pem])
        ):
            assert await may(node, people["operator"]) == (True, True)
            assert await may(node, people["home"]) == (True, False)


async def test_a_forgotten_path_is_a_mistake_that_members_are_told(network: Any) -> None:
    root = authority("ca.newtown.second", high_s=False)
    roots = [first_authority(network).certificate_pem, root.certificate_pem]
    from commonwatt_network.channels.deploy import peer_admin

    async with peer_admin(network.nodes, network.nodes.gateway_peer("newtown")) as admin:
        config = await admin.fetch_config(CHANNEL)
    [mistake] = readers_mistakes(forgetful(config, roots, []))
    assert mistake.startswith("NewtownMSP's Readers policy in Application")
    assert not list(readers_mistakes(with_authorities(config, MSPID, roots)))
    assert msp_of(config.root.groups["Application"].groups[MSPID]).root_certs == roots[:1]
