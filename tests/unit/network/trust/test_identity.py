# SPDX-License-Identifier: Apache-2.0
"""Identities and genesis blocks, as Fabric reads them."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from commonwatt_network.channels.genesis import (
    ChannelError,
    check_certificates,
    ensure_genesis_blocks,
    genesis_block,
)
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, settle
from commonwatt_network.model.topology import default_topology, load_topology
from commonwatt_network.trust.certificates import attributes_of, read_key_pair
from commonwatt_network.trust.identity import IdentityError, ensure_identities
from cryptography import x509
from cryptography.x509.oid import NameOID
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    return settle(default_topology(homes=3), Layout(tmp_path), 12_900)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_everyone_has_the_role_fabric_expects(nodes: Nodes) -> None:
    ensure_identities(nodes)
    organizations = nodes.layout.organizations
    for path, role in (
        ("newtown/peers/peer0", "peer"),
        ("orderers/orderers/orderer0", "orderer"),
        ("newtown/users/admin", "admin"),
        ("newtown/users/home001", "client"),
    ):
        loaded = certificate(organizations / path / "msp" / "signcerts" / "cert.pem")
        units = loaded.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        assert [unit.value for unit in units] == [role]
        loaded.verify_directly_issued_by(certificate(organizations / path.split("/")[0] / "ca" / "ca.crt"))


def test_homes_carry_their_attributes(nodes: Nodes) -> None:
    roster = ensure_identities(nodes)
    folder = nodes.layout.user("newtown", "home002")
    attributes = attributes_of(certificate(folder / "certificate.pem"))
    assert attributes == roster.users["newtown"]["home002"]
    assert attributes["role"] == "home"
    assert re.fullmatch("[a-z2-7]{10}", attributes["home.id"])
    assert set(attributes) == {"role", "home.id", "hf.EnrollmentID", "hf.Type", "hf.Affiliation"}
    assert (
        attributes_of(certificate(nodes.layout.user("grid", "operator") / "certificate.pem"))["role"]
        == "grid"
    )
    read_key_pair(folder / "certificate.pem", folder / "private_key.pem")


def test_keys_are_their_owners_alone(nodes: Nodes) -> None:
    ensure_identities(nodes)
    private = [
        path
        for path in nodes.layout.organizations.rglob("*")
        if path.is_file() and b"PRIVATE" in path.read_bytes()
    ]
    assert len(private) > 20
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_what_is_there_is_kept_and_what_is_missing_is_made(nodes: Nodes) -> None:
    ensure_identities(nodes)
    folder = nodes.layout.organizations
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    lost = nodes.layout.user("newtown", "home003") / "certificate.pem"
    lost.unlink()
    ensure_identities(nodes)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_foreign_certificate_is_refused(nodes: Nodes, tmp_path: Path) -> None:
    ensure_identities(nodes)
    other = settle(default_topology(homes=3), Layout(tmp_path / "other"), 12_950)
    ensure_identities(other)
    for name in ("server.crt", "server.key"):
        stolen = other.peers[0].tls_directory / name
        (nodes.peers[0].tls_directory / name).write_bytes(stolen.read_bytes())
    with pytest.raises(IdentityError, match="was not issued by this network's authority"):
        ensure_identities(nodes)


def test_an_orderers_certificate_on_a_peer_is_refused(nodes: Nodes) -> None:
    ensure_identities(nodes)
    wrong = nodes.orderers[0].directory / "msp" / "signcerts" / "cert.pem"
    (nodes.peers[0].directory / "msp" / "signcerts" / "cert.pem").write_bytes(wrong.read_bytes())
    with pytest.raises(ChannelError, match="needs the one organisational unit peer"):
        check_certificates(nodes)


def channel_group(block: bytes) -> configtx_pb2.ConfigGroup:
    envelope = common_pb2.Envelope.FromString(common_pb2.Block.FromString(block).data.data[0])
    payload = common_pb2.Payload.FromString(envelope.payload)
    return configtx_pb2.ConfigEnvelope.FromString(payload.data).config.channel_group


def test_a_channel_keeps_its_genesis_block(nodes: Nodes) -> None:
    ensure_identities(nodes)
    blocks = ensure_genesis_blocks(nodes)
    assert ensure_genesis_blocks(nodes) == blocks
    group = channel_group(blocks["newtown"])
    assert set(group.groups["Application"].groups) == {"NewtownMSP", "GridMSP"}
    assert set(group.groups["Orderer"].groups) == {"OrdererMSP"}


def test_bft_says_who_consents_and_how_many_must_sign(tmp_path: Path) -> None:
    nodes = settle(load_topology("bft"), Layout(tmp_path), 12_900)
    ensure_identities(nodes)
    group = channel_group(genesis_block(nodes, "newtown"))
    orderer = group.groups["Orderer"]
    assert orderer_pb2.ConsensusType.FromString(orderer.values["ConsensusType"].value).type == "BFT"
    mapping = configuration_pb2.Orderers.FromString(orderer.values["Orderers"].value).consenter_mapping
    assert [consenter.id for consenter in mapping] == [1, 2, 3, 4]
    assert (
        "V3_0" in configuration_pb2.Capabilities.FromString(group.values["Capabilities"].value).capabilities
    )
    assert "OrdererAddresses" not in group.values
    assert all("Endpoints" in member.values for member in orderer.groups.values())
