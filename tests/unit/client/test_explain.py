# SPDX-License-Identifier: Apache-2.0
"""Every code that Fabric can answer with is explained, and errors carry the same words."""

import grpc
import pytest
from commonwatt_client import ValidationCode
from commonwatt_client._effects import CallFailed
from commonwatt_client._failures import call_error, code_of, commit_error
from commonwatt_client.errors import EndorseError, SubmitError
from commonwatt_client.explain import EXPLANATIONS, explain, explain_validation
from commonwatt_client.retry import can_endorse_again, fate_is_unknown
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import transaction_pb2
from google.protobuf import any_pb2


def test_codes_are_fabrics() -> None:
    assert {code.name: code.value for code in ValidationCode} == dict(
        transaction_pb2.TxValidationCode.items()
    )


def test_every_code_is_explained() -> None:
    for name, number in transaction_pb2.TxValidationCode.items():
        assert explain(name) is explain(number) is explain(name.lower())
        assert explain(name).meaning
        assert explain(name).next_step


def test_unknown_codes() -> None:
    with pytest.raises(KeyError, match="MVCC_READ_CONFLICT"):
        explain("NO_SUCH_CODE")
    later = ValidationCode(77)
    assert later == 77
    assert later is not ValidationCode.VALID
    assert "UNKNOWN_CODE_77" in str(explain_validation(later))


def test_commit_error_says_what_explain_says() -> None:
    error = commit_error(ValidationCode.MVCC_READ_CONFLICT, 7, "ab12", tries=3)
    text = str(error)
    assert explain("MVCC_READ_CONFLICT").meaning in text
    assert explain("MVCC_READ_CONFLICT").next_step in text
    assert "block 7" in text
    assert "ab12" in text
    assert "3 tries" in text
    assert error.reason == "MVCC_READ_CONFLICT"


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (grpc.StatusCode.UNKNOWN, "too many requests for /gateway.Gateway", "TOO_MANY_REQUESTS"),
        (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses", "PEER_UNREACHABLE"),
        (
            grpc.StatusCode.UNAVAILABLE,
            "no orderers could successfully process transaction",
            "ORDERER_UNAVAILABLE",
        ),
        (
            grpc.StatusCode.ABORTED,
            "received unsuccessful response from orderer: status=BAD_REQUEST, info=channel does not exist",
            "ORDERER_NOT_JOINED",
        ),
        (grpc.StatusCode.ABORTED, "ProposalResponsePayloads do not match", "ENDORSEMENTS_DIFFER"),
        (grpc.StatusCode.PERMISSION_DENIED, "", "ACCESS_DENIED"),
        (grpc.StatusCode.DATA_LOSS, "", "OTHER"),
        # gRPC's own words for headers and messages beyond its limits: no peer was busy.
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "received metadata size exceeds hard limit",
            "MESSAGE_TOO_LARGE",
        ),
        (
            grpc.StatusCode.ABORTED,
            "determinism guard: two runs differ: too many requests",
            "NOT_DETERMINISTIC",
        ),
    ],
)
def test_reasons(status: grpc.StatusCode, message: str, reason: str) -> None:
    error = call_error(SubmitError, CallFailed(status, message), "peer0", "ab12")
    assert error.reason == reason
    assert error.advice == EXPLANATIONS[reason].next_step


@pytest.mark.parametrize(
    "words",
    [
        "too many requests for today",
        "no peers available",
        "code = Unavailable",
        "ProposalResponsePayloads do not match",
        "no orderer",
        "access denied",
        "duplicate transaction found",
    ],
)
def test_a_chaincodes_words_are_not_a_peers(words: str) -> None:
    """Whatever a chaincode says, it has refused: nothing is sent again for words that a peer might use."""
    text = f"evaluate call to endorser returned error: chaincode response 400, quota: {words}"
    error = call_error(SubmitError, CallFailed(grpc.StatusCode.UNKNOWN, text), "peer0")
    assert error.reason == "CHAINCODE_REFUSED"
    assert not fate_is_unknown(error)
    assert not can_endorse_again(error)
    assert error.chaincode_response is not None
    assert error.chaincode_response.message == f"quota: {words}"


def test_a_peers_text_that_quotes_a_chaincode_is_the_peers() -> None:
    text = "too many requests for gateway.Gateway, chaincode response 400, as it were"
    error = call_error(SubmitError, CallFailed(grpc.StatusCode.UNKNOWN, text), "peer0")
    assert (error.reason, error.chaincode_response) == ("TOO_MANY_REQUESTS", None)


def test_details_name_each_endorser() -> None:
    detail = any_pb2.Any()
    detail.Pack(
        gateway_pb2.ErrorDetail(
            address="127.0.0.1:7051", msp_id="GridMSP", message="chaincode response 500, no"
        )
    )
    packed = detail.SerializeToString()
    assert len(packed) < 128
    status = (
        b"\x08\x0a" + b"\x1a" + bytes([len(packed)]) + packed
    )  # google.rpc.Status{code: 10, details: [detail]}
    error = call_error(EndorseError, CallFailed(grpc.StatusCode.ABORTED, "failed", status), "peer0", "ab12")
    assert [(d.address, d.mspid) for d in error.details] == [("127.0.0.1:7051", "GridMSP")]
    assert error.chaincode_response is not None
    assert (error.chaincode_response.status, error.chaincode_response.message) == (500, "no")
    assert "127.0.0.1:7051 (GridMSP)" in str(error)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "could not launch chaincode kv:00: connection to kv:00 failed: connection refused",
            "CHAINCODE_UNAVAILABLE",
        ),
        (
            "could not launch chaincode kv:00: rpc error: code = Unavailable desc = EOF",
            "CHAINCODE_UNAVAILABLE",
        ),
        ("error sending: timeout expired while executing transaction", "CHAINCODE_UNAVAILABLE"),
        ("invalid invocation: chaincode 'kv' has not been initialized for this version", "OTHER"),
    ],
)
def test_a_chaincode_that_could_not_be_run_gets_advice_for_that(said: str, reason: str) -> None:
    text = f"error in simulation: failed to execute transaction 00: {said}"
    assert code_of(grpc.StatusCode.ABORTED, ("failed to endorse transaction", text)) == reason
