"""Identities and signatures: what Fabric's peers accept, and clear refusals of what they would not."""

import hashlib

import pytest
from commonwatt_client import ConfigurationError, Identity, load_identity, private_key_signer
from commonwatt_client.signers import CURVE_ORDERS, low_s_signature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from fabric_protos.msp import identities_pb2
from hypothesis import given
from hypothesis import strategies as st

from .conftest import KEY_KINDS, new_keyed


@pytest.mark.parametrize("kind", KEY_KINDS)
def test_signature_verifies_and_is_low_s(kind: str) -> None:
    keyed = new_keyed(kind)
    for number in range(20):
        message = b"message %d" % number
        signature = keyed.signer.sign(keyed.identity.digest(message))
        if kind == "Ed25519":
            keyed.public_key.verify(signature, message)
        else:
            keyed.public_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
            s = decode_dss_signature(signature)[1]
            assert s <= CURVE_ORDERS[keyed.public_key.curve.key_size] // 2


@pytest.mark.parametrize(("size", "curve"), [(256, ec.SECP256R1()), (384, ec.SECP384R1())])
def test_curve_orders(size: int, curve: ec.EllipticCurve) -> None:
    # A private key is a number from 1 to the order less 1, so the order itself is refused and one less is not.
    assert ec.derive_private_key(CURVE_ORDERS[size] - 1, curve)
    with pytest.raises(ValueError):
        ec.derive_private_key(CURVE_ORDERS[size], curve)


@given(st.integers(1, CURVE_ORDERS[256] - 1), st.integers(1, CURVE_ORDERS[256] - 1))
def test_low_s_keeps_r_and_the_smaller_s(r: int, s: int) -> None:
    order = CURVE_ORDERS[256]
    assert decode_dss_signature(low_s_signature(r, s, order)) == (r, min(s, order - s))


def test_creator_is_the_serialised_identity() -> None:
    identity = new_keyed().identity
    creator = identities_pb2.SerializedIdentity.FromString(identity.creator)
    assert (creator.mspid, creator.id_bytes) == ("NewtownMSP", identity.certificate_pem)


def test_digest_is_sha256_except_for_ed25519() -> None:
    assert new_keyed("P-384").identity.digest(b"x") == hashlib.sha256(b"x").digest()
    assert new_keyed("Ed25519").identity.digest(b"x") == b"x"


def test_clear_refusals(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigurationError, match="NewtownMSP identity is not an X\\.509"):
        Identity("NewtownMSP", b"nonsense")
    with pytest.raises(ConfigurationError, match="MSP id"):
        Identity("", new_keyed().identity.certificate_pem)
    with pytest.raises(ConfigurationError, match=r"cannot read .*absent\.pem"):
        load_identity("NewtownMSP", tmp_path / "absent.pem")
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        private_key_signer(b"-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
    rsa_key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ConfigurationError, match="neither P-256"):
        private_key_signer(rsa_key)


def test_no_key_material_in_text() -> None:
    keyed = new_keyed()
    secret = keyed.key_pem.decode().splitlines()[1]
    assert secret not in repr(keyed.signer) + repr(keyed.identity)
