# SPDX-License-Identifier: Apache-2.0
"""Public keys of strangers: points that are none, keys of small order, private keys, other spellings."""

from __future__ import annotations

from typing import Any

import pytest
from commonwatt_audit.messages import Signer, Unacceptable
from commonwatt_chaincode.messages.ed25519_points import D, P, is_public_key
from commonwatt_chaincode.messages.keys import PublicKey, public_key
from commonwatt_chaincode.messages.refusals import MessageRefused
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from .making import (
    EC_D,
    EC_JWK,
    EC_KEY,
    OKP_JWK,
    OKP_KEY,
    PAYLOADS,
    b64,
    both,
    code_of,
    message,
    signature,
    unb64,
)

P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
IDENTITY = (0, 1)


def text(number: int, order: Any = "big") -> str:
    return b64(number.to_bytes(32, order)).decode()


def refused_by_both(jwk: dict[str, Any]) -> bool:
    with pytest.raises(MessageRefused) as one:
        public_key(jwk)
    with pytest.raises(Unacceptable) as two:
        Signer(jwk)
    # A home that brings such a key gets nowhere either.
    assert both(message("cw-key", {**PAYLOADS["cw-key"], "key": jwk})) in (
        "bad_key",
        "bad_payload",
        "too_large",
    )
    return code_of(one.value) == two.value.code == "bad_key"


@pytest.mark.parametrize(
    "change",
    [
        {"x": text(0), "y": text(0)},
        {"y": text(int.from_bytes(unb64(EC_JWK["y"]), "big") ^ 1)},
        {"x": text(P256)},
        {
            "x": text(P256),
            "y": text(pow(P256_B, (P256 + 1) // 4, P256)),
        },  # (0, root of b) in another spelling
        {"x": text(2**256 - 1)},
        {"x": EC_JWK["x"] + "="},
        {"x": EC_JWK["x"][:-1] + "V"},
        {"x": b64(b"\x00" + unb64(EC_JWK["x"])).decode()},
        {"x": b64(unb64(EC_JWK["x"])[1:]).decode()},
        {"x": 5},
        {"x": ""},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"kty": "OKP"},
        {"kty": "RSA"},
        {"d": EC_D},
        {"alg": "ES256"},
        {"kid": EC_KEY.kid},
        {"use": "sig"},
    ],
    ids=str,
)
def test_keys_of_p256_that_are_none(change: dict[str, Any]) -> None:
    assert refused_by_both({**EC_JWK, **change})


def test_a_point_of_p256_whose_coordinate_is_spelled_above_the_prime() -> None:
    """x + p is the same coordinate to arithmetic, and still no other key: only x < 2**256 - p would fit."""
    x = 5  # y^2 = x^3 - 3x + b has a root
    square = (x**3 - 3 * x + 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B) % P256
    y = pow(square, (P256 + 1) // 4, P256)
    assert y * y % P256 == square
    assert public_key({**EC_JWK, "x": text(x), "y": text(y)}).alg == "ES256"
    assert refused_by_both({**EC_JWK, "x": text(x + P256), "y": text(y)})


@pytest.mark.parametrize("missing", ["kty", "crv", "x", "y"])
def test_keys_that_lack_a_member(missing: str) -> None:
    assert refused_by_both({name: value for name, value in EC_JWK.items() if name != missing})
    if missing != "y":
        assert refused_by_both({name: value for name, value in OKP_JWK.items() if name != missing})


def added(one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int]:
    (a, b), (c, d) = one, two
    product = D * a * b * c * d
    return (a * d + b * c) * pow(1 + product, -1, P) % P, (b * d + a * c) * pow(1 - product, -1, P) % P


def small_points() -> set[tuple[int, int]]:
    """The eight points whose order divides 8: the multiples of one of order 8, found by L times some points."""
    order = 2**252 + 27742317777372353535851937790883648493
    found: set[tuple[int, int]] = set()
    y = 2
    while len(found) < 8:
        y += 1
        square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
        x = pow(square, (P + 3) // 8, P)
        x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
        if x * x % P != square:
            continue
        total, power, rest = IDENTITY, (x, y), order
        while rest:
            total = added(total, power) if rest & 1 else total
            power, rest = added(power, power), rest >> 1
        point = IDENTITY
        for _ in range(8):
            point = added(point, total)
            found.add(point)
    return found


def test_keys_of_small_order_are_refused_and_the_library_would_take_them() -> None:
    points = small_points()
    assert len(points) == 8
    for x, y in points:
        for spelled in {y, y + P} if y + P < 2**255 else {y}:
            for sign in {x & 1, 1 - (x & 1) if x == 0 else x & 1}:
                encoded = (spelled | sign << 255).to_bytes(32, "little")
                assert not is_public_key(encoded)
                assert refused_by_both({**OKP_JWK, "x": b64(encoded).decode()})
                ed25519.Ed25519PublicKey.from_public_bytes(encoded)


def test_a_signature_that_a_key_of_small_order_would_accept_for_many_messages() -> None:
    """Why: with the identity as key, R = S·B fits every message."""
    identity = ed25519.Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))
    forged = (1).to_bytes(32, "little") + bytes(32)
    try:
        identity.verify(forged, b"1 kWh to me")
        identity.verify(forged, b"1 MWh to me")
    except Exception:
        pytest.skip("this build of the library refuses keys of small order itself")


def test_points_off_the_curve_of_ed25519() -> None:
    off = [y for y in range(2, 60) if not is_public_key(y.to_bytes(32, "little"))]
    assert 15 < len(off) < 45
    for y in off:
        assert refused_by_both({**OKP_JWK, "x": text(y, "little")})
    for spelled in (P, P + 3, 2**255 - 1, 2**256 - 1):
        assert refused_by_both({**OKP_JWK, "x": text(spelled, "little")})


def test_real_keys_are_taken() -> None:
    for _ in range(20):
        x = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        assert public_key({**OKP_JWK, "x": b64(x).decode()}).alg == "EdDSA"
        numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
        key = public_key({**EC_JWK, "x": text(numbers.x), "y": text(numbers.y)})
        assert key.alg == "ES256"
        assert key != EC_KEY != OKP_KEY


@pytest.mark.parametrize("key", [EC_KEY, OKP_KEY])
def test_a_signature_of_another_length_is_none(key: PublicKey) -> None:
    signed_words = b"words"
    true = signature(key, signed_words)
    assert key.verifies(true, signed_words)
    for wrong in (b"", true[:-1], true + b"\x00", true + true):
        assert not key.verifies(wrong, signed_words)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"d": EC_D}, "a public key of type EC has exactly the members crv, kty, x, y"),
        ({"x": "AAAA"}, "x is not 32 bytes in base64url without padding"),
        ({"y": 5}, "y is not 32 bytes in base64url without padding"),
        ({"y": EC_JWK["x"]}, "the point is not on the curve P-256"),
        ({"crv": "P-384"}, "a key has kty EC and crv P-256, or kty OKP and crv Ed25519"),
    ],
)
def test_what_is_said_of_a_key_of_p256_that_is_none(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MessageRefused) as refusal:
        public_key({**EC_JWK, **change})
    assert refusal.value.sentence == sentence


def test_what_is_said_of_a_key_of_small_order() -> None:
    with pytest.raises(MessageRefused) as refusal:
        public_key({**OKP_JWK, "x": text(1, "little")})
    assert refusal.value.sentence == "the point is not on the curve Ed25519, or of small order"
