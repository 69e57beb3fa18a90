# SPDX-License-Identifier: Apache-2.0
"""X.509 as Fabric wants it: P-256 authorities and the certificates they issue.

Fabric's MSP documentation ("Membership Service Providers") says what Fabric checks and what it silently accepts. The
attribute extension is Fabric CA's (OID 1.2.3.4.5.6.7.8.1, raw JSON).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

ATTRIBUTES_OID = ObjectIdentifier("1.2.3.4.5.6.7.8.1")
AUTHORITY_DAYS = 3_653  # ten years
LIST_DAYS = 36_525  # a revocation list: a new one comes with the next revocation
OWN_OF_EACH = x509.BasicConstraints | x509.SubjectKeyIdentifier | x509.AuthorityKeyIdentifier
BACKDATED = timedelta(minutes=5)  # a peer's clock may run a little behind


@dataclass(frozen=True)
class KeyPair:
    """A certificate with its private key. `above`: who issued it, who issued that, up to the root; none for a root.

    `beside`: of an authority, the others whose certificates count as its own do, such as the one before it.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple[x509.Certificate, ...] = ()
    beside: tuple[x509.Certificate, ...] = ()

    @property
    def root(self) -> x509.Certificate:
        """What others trust."""
        return self.above[-1] if self.above else self.certificate

    @property
    def roots(self) -> tuple[x509.Certificate, ...]:
        """What others trust while certificates of authorities beside this one are in use."""
        return (self.root, *(each for each in self.beside if each.issuer == each.subject))

    @property
    def chain_pem(self) -> bytes:
        """The certificate and the intermediates above it, as TLS shows them to those who know the root alone."""
        shown = (self.certificate, *self.above[:-1])
        return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in shown)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def create_authority(common_name: str, organization: str) -> KeyPair:
    """A self-signed certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(common_name, organization=organization)
    certificate = (
        _builder(subject, subject, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate, key)


def issue_enrolment(
    authority: KeyPair, name: str, node_role: str, attributes: Mapping[str, str] | None, days: int
) -> KeyPair:
    """An identity. `node_role` is its first organisational unit: client, peer, admin or orderer.

    The attribute `hf.Affiliation` names the next one, as Fabric CA's certificates do.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    affiliation = (attributes or {}).get("hf.Affiliation")
    units = (node_role, affiliation) if affiliation else (node_role,)
    builder = _leaf_builder(authority, _subject(name, *units), key, days).add_extension(
        _key_usage(digital_signature=True), critical=True
    )
    if attributes is not None:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(ATTRIBUTES_OID, encode_attributes(attributes)), critical=False
        )
    return _issued(authority, builder, key)


def issue_tls(
    authority: KeyPair,
    name: str,
    hosts: Iterable[str],
    days: int,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> KeyPair:
    """A TLS certificate for server and client side, good for every host name and IP address in `hosts`.

    For the private key that is given, or for a new one.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = (
        _leaf_builder(authority, _subject(name), key, days)
        .add_extension(_key_usage(digital_signature=True, key_encipherment=True), critical=True)
        .add_extension(usages, critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
    )
    return _issued(authority, builder, key)


def reissue(
    authority: KeyPair, old: x509.Certificate, key: ec.EllipticCurvePrivateKey | None, days: int
) -> KeyPair:
    """The same certificate for so many days from now: for the private key it has, or for a new one."""
    chosen = key or ec.generate_private_key(ec.SECP256R1())
    builder = _leaf_builder(authority, old.subject, chosen, days)
    for extension in old.extensions:
        if not isinstance(extension.value, OWN_OF_EACH):
            builder = builder.add_extension(extension.value, extension.critical)
    return _issued(authority, builder, chosen)


def issue_revocations(
    authority: KeyPair,
    former: Iterable[x509.RevokedCertificate],
    serial_numbers: Iterable[int],
) -> bytes:
    """The authority's revocation list (PEM): what is on former ones, and `serial_numbers`."""
    now = datetime.now(UTC)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now)
        .next_update(now + timedelta(days=LIST_DAYS))
        .add_extension(issuer_key, critical=False)  # without it, Fabric would refuse everybody
    )
    revoked = {entry.serial_number: entry for entry in former}
    for serial_number in serial_numbers:
        if serial_number not in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial_number).revocation_date(now)
            revoked[serial_number] = entry.build()
    for each in revoked.values():
        builder = builder.add_revoked_certificate(each)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def encode_attributes(attributes: Mapping[str, str]) -> bytes:
    """The attribute extension's value, as Fabric CA writes it: `{"attrs":{...}}`, sorted keys."""
    return json.dumps({"attrs": dict(attributes)}, sort_keys=True, separators=(",", ":")).encode()


def attributes_of(certificate: x509.Certificate) -> dict[str, str]:
    """The certificate's attributes; empty when it has none."""
    try:
        extension = certificate.extensions.get_extension_for_oid(ATTRIBUTES_OID).value
    except x509.ExtensionNotFound:
        return {}
    assert isinstance(extension, x509.UnrecognizedExtension)
    attributes: dict[str, str] = json.loads(extension.value)["attrs"]
    return attributes


def has_attributes(certificate: x509.Certificate, wanted: Mapping[str, str]) -> bool:
    """Whether the certificate's attributes are these; no affiliation is the same as the empty one.

    Fabric CA leaves the attribute out once an identity has lost its affiliation.
    """
    none = {"hf.Affiliation": ""}
    return none | attributes_of(certificate) == none | {**wanted}


def read_key_pair(certificate: Path, key: Path) -> KeyPair:
    """Load both files. Raises OSError, or ValueError when they are damaged or do not belong together."""
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != loaded.public_key():
        raise ValueError(f"{key} is not the key of {certificate}")
    return KeyPair(loaded, private)


def issued_by(certificate: x509.Certificate, authority: KeyPair) -> bool:
    """Whether `authority`, or one beside it, signed `certificate`."""
    return any(signed(certificate, each) for each in (authority.certificate, *authority.beside))


def signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key signed the certificate, in its name."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def key_bytes(certificate: x509.Certificate) -> bytes:
    """The public key that a certificate is for. Orderers and authorities are known by it, not by the certificate."""
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def days_left(certificate: x509.Certificate) -> int:
    """Whole days until it expires; negative when it has."""
    return (certificate.not_valid_after_utc - datetime.now(UTC)).days


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _leaf_builder(
    authority: KeyPair, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    # Nobody believes a certificate once its authority's has expired.
    days = min(days, days_left(authority.certificate))
    return (
        _builder(subject, authority.certificate.subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer_key, critical=False)
    )


def _issued(authority: KeyPair, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    certificate = builder.sign(authority.key, hashes.SHA256())
    return KeyPair(certificate, key, (authority.certificate, *authority.above))


def _subject(common_name: str, *units: str, organization: str | None = None) -> x509.Name:
    parts = []
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    parts += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_encipherment=key_encipherment,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    """Of a host as an address names it: an IPv6 address stands in brackets there."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)
