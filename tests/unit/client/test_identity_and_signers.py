# SPDX-License-Identifier: Apache-2.0
"""Identities and signatures: what Fabric's peers accept, and clear refusals of what they would not."""

import base64
import hashlib
import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from commonwatt_client import ConfigurationError, Identity, load_identity, private_key_signer
from commonwatt_client._certificate_requests import common_name, token
from commonwatt_client._fabric_ca_answers import read_answer, read_certificate, read_info
from commonwatt_client.fabric_ca import FabricCA
from commonwatt_client.identity import certificate_hash, normal_pem, read_pem
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


def marked(pem: bytes) -> bytes:
    return b"\xef\xbb\xbf" + pem


def indented(pem: bytes) -> bytes:
    return b"".join(b"  \t" + line for line in pem.splitlines(keepends=True))


def in_utf_16(pem: bytes) -> bytes:
    return pem.decode().replace("\n", "\r\n").encode("utf-16")


@pytest.mark.parametrize("written", [marked, indented, in_utf_16, lambda pem: marked(pem) + marked(pem)])
def test_pem_is_read_however_editors_write_it(written: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Byte order marks and indentation never leave this client: Go's reader wants BEGIN at the start of a line."""
    keyed = new_keyed()
    certificate, key = written(keyed.identity.certificate_pem), written(keyed.key_pem)
    (tmp_path / "certificate.pem").write_bytes(certificate)
    for identity in (
        Identity("NewtownMSP", certificate),
        load_identity("NewtownMSP", tmp_path / "certificate.pem"),
    ):
        assert identity.creator == keyed.identity.creator
    signature = private_key_signer(key).sign(hashlib.sha256(b"x").digest())
    keyed.public_key.verify(signature, b"x", ec.ECDSA(hashes.SHA256()))
    assert certificate_hash(certificate) == certificate_hash(keyed.identity.certificate_pem)
    # What a TLS connection and Fabric CA are given.
    ssl.create_default_context(cadata=read_pem(certificate, "a CA").decode())
    sent, _ = token("GET", "/identities", b"", certificate, key).split(".")
    assert base64.b64decode(sent).startswith(b"-----BEGIN CERTIFICATE-----")
    assert common_name(certificate) == "home001"
    FabricCA("https://localhost:1", tls_ca=certificate)


def test_pem_as_text() -> None:
    keyed = new_keyed()
    text = keyed.identity.certificate_pem.decode()
    for written in ("\ufeff" + text, "subject=home001\n" + text, "\n  " + text):
        assert load_identity("NewtownMSP", written) == keyed.identity
    secret = keyed.key_pem.decode()
    assert private_key_signer(f"Bag Attributes\n    friendlyName: home001\n{secret}")
    with pytest.raises(ConfigurationError, match="cannot read"):
        load_identity("NewtownMSP", "a\0b")


def test_only_the_certificate_of_a_file_is_sent() -> None:
    """Fabric takes a creator's first PEM block, and a ledger keeps all of it for ever: no key may be in it."""
    keyed = new_keyed()
    certificate = keyed.identity.certificate_pem
    for content in (keyed.key_pem + certificate, certificate + keyed.key_pem, certificate + certificate):
        identity = Identity("NewtownMSP", content)
        assert identity.creator == keyed.identity.creator
        assert b"PRIVATE" not in identity.certificate_pem


def test_sound_pem_stays_as_it_is() -> None:
    keyed = new_keyed()
    for pem in (keyed.key_pem, b"subject=x\n" + keyed.identity.certificate_pem.replace(b"\n", b"\r\n"), b""):
        assert normal_pem(pem) == pem


def test_reading_pem_takes_time_in_proportion() -> None:
    for hostile in (b" " * 500_000, b"\xef\xbb\xbf" * 300_000 + b"x", b"\n \t" * 100_000):
        assert len(normal_pem(hostile)) <= len(hostile)
    with pytest.raises(ConfigurationError):
        Identity("NewtownMSP", b"-----BEGIN CERTIFICATE-----\n" * 100_000)


def test_fabric_cas_answers_with_marks() -> None:
    pem = new_keyed().identity.certificate_pem
    encoded = base64.b64encode(marked(pem)).decode()
    answer = json.dumps({"result": {"Cert": encoded, "ServerInfo": {"CAChain": encoded}}}).encode()
    assert read_answer("https://ca", 200, marked(answer), read_certificate) == (pem, pem)
    answer = json.dumps({"result": {"CAName": "ca", "CAChain": encoded}}).encode()
    assert read_answer("https://ca", 200, answer, read_info).chain_pem == pem


def test_no_key_material_in_text() -> None:
    keyed = new_keyed()
    secret = keyed.key_pem.decode().splitlines()[1]
    assert secret not in repr(keyed.signer) + repr(keyed.identity)
