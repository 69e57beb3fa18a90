# SPDX-License-Identifier: Apache-2.0
"""Fuzz of administration, and the list of all functions of the client that read bytes: none goes without a fuzz."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import ClientError, Timeouts
from commonwatt_client._fabric_ca_answers import (
    read_answer,
    read_certificate,
    read_identities,
    read_info,
    read_list,
    read_revocation,
    read_secret,
)
from commonwatt_client.admin import (
    Authorities,
    ChannelConfig,
    PeerAdmin,
    decode_block,
    discovery,
    find_mistakes,
    read_channel_config,
    signed_by,
    verify_block,
)
from commonwatt_client.admin.configuration.edits import add_organization, set_batch
from commonwatt_client.admin.configuration.groups import APPLICATION
from commonwatt_client.admin.configuration.revocation import revoke_certificates
from commonwatt_client.admin.configuration.update import assemble_update, sign_update
from commonwatt_client.admin.ordering import OrderingClient
from commonwatt_client.admin.peer_connection import PeerConnection
from commonwatt_client.ledger.readers import openings
from commonwatt_client.ledger.transaction import decode_processed_transaction, decode_transaction
from commonwatt_client.ledger.verification import endorsers_that_signed
from fabric_protos.discovery import protocol_pb2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .conftest import new_keyed

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "client" / "commonwatt_client"
LEDGER = ROOT / "tests" / "unit" / "client" / "ledger" / "recorded"
BLOCKS = [(LEDGER / f"{number}.block").read_bytes() for number in range(5)]
CONFIG = read_channel_config(decode_block(BLOCKS[0]))
KEYED = new_keyed()
NOISE = st.binary(max_size=120)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with a few bytes changed, taken out or put in."""
    flawed = bytearray(content)
    for _ in range(draw(st.integers(1, 5))):
        position = draw(st.integers(0, len(flawed) - 1))
        flawed[position : position + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(flawed)


def value_or_typed_error(action: Callable[[], Any]) -> None:
    with contextlib.suppress(ClientError):
        action()


def read_everything(config: ChannelConfig) -> None:
    for look in (
        lambda: config.application_organizations,
        lambda: config.orderer_organizations,
        lambda: config.consensus_type,
        lambda: config.consenters,
        lambda: config.batch_size,
        lambda: config.batch_timeout_s,
        lambda: config.capabilities,
        config.policy_paths,
        config.to_json,
        lambda: list(find_mistakes(config)),
        lambda: Authorities.of(config),
        lambda: set_batch(config, timeout_s=1.0),
        lambda: revoke_certificates(config, APPLICATION, "GridMSP", b"-----BEGIN X509 CRL-----"),
    ):
        value_or_typed_error(look)


@settings(max_examples=40, deadline=None)
@given(damaged(CONFIG.group) | NOISE)
def test_configurations(group: bytes) -> None:
    read_everything(ChannelConfig("newtown", 0, group))
    value_or_typed_error(lambda: openings(ChannelConfig("newtown", 0, group)))


@settings(max_examples=40, deadline=None)
@given(damaged(BLOCKS[0]) | damaged(BLOCKS[4]))
def test_configuration_blocks(content: bytes) -> None:
    value_or_typed_error(lambda: read_everything(read_channel_config(decode_block(content))))


@given(st.integers(1, 3).flatmap(lambda number: damaged(BLOCKS[number])))
def test_verified_blocks(content: bytes) -> None:
    authorities = Authorities.of(CONFIG)
    value_or_typed_error(lambda: verify_block(decode_block(content), authorities))


@given(st.integers(1, 3).flatmap(lambda number: damaged(BLOCKS[number])))
def test_endorsed_answers(content: bytes) -> None:
    def read_all() -> None:
        for envelope in decode_block(content).envelopes:
            transaction = decode_transaction(envelope)
            value_or_typed_error(lambda: endorsers_that_signed(transaction))  # noqa: B023
            value_or_typed_error(lambda: [action.answered_by for action in transaction.actions])  # noqa: B023

    value_or_typed_error(read_all)


@given(NOISE)
def test_processed_transactions(content: bytes) -> None:
    value_or_typed_error(lambda: decode_processed_transaction(content))


@given(NOISE | damaged(CONFIG.group))
async def test_updates_from_elsewhere(content: bytes) -> None:
    identity, signer = KEYED.identity, KEYED.signer
    value_or_typed_error(lambda: signed_by(content))
    value_or_typed_error(lambda: add_organization(CONFIG, APPLICATION, "HillMSP", content))
    with contextlib.suppress(ClientError):
        await sign_update(content, identity, signer)
    with contextlib.suppress(ClientError):
        await assemble_update(content, [content], identity, signer)


@given(st.sampled_from(["members", "config_result", "cc_query_res"]), NOISE, NOISE)
def test_discovery(kind: str, content: bytes, identity: bytes) -> None:
    response = protocol_pb2.Response()
    with contextlib.suppress(Exception):
        getattr(response.results.add(), kind).ParseFromString(content)
    peer = protocol_pb2.Peer(identity=identity)
    peer.membership_info.payload = peer.state_info.payload = content
    if kind == "members":
        response.results[0].members.peers_by_org["NewtownMSP"].peers.append(peer)
    if kind == "cc_query_res":
        described = response.results[0].cc_query_res.content.add()
        described.endorsers_by_groups["G0"].peers.append(peer)
    read = {
        "members": discovery.read_peers,
        "config_result": discovery.read_config,
        "cc_query_res": discovery.read_endorsers,
    }[kind]
    value_or_typed_error(lambda: read(discovery.read_result("peer0", response, kind)))


@given(NOISE)
async def test_peers_answers(content: bytes) -> None:
    asked = object.__new__(PeerAdmin)
    asked.address, asked._peer = "peer0:1", object.__new__(PeerConnection)

    async def answer(*_: Any) -> bytes:
        return content

    asked._peer.invoke = answer  # type: ignore[method-assign]
    for ask in (
        asked.list_channels(),
        asked.join_by_snapshot_status(),
        asked.get_chain_info("newtown"),
        asked.fetch_config_block("newtown"),
        asked.get_transaction_by_id("newtown", "ab"),
        asked.query_installed_chaincodes(),
        asked.get_installed_chaincode_package("market:1"),
        asked.query_committed_chaincode_definitions("newtown"),
    ):
        with contextlib.suppress(ClientError):
            await ask


@given(NOISE)
async def test_envelopes_to_broadcast(content: bytes) -> None:
    class Sent(Exception):
        pass

    def open_channel() -> Any:
        raise Sent

    client = object.__new__(OrderingClient)
    client.address, client._timeouts = "orderer0:1", Timeouts(submit_s=1.0)
    client._channel = type("Channel", (), {"open": staticmethod(open_channel)})
    with contextlib.suppress(ClientError, Sent):
        await client.broadcast(content)


@given(
    st.sampled_from([200, 401, 500]),
    NOISE | st.text(alphabet='{}[]":,01errsult', max_size=40).map(str.encode),
)
@example(200, b"[" * 100_000)
@example(200, b'{"errors": {}}')
def test_fabric_cas_answers(status: int, text: bytes) -> None:
    value_or_typed_error(lambda: read_answer("https://ca", status, text, read_info))


WORDS = st.sampled_from(
    [
        "CAName",
        "CAChain",
        "Cert",
        "ServerInfo",
        "secret",
        "CRL",
        "RevokedCerts",
        "Serial",
        "AKI",
        "identities",
        "id",
        "type",
        "max_enrollments",
        "attrs",
        "name",
        "value",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "read", [read_info, read_certificate, read_secret, read_revocation, read_list, read_identities]
)
@given(result=st.dictionaries(WORDS, JSON, max_size=8))
@settings(max_examples=40)
def test_fabric_cas_results(read: Callable[[dict[str, Any]], Any], result: dict[str, Any]) -> None:
    text = json.dumps({"success": True, "result": result}).encode()
    value_or_typed_error(lambda: read_answer("https://ca", 200, text, read))


# The list.

READERS = {
        "parse", "FromString", "ParseFromString", "loads", "safe_load", "parse_details",
        "load_pem_x509_certificate", "load_pem_x509_certificates", "load_pem_x509_crl", "b64decode",
        "load_der_x509_certificate", "a2b_base64",
    }  # fmt: skip
FUZZED = {
    "test_fuzz.py::test_blocks": "ledger.block.Block.channel_id ledger.block.decode_block "
    "ledger.block.block_of ledger.block._signature ledger.block._last_config ledger.wire.parse "
    "ledger.transaction.BlockTransaction.actions ledger.transaction.decode_transaction "
    "ledger.transaction.decode_creator "
    "ledger.transaction._actions ledger.transaction._action "
    "ledger.transaction._invocation",
    "test_fuzz.py::test_event_messages": "_event_kinds.ChaincodeEvents.read _event_kinds.BlockEvents.read",
    "test_fuzz.py::test_private_data": "ledger.delivered._private_writes",
    "test_fuzz.py::test_endorsed_transactions": "_transactions.parse_result",
    "test_fuzz.py::test_error_details": "_failures.parse_details _failures.call_error admin.transport.rpc_failure",
    "test_fuzz.py::test_messages_signed_elsewhere": "_event_kinds.read_chaincode_events_request "
    "_event_kinds.read_block_events_request _messages.read_proposal _messages.read_transaction _messages.read_commit",
    "test_fuzz.py::test_certificates": "identity.Identity.__post_init__ identity.certificate_hash",
    "test_pem.py::test_anything_is_read_or_refused": "pem._block",
    "test_fuzz.py::test_connection_files": "profile._load "
    "network_file.read_network_file checkpoint.FileCheckpointer._load",
    "test_fuzz.py::test_gateways_answers": "_transactions.evaluate _transactions.endorse _transactions.commit_status",
    "test_fuzz_administration.py::test_configurations": "ledger.configuration.ChannelConfig.root "
    "ledger.configuration.ChannelConfig.edited_group ledger.configuration.ChannelConfig.consenters "
    "ledger.configuration.ChannelConfig.capabilities ledger.configuration.ChannelConfig._orderer_value "
    "ledger.configuration.msp_of ledger.configuration._organization admin.configuration.checks._tls_mistakes "
    "admin.configuration.checks._bft_mistakes admin.configuration.revocation.revoke_certificates "
    "admin.configuration.groups.set_value admin.configuration.consenters._with_consenters "
    "admin.configuration.consenters._check_consenter admin.configuration.revocation._crl_issuer "
    "ledger.configuration_json._value ledger.configuration_json._policy ledger.configuration_json._principal "
    "ledger.readers._acls ledger.readers._of_group ledger.readers._is_closed",
    "test_fuzz_administration.py::test_configuration_blocks": "ledger.configuration.read_channel_config",
    "test_fuzz_administration.py::test_verified_blocks": "ledger.verification.verify_transaction "
    "ledger.verification._certificate ledger.read_write_set.decode_read_write_sets "
    "ledger.read_write_set._namespace ledger.read_write_set._collection",
    "test_fuzz_administration.py::test_endorsed_answers": "ledger.transaction.ChaincodeAction.answered_by "
    "ledger.verification.endorsers_that_signed",
    "test_fuzz_administration.py::test_processed_transactions": "ledger.transaction.decode_processed_transaction",
    "test_fuzz_administration.py::test_updates_from_elsewhere": "admin.configuration.update.sign_update "
    "admin.configuration.update.signed_by admin.configuration.update.assemble_update "
    "admin.configuration.edits.add_organization",
    "test_fuzz_administration.py::test_discovery": "admin.discovery._peer",
    "test_fuzz_administration.py::test_peers_answers": "admin.peer.PeerAdmin._read",
    "test_fuzz_administration.py::test_envelopes_to_broadcast": "admin.ordering.OrderingClient.broadcast",
    "test_fuzz_administration.py::test_fabric_cas_answers": "_fabric_ca_answers._result",
    "test_fuzz_administration.py::test_fabric_cas_results": "_fabric_ca_answers._pem",
    "admin/test_definition.py::test_any_answer_is_read_or_fails_with_a_typed_error": ""
    "admin.definition.read_readiness "
    "admin.definition.read_committed admin.definition.read_all_committed admin.definition.read_approved "
    "admin.definition.read_installed admin.definition._definition ledger.policy.read_signature_policy",
    "admin/test_package.py::test_reading_any_bytes_gives_a_package_or_a_typed_error": "admin.package._object",
    "admin/test_participation.py::test_any_answer_is_read_or_fails_with_a_typed_error": "admin.participation._json "
    "admin.participation._answer_text",
}
# They read what this process itself has just made, or its user gave as a certificate of his own.
OWN_WORDS = {
        "admin.snapshots.snapshot_request", "admin.snapshots.snapshot_query",
        "admin.package._check_certificates", "admin.package._check_key_pair", "_certificate_requests.common_name",
    }  # fmt: skip


def readers_of(path: Path) -> set[str]:
    """The functions of a module that hand bytes to a parser."""
    module = ".".join(path.relative_to(CLIENT).with_suffix("").parts)
    found = set()

    def walk(node: ast.AST, prefix: str) -> None:
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.ClassDef):
                walk(inner, f"{prefix}.{inner.name}")
            elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = [each.func for each in ast.walk(inner) if isinstance(each, ast.Call)]
                if READERS & {getattr(call, "attr", getattr(call, "id", "")) for call in calls}:
                    found.add(f"{prefix}.{inner.name}")

    walk(ast.parse(path.read_text()), module)
    return found


def test_every_reader_of_bytes_is_fuzzed() -> None:
    modules = [path for path in CLIENT.rglob("*.py") if "sync" not in path.parts]
    known = {name for names in FUZZED.values() for name in names.split()} | OWN_WORDS
    assert {name for path in modules for name in readers_of(path)} == known


@pytest.mark.parametrize("place", FUZZED)
def test_the_fuzz_is_there(place: str) -> None:
    file, test = place.split("::")
    assert re.search(rf"@given\((?s:.)*?\n(async )?def {test}\(", (Path(__file__).parent / file).read_text())
