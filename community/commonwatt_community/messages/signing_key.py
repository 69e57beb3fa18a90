# SPDX-License-Identifier: Apache-2.0
"""The private key with which a home, its meter or an operator signs messages: a file that its owner alone reads."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from commonwatt_chaincode.messages.base64url import encoded
from commonwatt_chaincode.messages.keys import EDDSA, ES256, PublicKey, public_key
from commonwatt_client.errors import ConfigurationError
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

LARGEST_FILE = 8_192
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class SigningKey:
    """A private key: the public half that stands on the ledger, and signatures of 64 bytes as JWS has them."""

    public: PublicKey
    sign: Callable[[bytes], bytes]


def make_key(path: Path, alg: str = ES256) -> SigningKey:
    """A new key of `alg` (``ES256`` or ``EdDSA``) in a PEM file of mode 0600.

    ConfigurationError where a file is already, which stays as it is; a crash leaves the whole key or none.
    """
    if alg not in (ES256, EDDSA):
        raise ConfigurationError(f"messages are signed with {ES256} or {EDDSA}, not with {alg}")
    private = (
        ec.generate_private_key(ec.SECP256R1()) if alg == ES256 else ed25519.Ed25519PrivateKey.generate()
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, it never replaces a key
    except FileExistsError:
        raise ConfigurationError(f"{path} exists: a key is never overwritten; name another file") from None
    except OSError as error:
        raise ConfigurationError(f"the key cannot be written to {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return _signing_key(private)


def load_key(path: Path) -> SigningKey:
    """The key in a PEM file; ConfigurationError for one that others may read, too, and for all else."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            pem = file.read(LARGEST_FILE)
    except OSError as error:
        raise ConfigurationError(f"the key {path} cannot be read: {error.strerror}") from error
    if mode & _OTHERS:
        raise ConfigurationError(f"others may read the key {path}; close it with `chmod 600 {path}`")
    try:
        private = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{path} must hold a private key in PEM, free of a password") from error
    if isinstance(private, ed25519.Ed25519PrivateKey) or (
        isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1)
    ):
        return _signing_key(private)
    raise ConfigurationError(f"the key in {path} is neither of P-256 nor of Ed25519, which messages use")


def _signing_key(private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> SigningKey:
    if isinstance(private, ed25519.Ed25519PrivateKey):
        x = encoded(private.public_key().public_bytes_raw())
        return SigningKey(public_key({"crv": "Ed25519", "kty": "OKP", "x": x}), private.sign)
    ecdsa = private
    numbers = ecdsa.public_key().public_numbers()
    members = {"x": encoded(numbers.x.to_bytes(32, "big")), "y": encoded(numbers.y.to_bytes(32, "big"))}

    def sign(signed: bytes) -> bytes:
        r, s = decode_dss_signature(ecdsa.sign(signed, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return SigningKey(public_key({"crv": "P-256", "kty": "EC", **members}), sign)
