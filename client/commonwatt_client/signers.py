# SPDX-License-Identifier: Apache-2.0
"""Signing digests with a private key: in memory here, in a PKCS#11 token in `commonwatt_client.pkcs11`.

A signer is any object with `sign(digest)`; it may be a coroutine when only the async client uses it. ECDSA signers
get a SHA-256 digest, Ed25519 signers the whole message (see `Identity.digest`).
"""

from collections.abc import Awaitable
from typing import Protocol

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)

from commonwatt_client.errors import ConfigurationError
from commonwatt_client.identity import Pem, read_pem

# Order of each curve's group (SEC 2), by its key size in bits.
CURVE_ORDERS = {
    256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    384: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}


class Signer(Protocol):
    """Makes signatures that Fabric accepts.

    ::

        class SecureElement:
            def sign(self, digest: bytes) -> bytes:
                return signer.sign(digest)  # wherever the key is

        home = gateway.with_identity(identity, SecureElement())
        print(await home.get_network("newtown").get_contract("market").evaluate_transaction("get_parameters", "{}"))
    """

    def sign(self, digest: bytes, /) -> bytes | Awaitable[bytes]:
        """A signature of `digest` (32 bytes for ECDSA, the whole message for Ed25519)."""
        ...


class PrivateKeySigner(Protocol):
    """A signer whose key is at hand, so that it answers at once: what `private_key_signer` returns."""

    def sign(self, digest: bytes, /) -> bytes:
        """A signature of `digest`, made at once."""
        ...


def low_s_signature(r: int, s: int, order: int) -> bytes:
    """The DER of an ECDSA signature with the smaller of its two equivalent s, the only one that Fabric accepts."""
    return encode_dss_signature(r, min(s, order - s))


class _EcdsaSigner:
    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._order = CURVE_ORDERS[key.curve.key_size]
        self._algorithm = ec.ECDSA(Prehashed(hashes.SHA256()))

    def sign(self, digest: bytes, /) -> bytes:
        return low_s_signature(*decode_dss_signature(self._key.sign(digest, self._algorithm)), self._order)


class _Ed25519Signer:
    def __init__(self, key: ed25519.Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, digest: bytes, /) -> bytes:
        return self._key.sign(digest)


def private_key_signer(private_key: Pem, password: bytes | None = None) -> PrivateKeySigner:
    """A signer for a P-256, P-384 or Ed25519 private key in PEM (text, or the path of a file).

    Raises ConfigurationError for a key that cannot be read, is of another kind, or needs another password.

    ::

        signer = private_key_signer(".commonwatt/organizations/newtown/users/operator/private_key.pem")
        print(len(signer.sign(bytes(32))))
    """
    pem = read_pem(private_key, "the private key")
    try:
        key = serialization.load_pem_private_key(pem, password)
    except (
        Exception
    ) as error:  # its parser raises ValueError, TypeError and UnsupportedAlgorithm, none of them secret
        raise ConfigurationError(
            f"the private key cannot be loaded: {error}; give an unencrypted PKCS#8 PEM key, or its password"
        ) from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return _Ed25519Signer(key)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        return _EcdsaSigner(key)
    raise ConfigurationError(
        "the private key is neither P-256, P-384 nor Ed25519, which Fabric identities use"
    )
