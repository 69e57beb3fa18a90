# SPDX-License-Identifier: Apache-2.0
"""Fabric's signatures: ECDSA over SHA-256 with the lower of the two valid S values, or Ed25519.

`SignatureChecks` remembers checks that succeeded. Peers of one process may share one instance, so that a
signature is verified once for all of them. A peer given its own instance checks everything itself, as a real
peer does.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2

from commonwatt_network.embedded.trust.certificates import HALF_ORDER, CertificateError, PublicKey, parse_pem

ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())


class SignatureError(Exception):
    """A signature does not hold; the message is Fabric's."""


def verify_signature(key: PublicKey, message: bytes, signature: bytes) -> None:
    """Raises SignatureError unless `signature` over `message` is valid and, for ECDSA, low-S DER."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
            return
        _demand_low_s(key, signature)
        key.verify(signature, message, ECDSA_SHA256)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
        raise SignatureError("The signature is invalid") from error


def _demand_low_s(key: ec.EllipticCurvePublicKey, signature: bytes) -> None:
    undetermined = "could not determine the validity of the signature: failed verifying with opts [<nil>]"
    try:
        _, s = decode_dss_signature(signature)
    except ValueError as error:
        raise SignatureError(
            f"{undetermined}: Failed unmashalling signature [failed unmashalling signature [{error}]]"
        ) from error
    limit = HALF_ORDER.get(key.curve.name)
    if limit is None:
        raise SignatureError(f"{undetermined}: curve not recognized [{key.curve.name}]")
    if s > limit:
        raise SignatureError(
            f"{undetermined}: Invalid S. Must be smaller than half the order [{s}][{limit}]."
        )


class SignatureChecks:
    """Remembers signatures that were found valid, `limit` to twice that many; failures never."""

    def __init__(self, limit: int = 20_000) -> None:
        self._limit = limit
        self._recent: set[tuple[bytes, bytes, bytes]] = set()
        self._older: set[tuple[bytes, bytes, bytes]] = set()

    def verify(self, fingerprint: bytes, key: PublicKey, message: bytes, signature: bytes) -> None:
        """As verify_signature; `fingerprint` names the certificate that `key` belongs to."""
        check = (fingerprint, signature, hashlib.sha256(message).digest())
        if check in self._recent or check in self._older:
            return
        verify_signature(key, message, signature)
        self._remember(check)

    def remember(self, fingerprint: bytes, message: bytes, signature: bytes) -> None:
        """Take a signature for valid that this process has just made itself."""
        self._remember((fingerprint, signature, hashlib.sha256(message).digest()))

    def _remember(self, check: tuple[bytes, bytes, bytes]) -> None:
        self._recent.add(check)
        if len(self._recent) >= self._limit:
            self._older, self._recent = self._recent, set()


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """A node's own identity: `creator` is the serialized identity that goes into headers."""

    mspid: str
    certificate_pem: bytes
    creator: bytes
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

    @classmethod
    def from_directory(cls, directory: Path, mspid: str) -> SigningIdentity:
        """From an MSP folder's `signcerts` and `keystore`. Raises CertificateError."""
        certificates = _files(directory / "signcerts")
        if not certificates:
            raise CertificateError(f"no signing certificate found in directory {directory / 'signcerts'}")
        certificate_pem = certificates[0].read_bytes()
        wanted = _public_bytes(parse_pem(certificate_pem).public_key())
        for path in _files(directory / "keystore"):
            try:
                key = serialization.load_pem_private_key(path.read_bytes(), None)
            except (ValueError, TypeError):
                continue
            known = isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)
            if known and _public_bytes(key.public_key()) == wanted:
                creator = identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=certificate_pem)
                return cls(mspid, certificate_pem, creator.SerializeToString(), key)  # type: ignore[arg-type]
        raise CertificateError(f"{directory}: KeyMaterial not found in SigningIdentityInfo")

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        r, s = decode_dss_signature(self.key.sign(message, ECDSA_SHA256))
        limit = HALF_ORDER[self.key.curve.name]
        # The curves' orders are odd: order - s = 2 * (order // 2) + 1 - s.
        return encode_dss_signature(r, s if s <= limit else 2 * limit + 1 - s)

    def signature_header(self) -> bytes:
        """A serialized SignatureHeader of this identity with a fresh nonce."""
        header = common_pb2.SignatureHeader(creator=self.creator, nonce=secrets.token_bytes(24))
        serialized: bytes = header.SerializeToString()
        return serialized


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.is_file()) if directory.is_dir() else []


def _public_bytes(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded
