# SPDX-License-Identifier: Apache-2.0
"""Bytes from outside never break a peer: proposals, transactions and packages of any kind get an answer."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from hashlib import sha256

import pytest
from commonwatt_network.embedded.channels.proposals import ProposalError, unpack_proposal
from commonwatt_network.embedded.channels.transactions import Codes, parse_transaction
from commonwatt_network.embedded.lifecycle.package_store import PackageError, parse_package
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_transaction_with_a_code(content: bytes) -> None:
    for encoded in (
        content,
        common_pb2.Envelope(payload=content).SerializeToString(),
        common_pb2.Envelope(payload=common_pb2.Payload(data=content).SerializeToString()).SerializeToString(),
    ):
        assert parse_transaction(encoded).code in Codes.values()


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_as_a_proposal_are_refused_in_words(content: bytes) -> None:
    for proposal in (content, proposal_pb2.Proposal(header=content, payload=content).SerializeToString()):
        with pytest.raises(ProposalError):
            unpack_proposal(proposal_pb2.SignedProposal(proposal_bytes=proposal))


def transaction(kind: int, tx_id: str = "t", **header: object) -> bytes:
    channel_header = common_pb2.ChannelHeader(type=kind, channel_id="c", tx_id=tx_id, **header)
    signature_header = common_pb2.SignatureHeader(creator=b"creator", nonce=b"nonce")
    payload = common_pb2.Payload(data=b"x")
    payload.header.channel_header = channel_header.SerializeToString()
    payload.header.signature_header = signature_header.SerializeToString()
    return bytes(common_pb2.Envelope(payload=payload.SerializeToString()).SerializeToString())


def test_a_transaction_without_an_id_is_noted_under_the_one_it_should_have_stated() -> None:
    """As Fabric's index does: a later transaction with that nonce and creator is a duplicate."""
    parsed = parse_transaction(transaction(3, tx_id=""))
    assert parsed.code == Codes.BAD_PROPOSAL_TXID
    assert parsed.transaction_id == sha256(b"noncecreator").hexdigest()
    headless = common_pb2.Envelope(payload=common_pb2.Payload(data=b"x").SerializeToString())
    assert parse_transaction(headless.SerializeToString()).transaction_id == ""


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (transaction(3), Codes.BAD_PROPOSAL_TXID),
        (transaction(3, epoch=1), Codes.BAD_COMMON_HEADER),
        (transaction(6), Codes.BAD_COMMON_HEADER),
        (transaction(2), Codes.UNSUPPORTED_TX_PAYLOAD),
        (transaction(1), Codes.VALID),
        (common_pb2.Envelope(payload=b"\xff").SerializeToString(), Codes.BAD_PAYLOAD),
    ],
)
def test_malformed_transactions_get_fabrics_codes(encoded: bytes, code: int) -> None:
    assert parse_transaction(encoded).code == code


def tar_of(files: dict[str, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def package_of(metadata: object, connection: bytes = b"{}") -> bytes:
    code = tar_of({"connection.json": connection})
    return tar_of({"metadata.json": json.dumps(metadata).encode(), "code.tar.gz": code})


def with_changed_byte(encoded: bytes, position: int) -> bytes:
    return encoded[:position] + bytes([encoded[position] ^ 0x55]) + encoded[position + 1 :]


@pytest.mark.parametrize("position", range(0, 180, 3))
def test_a_package_with_a_changed_byte_is_refused_or_another(position: int) -> None:
    connection = json.dumps({"address": "127.0.0.1:9999"}).encode()
    encoded = package_of({"label": "kv_1.0", "type": "ccaas"}, connection)
    with contextlib.suppress(PackageError):
        assert parse_package(with_changed_byte(encoded, position)).label == "kv_1.0"


def test_a_package_that_unpacks_without_end_is_refused_unread() -> None:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        entry = tarfile.TarInfo("metadata.json")
        entry.size = 1 << 40
        archive.addfile(entry)
    with pytest.raises(PackageError, match="larger than 268435456 bytes"):
        parse_package(output.getvalue())


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (b"junk", "error reading as gzip stream"),
        (tar_of({"metadata.json": b"{}"}), "did not find a code package"),
        (tar_of({"code.tar.gz": b""}), "did not find any package metadata"),
        (tar_of({"metadata.json": b"[", "code.tar.gz": b""}), "could not unmarshal metadata.json as json"),
        (
            tar_of({"metadata.json": b"[" * 100_000, "code.tar.gz": b""}),
            "could not unmarshal metadata.json as json",
        ),
        (package_of({"label": "a b", "type": "ccaas"}), "invalid label 'a b'"),
        (package_of({"label": "a", "type": "golang"}), "docker build is disabled"),
        (package_of({"label": "a", "type": "ccaas"}, b"["), "malformed connection.json"),
    ],
    ids=[
        "junk",
        "no code",
        "no metadata",
        "bad metadata",
        "deep metadata",
        "bad label",
        "needs Docker",
        "bad connection",
    ],
)
def test_packages_that_cannot_be_installed_are_refused(encoded: bytes, why: str) -> None:
    with pytest.raises(PackageError, match=why):
        parse_package(encoded)


def test_a_package_names_its_server() -> None:
    connection = json.dumps(
        {"address": "127.0.0.1:9999", "dial_timeout": "10s", "tls_required": False}
    ).encode()
    package = parse_package(package_of({"label": "kv_1.0", "type": "ccaas"}, connection))
    assert package.package_id.startswith("kv_1.0:")
    assert (package.connection.address, package.connection.dial_timeout_s) == ("127.0.0.1:9999", 10)
