# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from commonwatt_network.embedded.trust.signing import (
    HALF_ORDER,
    SignatureChecks,
    SignatureError,
    SigningIdentity,
    verify_signature,
)
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

CURVES = [ec.SECP224R1(), ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()]


def identity(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> SigningIdentity:
    return SigningIdentity("AnyMSP", b"", b"creator", key)


def negated(signature: bytes, curve: str) -> bytes:
    """The other valid S value of an ECDSA signature."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, 2 * HALF_ORDER[curve] + 1 - s)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_every_own_signature_has_the_low_s_and_verifies(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    for number in range(20):
        message = b"message %d" % number
        signature = identity(key).sign(message)
        assert decode_dss_signature(signature)[1] <= HALF_ORDER[curve.name]
        verify_signature(key.public_key(), message, signature)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_a_high_s_is_refused_though_mathematically_valid(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    high = negated(identity(key).sign(b"message"), curve.name)
    with pytest.raises(SignatureError, match="Invalid S. Must be smaller than half the order"):
        verify_signature(key.public_key(), b"message", high)


def test_ed25519_signatures_verify() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    signature = identity(key).sign(b"message")
    verify_signature(key.public_key(), b"message", signature)
    with pytest.raises(SignatureError, match="The signature is invalid"):
        verify_signature(key.public_key(), b"another message", signature)


@given(st.binary(max_size=90))
def test_junk_is_never_a_signature_and_never_a_crash(junk: bytes) -> None:
    key = ec.derive_private_key(7, ec.SECP256R1())
    with pytest.raises(SignatureError):
        verify_signature(key.public_key(), b"message", junk)


def test_remembered_checks_are_bounded_and_hold_for_one_key_and_message_alone() -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    checks = SignatureChecks(limit=4)
    signature = identity(key).sign(b"message")
    for _ in range(2):
        checks.verify(b"one", key.public_key(), b"message", signature)
    with pytest.raises(SignatureError):
        checks.verify(b"another", other.public_key(), b"message", signature)
    with pytest.raises(SignatureError):
        checks.verify(b"one", key.public_key(), b"message!", signature)
    for number in range(40):
        message = b"%d" % number
        checks.verify(b"one", key.public_key(), message, identity(key).sign(message))
    assert len(checks._recent) + len(checks._older) <= 8
