# SPDX-License-Identifier: Apache-2.0
"""Public keys as JWK (RFC 7517, 7518, 8037), their thumbprints (RFC 7638), and signatures under them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from .base64url import decoded, encoded
from .ed25519_points import is_public_key
from .refusals import MessageCode, MessageRefused

ES256, EDDSA = "ES256", "EdDSA"
SIGNATURE_BYTES = 64
# The members that a thumbprint covers, by type of key. Messages are signed by EC and OKP keys alone.
REQUIRED = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}

_P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that may sign messages, made by `public_key`: algorithm (``ES256``, ``EdDSA``), thumbprint, JWK."""

    alg: str
    kid: str
    jwk: Mapping[str, str] = field(hash=False)
    _key: EllipticCurvePublicKey | Ed25519PublicKey = field(repr=False, compare=False)

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        """Whether `signature` (64 bytes: R and S of RFC 7518 3.4 or RFC 8032) is this key's under `signed`.

        A high S of ECDSA is accepted, as JOSE does: nothing here is known by its signature.
        """
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            if isinstance(self._key, Ed25519PublicKey):
                if int.from_bytes(signature[32:], "little") >= _ED25519_ORDER:
                    return False
                self._key.verify(signature, signed)
            else:
                r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
                if not (0 < r < _P256_ORDER and 0 < s < _P256_ORDER):
                    return False
                self._key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def thumbprint(jwk: Mapping[str, object]) -> str:
    """The SHA-256 thumbprint (RFC 7638), base64url, of a JWK of type EC, OKP or RSA; other members don't matter."""
    required = {name: jwk[name] for name in REQUIRED[str(jwk["kty"])]}
    canonical = json.dumps(required, sort_keys=True, separators=(",", ":"))
    return encoded(hashlib.sha256(canonical.encode()).digest())


def public_key(jwk: Mapping[str, object], *, set_before: bool = False) -> PublicKey:
    """The key of a JWK that holds exactly kty, crv, x and, for P-256, y.

    Of a key that was ``set_before``, the ledger holds what this function took: its point of Ed25519, whose check takes
    longer than a signature's, is not checked again.

    MessageRefused (``bad_key``) for other members (a private key's ``d`` above all), other curves, and coordinates
    that are not spelled in 32 bytes. The same for points off the curve and, of Ed25519, points of small order.
    """
    curve = (jwk.get("kty"), jwk.get("crv"))
    if curve == ("EC", "P-256"):
        _only(jwk, "EC")
        x, y = (int.from_bytes(_coordinate(jwk, name), "big") for name in ("x", "y"))
        if x >= _P256 or y >= _P256 or (y * y - x * x * x + 3 * x - _P256_B) % _P256:
            raise _bad("the point is not on the curve P-256")
        members = {name: str(jwk[name]) for name in REQUIRED["EC"]}
        return PublicKey(
            ES256, thumbprint(members), members, EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
        )
    if curve == ("OKP", "Ed25519"):
        _only(jwk, "OKP")
        point = _coordinate(jwk, "x")
        if not (set_before or is_public_key(point)):
            raise _bad("the point is not on the curve Ed25519, or of small order")
        members = {name: str(jwk[name]) for name in REQUIRED["OKP"]}
        return PublicKey(EDDSA, thumbprint(members), members, Ed25519PublicKey.from_public_bytes(point))
    raise _bad("a key has kty EC and crv P-256, or kty OKP and crv Ed25519")


def _only(jwk: Mapping[str, object], kty: str) -> None:
    if jwk.keys() != set(REQUIRED[kty]):
        raise _bad(f"a public key of type {kty} has exactly the members {', '.join(REQUIRED[kty])}")


def _coordinate(jwk: Mapping[str, object], name: str) -> bytes:
    text = jwk[name]
    value = decoded(text) if isinstance(text, str) else None
    if value is None or len(value) != 32:
        raise _bad(f"{name} is not 32 bytes in base64url without padding")
    return value


def _bad(sentence: str) -> MessageRefused:
    return MessageRefused(MessageCode.BAD_KEY, sentence)
