# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes come from the network or a file, the answer is a value or a typed error: no crash, no hang."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from commonwatt_client import (
    ClientError,
    ConfigurationError,
    GatewayError,
    Identity,
    Timeouts,
    connect,
    load_identity,
)
from commonwatt_client._connection import Peer, PeerRing
from commonwatt_client._effects import CallFailed
from commonwatt_client._event_kinds import (
    ChaincodeEvents,
    blocks_and_private_data,
    filtered_blocks,
    full_blocks,
)
from commonwatt_client._failures import call_error, parse_details
from commonwatt_client._proposal import new_invocation, new_proposed_transaction
from commonwatt_client._transactions import (
    Party,
    commit_status,
    endorse,
    evaluate,
    new_commit_request,
    parse_result,
)
from commonwatt_client.checkpoint import FileCheckpointer
from commonwatt_client.ledger import Block
from commonwatt_client.network_file import read_network_file
from commonwatt_client.profile import network_file_peers, network_file_user, profile_peers, read_profile
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    chaincode_pb2,
    events_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .conftest import new_keyed, run_scripted

KEYED = new_keyed()
SOME_BYTES = st.binary(max_size=200)


def message(kind: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Serialised messages of a kind whose fields are drawn, so that the fuzz reaches the parsers further in."""

    def build(values: dict[str, Any]) -> bytes:
        serialised: bytes = kind(**values).SerializeToString()
        return serialised

    return st.fixed_dictionaries({}, optional=fields).map(build)


IDENTITY = (
    message(identities_pb2.SerializedIdentity, mspid=st.text(max_size=9), id_bytes=SOME_BYTES) | SOME_BYTES
)
CHANNEL_HEADER = (
    message(
        common_pb2.ChannelHeader,
        type=st.sampled_from([0, 1, 3, 5, 99]),
        channel_id=st.text(max_size=9),
        tx_id=st.text(max_size=9),
    )
    | SOME_BYTES
)
SIGNATURE_HEADER = message(common_pb2.SignatureHeader, creator=IDENTITY) | SOME_BYTES
EVENT = message(chaincode_event_pb2.ChaincodeEvent, event_name=st.text(max_size=9)) | SOME_BYTES
ACTION = message(proposal_pb2.ChaincodeAction, events=EVENT) | SOME_BYTES
RESPONSE = message(proposal_response_pb2.ProposalResponsePayload, extension=ACTION) | SOME_BYTES
SPEC = message(chaincode_pb2.ChaincodeInvocationSpec) | SOME_BYTES
PROPOSAL = message(proposal_pb2.ChaincodeProposalPayload, input=SPEC) | SOME_BYTES
ENDORSED = st.builds(
    lambda response, endorser: transaction_pb2.ChaincodeEndorsedAction(
        proposal_response_payload=response,
        endorsements=[proposal_response_pb2.Endorsement(endorser=endorser)],
    ),
    RESPONSE,
    IDENTITY,
)
ACTION_PAYLOAD = (
    message(transaction_pb2.ChaincodeActionPayload, chaincode_proposal_payload=PROPOSAL, action=ENDORSED)
    | SOME_BYTES
)
TRANSACTION = (
    st.lists(ACTION_PAYLOAD, max_size=2).map(
        lambda payloads: transaction_pb2.Transaction(
            actions=[transaction_pb2.TransactionAction(payload=payload) for payload in payloads]
        ).SerializeToString()
    )
    | SOME_BYTES
)
PAYLOAD = (
    st.builds(
        lambda channel, signature, data: common_pb2.Payload(
            header=common_pb2.Header(channel_header=channel, signature_header=signature), data=data
        ).SerializeToString(),
        CHANNEL_HEADER,
        SIGNATURE_HEADER,
        TRANSACTION,
    )
    | SOME_BYTES
)
ENVELOPE = message(common_pb2.Envelope, payload=PAYLOAD, signature=SOME_BYTES) | SOME_BYTES
BLOCK = (
    st.builds(
        lambda number, data, metadata: common_pb2.Block(
            header=common_pb2.BlockHeader(number=number),
            data=common_pb2.BlockData(data=data),
            metadata=common_pb2.BlockMetadata(metadata=metadata),
        ).SerializeToString(),
        st.integers(0, 2**64 - 1),
        st.lists(ENVELOPE, max_size=3),
        st.lists(SOME_BYTES, max_size=5),
    )
    | SOME_BYTES
)


def value_or_typed_error(action: Callable[[], Any]) -> None:
    with contextlib.suppress(ClientError):
        action()


@given(BLOCK)
def test_blocks(data: bytes) -> None:
    value_or_typed_error(lambda: Block.parse(data).transactions)


@given(ENVELOPE)
def test_endorsed_transactions(data: bytes) -> None:
    response = gateway_pb2.EndorseResponse()
    with contextlib.suppress(Exception):  # bytes that are no envelope at all never get as far as parse_result
        response.prepared_transaction.ParseFromString(data)
    value_or_typed_error(lambda: parse_result(response.prepared_transaction))


@given(SOME_BYTES | BLOCK.map(lambda data: b"\x12" + bytes([len(data) % 128]) + data))
@pytest.mark.parametrize(
    "kind",
    [ChaincodeEvents("c", "m"), full_blocks("c"), filtered_blocks("c"), blocks_and_private_data("c")],
    ids=["chaincode", "block", "filtered", "private"],
)
def test_event_messages(kind: Any, data: bytes) -> None:
    with contextlib.suppress(ClientError, CallFailed):
        for event in kind.read(data):
            if isinstance(event, Block):
                _ = event.transactions


@given(st.dictionaries(st.integers(0, 9), SOME_BYTES, max_size=3))
def test_private_data(rwsets: dict[int, bytes]) -> None:
    response = events_pb2.DeliverResponse()
    for index, data in rwsets.items():
        written = response.block_and_private_data.private_data_map[index]
        with contextlib.suppress(Exception):
            written.ParseFromString(data)
        written.ns_pvt_rwset.add(namespace="m").collection_pvt_rwset.add(collection_name="c", rwset=data)
    with contextlib.suppress(ClientError, CallFailed):
        blocks_and_private_data("c").read(response.SerializeToString())


@given(SOME_BYTES, st.sampled_from(list(grpc.StatusCode)), st.text(max_size=50))
def test_error_details(data: bytes, status: grpc.StatusCode, text: str) -> None:
    assert isinstance(parse_details(data), tuple)
    error = call_error(GatewayError, CallFailed(status, text, data), "peer0")
    assert error.advice in str(error)


@given(SOME_BYTES | message(gateway_pb2.CommitStatusResponse, result=st.integers(-(2**31), 2**31 - 1)))
@example(gateway_pb2.CommitStatusResponse(result=-1).SerializeToString())
def test_gateways_answers(data: bytes) -> None:
    party = Party(KEYED.identity, KEYED.signer, PeerRing([Peer("127.0.0.1:1", plaintext=True)]), Timeouts())
    proposed = new_proposed_transaction(new_invocation("c", "m", "f"), party.identity)
    request = new_commit_request(party, "c", proposed.transaction_id)
    for flow in (
        evaluate(party, proposed, "c", None),
        endorse(party, proposed, "c", None),
        commit_status(party, request, proposed.transaction_id, None),
    ):
        value_or_typed_error(lambda flow=flow: run_scripted(flow, lambda effect: data))


@given(SOME_BYTES | ENVELOPE, SOME_BYTES)
@pytest.mark.parametrize(
    "method",
    [
        "new_signed_proposal",
        "new_signed_transaction",
        "new_signed_commit",
        "new_signed_chaincode_events_request",
        "new_signed_block_events_request",
        "new_signed_filtered_block_events_request",
        "new_signed_block_and_private_data_events_request",
    ],
)
def test_messages_signed_elsewhere(method: str, data: bytes, signature: bytes) -> None:
    gateway = connect(Peer("127.0.0.1:1", plaintext=True), identity=KEYED.identity)
    value_or_typed_error(lambda: getattr(gateway, method)(data, signature))


@given(st.binary(max_size=100) | st.sampled_from([KEYED.identity.certificate_pem]).map(lambda pem: pem[:-60]))
def test_certificates(data: bytes) -> None:
    with contextlib.suppress(ConfigurationError):
        Identity("NewtownMSP", data)
    with contextlib.suppress(ConfigurationError):
        load_identity("NewtownMSP", data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "organizations",
                    "newtown",
                    "peers",
                    "users",
                    "operator",
                    "mspid",
                    "address",
                    "url",
                    "client",
                    "p",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


FORMER = st.fixed_dictionaries(
    {"network-config": st.dictionaries(st.sampled_from(["orderer", "org1"]), JSON, max_size=2)}
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON.map(repr) | st.text(max_size=40) | JSON.map(json.dumps) | FORMER.map(json.dumps))
def test_connection_files(tmp_path: Path, text: str) -> None:
    for name in ("network.json", "profile.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8", errors="replace")
    for action in (
        lambda: network_file_peers(tmp_path / "network.json", "newtown"),
        lambda: network_file_user(tmp_path / "network.json", "newtown", "operator"),
        lambda: profile_peers(tmp_path / "profile.yaml", "newtown"),
        lambda: profile_peers(tmp_path / "profile.yaml"),
        lambda: read_profile(tmp_path / "profile.yaml"),
        lambda: read_profile(tmp_path / "network.json"),
        lambda: FileCheckpointer(tmp_path / "network.json"),
        lambda: read_network_file(tmp_path / "network.json"),
    ):
        with contextlib.suppress(ConfigurationError):
            action()
