# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.embedded.channels.configuration import ChannelConfig
from commonwatt_network.embedded.trust.certificates import CertificateError, parse_pem
from commonwatt_network.embedded.trust.msp import (
    ADMIN,
    CLIENT,
    MEMBER,
    MSP,
    ORDERER,
    PEER,
    Identity,
    IdentityError,
    IdentityRegistry,
    role_principal,
)
from commonwatt_network.embedded.trust.signing import SigningIdentity
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Key = ec.EllipticCurvePrivateKey
Pair = tuple[x509.Certificate, Key]
NOW = datetime.now(UTC).replace(microsecond=0)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def name(common_name: str, *units: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def issue(
    subject: x509.Name,
    issuer: Pair | None = None,
    authority: bool = False,
    start: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=300),
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


ROOT = issue(name("root"), authority=True, start=NOW - timedelta(days=900), end=NOW + timedelta(days=900))


def config(**fields: Any) -> Any:
    node_units = msp_config_pb2.FabricNodeOUs(enable=True)
    for role in ("client", "peer", "admin", "orderer"):
        getattr(node_units, f"{role}_ou_identifier").organizational_unit_identifier = role
    return msp_config_pb2.FabricMSPConfig(
        **{"name": "OneMSP", "root_certs": [pem(ROOT[0])], "fabric_node_ous": node_units, **fields}
    )


def registry(**fields: Any) -> IdentityRegistry:
    return IdentityRegistry([MSP(config(**fields))])


def serialized(certificate: x509.Certificate, mspid: str = "OneMSP") -> bytes:
    encoded: bytes = identities_pb2.SerializedIdentity(
        mspid=mspid, id_bytes=pem(certificate)
    ).SerializeToString()
    return encoded


def deserialize(certificate: x509.Certificate, **fields: Any) -> Identity:
    return registry(**fields).deserialize(serialized(certificate))


@pytest.mark.parametrize(
    ("unit", "role"), [("client", CLIENT), ("peer", PEER), ("admin", ADMIN), ("orderer", ORDERER)]
)
def test_the_unit_decides_the_role(unit: str, role: int) -> None:
    identity = deserialize(issue(name("someone", unit), ROOT)[0])
    identity.validate()
    assert [found for found in (CLIENT, PEER, ADMIN, ORDERER) if identity.has_role(found)] == [role]
    assert identity.has_role(MEMBER)


def test_an_identity_without_a_role_unit_is_refused() -> None:
    with pytest.raises(
        IdentityError, match="does not have an OU that resolves to client, peer, orderer, or admin"
    ):
        deserialize(issue(name("someone", "gardener"), ROOT)[0]).validate()


def test_an_identity_of_two_roles_is_refused() -> None:
    with pytest.raises(IdentityError, match="not a combination of them"):
        deserialize(issue(name("someone", "peer", "client"), ROOT)[0]).validate()


def test_a_foreign_authority_is_unknown() -> None:
    foreign = issue(name("root"), authority=True)
    with pytest.raises(IdentityError, match="certificate signed by unknown authority"):
        deserialize(issue(name("someone", "client"), foreign)[0])


def test_an_unknown_msp_is_named() -> None:
    with pytest.raises(IdentityError, match="MSP OtherMSP is not defined on channel"):
        registry().deserialize(serialized(issue(name("someone", "client"), ROOT)[0], "OtherMSP"))


def test_an_authority_is_no_member() -> None:
    authority = issue(name("inner", "client"), ROOT, authority=True)[0]
    with pytest.raises(
        IdentityError, match="Certificate Authority equals true cannot be used as an identity"
    ):
        deserialize(authority).validate()


def test_an_expired_certificate_stays_valid_for_what_was_committed() -> None:
    long_ago = NOW - timedelta(days=500)
    expired = issue(name("someone", "client"), ROOT, start=long_ago, end=NOW - timedelta(days=400))[0]
    identity = deserialize(expired)
    identity.validate()
    assert identity.expires_at < NOW


def test_a_certificate_older_than_its_authority_is_refused() -> None:
    before = NOW - timedelta(days=1000)
    with pytest.raises(IdentityError, match="x509: certificate has expired or is not yet valid"):
        deserialize(issue(name("someone", "client"), ROOT, start=before)[0])


def revocation_list(issuer: Pair, signer: Key, revoked: x509.Certificate) -> bytes:
    entry = x509.RevokedCertificateBuilder().serial_number(revoked.serial_number).revocation_date(NOW).build()
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key())
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer[0].subject)
        .last_update(NOW)
        .next_update(NOW + timedelta(days=1))
        .add_extension(authority, critical=False)
        .add_revoked_certificate(entry)
        .sign(signer, hashes.SHA256())
    )
    return crl.public_bytes(serialization.Encoding.PEM)


def test_a_revoked_certificate_is_refused_and_others_are_not() -> None:
    revoked, kept = (issue(name(who, "client"), ROOT)[0] for who in ("revoked", "kept"))
    crl = revocation_list(ROOT, ROOT[1], revoked)
    with pytest.raises(IdentityError, match="The certificate has been revoked"):
        deserialize(revoked, revocation_list=[crl]).validate()
    deserialize(kept, revocation_list=[crl]).validate()


def test_a_revocation_list_that_the_authority_did_not_sign_counts_for_nothing() -> None:
    member, forger = issue(name("member", "client"), ROOT)[0], ec.generate_private_key(ec.SECP256R1())
    crl = revocation_list(ROOT, forger, member)
    deserialize(member, revocation_list=[crl]).validate()


def test_only_the_lowest_authority_may_issue() -> None:
    inner = issue(name("inner"), ROOT, authority=True)
    through = {"intermediate_certs": [pem(inner[0])]}
    deserialize(issue(name("someone", "client"), inner)[0], **through).validate()
    with pytest.raises(IdentityError, match="Parent certificate should be a leaf of the certification tree"):
        deserialize(issue(name("someone", "client"), ROOT)[0], **through).validate()


def test_a_named_administrator_needs_no_admin_unit() -> None:
    chief = issue(name("chief", "client"), ROOT)[0]
    assert deserialize(chief, admins=[pem(chief)]).has_role(ADMIN)
    assert not deserialize(chief).has_role(ADMIN)


def test_an_identity_principal_wants_the_very_certificate() -> None:
    someone, another = (issue(name(who, "client"), ROOT)[0] for who in ("someone", "another"))
    principal = msp_principal_pb2.MSPPrincipal(
        principal_classification=msp_principal_pb2.MSPPrincipal.IDENTITY, principal=serialized(someone)
    )
    deserialize(someone).satisfies(principal)
    with pytest.raises(IdentityError, match="The identities do not match"):
        deserialize(another).satisfies(principal)


def test_a_unit_principal_wants_the_unit_under_the_same_authorities() -> None:
    identity = deserialize(issue(name("someone", "client", "roof"), ROOT)[0])

    def principal(unit: str, certifiers: bytes) -> Any:
        wanted = msp_principal_pb2.OrganizationUnit(
            msp_identifier="OneMSP", organizational_unit_identifier=unit, certifiers_identifier=certifiers
        )
        return msp_principal_pb2.MSPPrincipal(
            principal_classification=msp_principal_pb2.MSPPrincipal.ORGANIZATION_UNIT,
            principal=wanted.SerializeToString(),
        )

    identity.satisfies(principal("roof", identity.chain_identifier))
    for wrong in (principal("cellar", identity.chain_identifier), principal("roof", b"other")):
        with pytest.raises(IdentityError, match="The identities do not match"):
            identity.satisfies(wrong)


def test_another_msps_role_is_not_met() -> None:
    identity = deserialize(issue(name("someone", "client"), ROOT)[0])
    with pytest.raises(IdentityError, match="member of a different MSP"):
        identity.satisfies(role_principal("OtherMSP", MEMBER))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"root_certs": []}, "expected at least one CA certificate"),
        ({"root_certs": [b"junk"]}, "could not decode the PEM structure"),
        ({"root_certs": [pem(issue(name("leaf"))[0])]}, "CA Certificate did not have the CA attribute"),
        ({"fabric_node_ous": None}, "administrators must be declared when no admin ou classification is set"),
        ({"revocation_list": [b"junk"]}, "could not parse RevocationList"),
    ],
)
def test_an_unusable_msp_is_refused_in_fabrics_words(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(IdentityError, match=message):
        MSP(config(**fields))


def test_a_node_reads_its_own_folder(trust_nodes: Any, peer_signer: Callable[[str], SigningIdentity]) -> None:
    directory: Path = trust_nodes.peers[0].directory / "msp"
    local = IdentityRegistry([MSP.from_directory(directory, "NewtownMSP")])
    assert local.deserialize(peer_signer("newtown").creator).has_role(PEER)


def test_identities_are_kept_once_their_signature_has_held_and_so_many_at_most(
    channel: ChannelConfig, signer: Callable[[str, str], SigningIdentity]
) -> None:
    small = IdentityRegistry(channel.registry.msps.values(), cache_limit=2)
    for user in ("admin", "operator", "home001"):
        home = signer("newtown", user)
        identity = small.deserialize(home.creator)
        with pytest.raises(IdentityError):
            identity.verify(b"message", home.sign(b"another message"))
        assert small.deserialize(home.creator) is not identity
        identity.verify(b"message", home.sign(b"message"))
        assert small.deserialize(home.creator) is identity
    assert len(small._known) == 2
    assert all(len(key) == 32 for key in small._known)


def test_a_certificate_in_padding_is_neither_kept_nor_read(
    channel: ChannelConfig, signer: Callable[[str, str], SigningIdentity]
) -> None:
    home = signer("newtown", "home001")
    padded = home.creator + b"\xa2\x06\x80\x80\x40" + bytes(1 << 20)  # an unknown field of 1 MiB
    with pytest.raises(IdentityError, match="the identity is too long: "):
        channel.registry.deserialize(padded)
    with pytest.raises(CertificateError, match="the certificate is too long: "):
        parse_pem(home.certificate_pem + bytes(1 << 16))


@pytest.mark.parametrize(
    "piece",
    [
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----" + b"\n" * 20,
        b"-----BEGIN ",
        b"A ",
        b"\n",
    ],
)
def test_nothing_that_looks_like_pem_takes_more_than_linear_time(piece: bytes) -> None:
    began_s = time.process_time()
    for start in (b"", b"-----BEGIN CERTIFICATE-----\n"):
        with pytest.raises(CertificateError, match="could not decode the PEM structure"):
            parse_pem((start + piece * 65_536)[:65_536])
    assert time.process_time() - began_s < 0.5  # in square time this is minutes, in linear time milliseconds


def test_principals_of_any_kind_and_depth_are_refused_or_met(
    channel: ChannelConfig, signer: Callable[[str, str], SigningIdentity]
) -> None:
    identity = channel.registry.deserialize(signer("newtown", "home001").creator)
    principal = msp_principal_pb2.MSPPrincipal(principal_classification=300)
    with pytest.raises(IdentityError, match="invalid principal type 300"):
        identity.satisfies(principal)
    for _ in range(5_000):
        combined = msp_principal_pb2.CombinedPrincipal(principals=[principal])
        principal = msp_principal_pb2.MSPPrincipal(
            principal_classification=msp_principal_pb2.MSPPrincipal.COMBINED,
            principal=combined.SerializeToString(),
        )
    with pytest.raises(IdentityError, match="combined within each other"):
        identity.satisfies(principal)
    kept = dict(identity._principals)
    with pytest.raises(IdentityError):
        identity.satisfies(role_principal("x" * 100_000, MEMBER))
    assert identity._principals == kept


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=300))
def test_bytes_from_the_network_never_crash_the_registry(channel: ChannelConfig, junk: bytes) -> None:
    prefix = identities_pb2.SerializedIdentity(mspid="NewtownMSP", id_bytes=junk).SerializeToString()
    for creator in (junk, prefix):
        with pytest.raises(IdentityError):
            channel.registry.deserialize(creator)
