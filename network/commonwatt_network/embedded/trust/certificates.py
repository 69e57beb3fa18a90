# SPDX-License-Identifier: Apache-2.0
"""X.509 as a Fabric MSP reads it: PEM in, one certification chain out.

Fabric tests a chain at the moment the certificate under test began to be valid, not now, so that a committed
transaction stays valid when certificates age. Expiry is the business of the orderer's and the peer's own filters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from commonwatt_client.pem import first_block
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LONGEST_PEM = 1 << 16
LATEST = datetime(9999, 12, 31, 23, 59, 58, tzinfo=UTC)
# What Go's verifier of chains takes care of; any other critical extension makes a certificate unusable.
HANDLED_EXTENSIONS = frozenset(
    x509.ObjectIdentifier(f"2.5.29.{number}") for number in (14, 15, 17, 19, 30, 31, 32, 33, 35, 36, 37, 54)
)

HALF_ORDER = {
    "secp224r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFF16A2E0B8F03E13DD29455C5C2A3D >> 1,
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 >> 1,
    "secp384r1": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
    )
    >> 1,
    "secp521r1": (2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7) >> 1,
}

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class CertificateError(Exception):
    """A certificate cannot be read or trusted; the message is Fabric's."""


class NoChain(CertificateError):
    """No authority that is known vouches for a certificate; `reason` is Go's."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the supplied identity is not valid: {reason}")
        self.reason = reason


class ManyChains(CertificateError):
    """More than one chain leads to a certificate."""


def parse_pem(pem: bytes) -> x509.Certificate:
    """The certificate of the first PEM block of `pem`, of at most 64 KiB. Raises CertificateError."""
    if len(pem) > LONGEST_PEM:
        raise CertificateError(f"the certificate is too long: {len(pem)} bytes, not {LONGEST_PEM} at most")
    block = first_block(pem)
    if block is None:
        raise CertificateError("could not decode the PEM structure")
    try:
        certificate = x509.load_der_x509_certificate(block)
        _read_whole(certificate)
    except Exception as error:  # the library has many ways to refuse a certificate, all of them late
        raise CertificateError(f"parseCertificate failed: x509: malformed certificate: {error}") from error
    return certificate


def _read_whole(certificate: x509.Certificate) -> None:
    """Read every part that a node looks at later, as Go does at once. Raises whatever the library raises."""
    if certificate.serial_number < 0:
        raise ValueError("negative serial number")
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        if point not in certificate.tbs_certificate_bytes:
            raise ValueError("invalid uncompressed public key")
    for name in (certificate.subject, certificate.issuer):
        name.rfc4514_string()
    for moment in (certificate.not_valid_before_utc, certificate.not_valid_after_utc):
        moment.timestamp()
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in HANDLED_EXTENSIONS:
            raise ValueError("unhandled critical extension")


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def der_element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content


def with_low_s(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """DER of the certificate with the lower of the two S values that its issuer's ECDSA signature may have.

    By this one Fabric tells identities apart: anybody can make the other one of a certificate, without any key.
    """
    encoded, key = der(certificate), issuer.public_key()
    limit = HALF_ORDER.get(key.curve.name) if isinstance(key, ec.EllipticCurvePublicKey) else None
    if limit is None:
        return encoded
    r, s = decode_dss_signature(certificate.signature)
    if s <= limit:
        return encoded
    to_be_signed = certificate.tbs_certificate_bytes
    rest = encoded[encoded.index(to_be_signed) + len(to_be_signed) :]
    algorithm = rest[: 2 + rest[1]]
    # Orders are odd: order - s = 2 * (order // 2) + 1 - s.
    signature = b"\0" + encode_dss_signature(r, 2 * limit + 1 - s)
    return der_element(0x30, to_be_signed + algorithm + der_element(3, signature))


def is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False


def subject_key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, ValueError):
        return None


def organizational_units(certificate: x509.Certificate) -> tuple[str, ...]:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
    return tuple(str(name.value) for name in names)


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _first_moment(certificate: x509.Certificate) -> datetime:
    """One second after the certificate's first, or Python's last."""
    return min(certificate.not_valid_before_utc, LATEST) + timedelta(seconds=1)


def chains(
    certificate: x509.Certificate,
    roots: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate],
) -> list[tuple[x509.Certificate, ...]]:
    """Every chain from `certificate` up to a root, valid one second after the certificate's first."""
    moment = _first_moment(certificate)
    if moment > certificate.not_valid_after_utc:
        return []
    found: list[tuple[x509.Certificate, ...]] = []

    def climb(chain: tuple[x509.Certificate, ...]) -> None:
        lowest = chain[-1]
        if lowest in roots:
            found.append(chain)
            return
        for issuer in (*roots, *intermediates):
            in_force = issuer.not_valid_before_utc <= moment <= issuer.not_valid_after_utc
            if issuer not in chain and in_force and is_authority(issuer) and is_issued_by(lowest, issuer):
                climb((*chain, issuer))

    climb((certificate,))
    return found


def unique_chain(
    certificate: x509.Certificate,
    roots: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate],
) -> tuple[x509.Certificate, ...]:
    """The one chain of `certificate`. Raises NoChain, ManyChains: CertificateErrors in the words of Go and Fabric."""
    found = chains(certificate, roots, intermediates)
    if not found:
        moment = _first_moment(certificate)
        issuers = [ca for ca in (*roots, *intermediates) if ca.subject == certificate.issuer]
        if any(not ca.not_valid_before_utc <= moment <= ca.not_valid_after_utc for ca in issuers):
            late = any(moment > ca.not_valid_after_utc for ca in issuers)
            side = "after" if late else "before"
            bound = issuers[0].not_valid_after_utc if late else issuers[0].not_valid_before_utc
            raise NoChain(
                "x509: certificate has expired or is not yet valid: "
                f"current time {moment:%Y-%m-%dT%H:%M:%SZ} is {side} {bound:%Y-%m-%dT%H:%M:%SZ}"
            )
        raise NoChain("x509: certificate signed by unknown authority")
    if len(found) != 1:
        raise ManyChains(f"this MSP only supports a single validation chain, got {len(found)}")
    return found[0]


def chain_identifier(chain: Sequence[x509.Certificate]) -> bytes:
    """SHA-256 over the certificates up to the root, each with the lower S: how an MSP names a certification path."""
    issuers = (*chain[1:], *chain[-1:])
    return hashlib.sha256(b"".join(map(with_low_s, chain, issuers))).digest()
