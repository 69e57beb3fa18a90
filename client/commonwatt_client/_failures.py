# SPDX-License-Identifier: Apache-2.0
"""From a failed call to the typed error that says which phase failed, why, who said so and what to do next."""

from typing import TypeVar

import grpc
from fabric_protos.gateway import gateway_pb2
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from commonwatt_client._effects import CallFailed
from commonwatt_client.errors import CommitError, ErrorCode, ErrorDetail, GatewayError, chaincode_response_in
from commonwatt_client.explain import EXPLANATIONS, explain_validation
from commonwatt_client.ledger.validation import ValidationCode

E = TypeVar("E", bound=GatewayError)


_DETAIL_TYPE = gateway_pb2.ErrorDetail.DESCRIPTOR.full_name


def parse_details(serialised: bytes) -> tuple[ErrorDetail, ...]:
    """What each node said, from the trailing metadata; what cannot be read is left out, the error itself remains."""
    try:
        status = status_pb2.Status.FromString(serialised)
    except DecodeError:
        return ()
    details = []
    for item in status.details:
        if item.type_url.rpartition("/")[2] != _DETAIL_TYPE:
            continue
        try:
            detail = gateway_pb2.ErrorDetail.FromString(item.value)
        except DecodeError:
            continue
        details.append(ErrorDetail(detail.address, detail.msp_id, detail.message))
    return tuple(details)


_BY_TEXT = (
    ("determinism guard: ", ErrorCode.NOT_DETERMINISTIC),
    ("too many requests", ErrorCode.TOO_MANY_REQUESTS),
    ("failed to get config for channel", ErrorCode.NOT_FOUND),
    ("ProposalResponsePayloads do not match", ErrorCode.ENDORSEMENTS_DIFFER),
    ("could not launch chaincode", ErrorCode.CHAINCODE_UNAVAILABLE),
    ("code = Unavailable", ErrorCode.ENDORSER_UNREACHABLE),
    ("duplicate transaction found", ErrorCode.DUPLICATE_TRANSACTION),
    ("access denied", ErrorCode.ACCESS_DENIED),
    ("creator is malformed", ErrorCode.ACCESS_DENIED),
    ("signature set did not satisfy policy", ErrorCode.ACCESS_DENIED),
    ("chaincode stream terminated", ErrorCode.CHAINCODE_UNAVAILABLE),
    ("invalid invocation", ErrorCode.OTHER),
    ("error in simulation: failed to execute transaction", ErrorCode.CHAINCODE_UNAVAILABLE),
    ("no combination of peers", ErrorCode.NO_ENDORSERS),
    ("no peer combination", ErrorCode.NO_ENDORSERS),
    ("failed to find any endorsing peers", ErrorCode.NO_ENDORSERS),
    ("no peers available", ErrorCode.NO_ENDORSERS),
    ("info=channel does not exist", ErrorCode.ORDERER_NOT_JOINED),
    ("orderers could", ErrorCode.ORDERER_UNAVAILABLE),
    ("no orderer", ErrorCode.ORDERER_UNAVAILABLE),
    ("Raft leader", ErrorCode.ORDERER_UNAVAILABLE),
    # What gRPC in the gateway's peer says while that peer takes up another configuration or list of nodes.
    ("client connection is closing", ErrorCode.ENDORSER_UNREACHABLE),
)
_BY_STATUS = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: ErrorCode.MESSAGE_TOO_LARGE,
    grpc.StatusCode.UNAVAILABLE: ErrorCode.PEER_UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: ErrorCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.PERMISSION_DENIED: ErrorCode.ACCESS_DENIED,
    grpc.StatusCode.UNAUTHENTICATED: ErrorCode.ACCESS_DENIED,
    grpc.StatusCode.NOT_FOUND: ErrorCode.NOT_FOUND,
    grpc.StatusCode.CANCELLED: ErrorCode.CANCELLED,
}


def code_of(status: grpc.StatusCode, texts: tuple[str, ...]) -> ErrorCode:
    """The cause that fits a status and what the nodes said. Fabric's gateway gives causes as texts alone.

    What a chaincode answered says nothing of the nodes, whatever words it uses.
    """
    of_nodes = [text for text in texts if chaincode_response_in(text) is None]
    for part, code in _BY_TEXT:
        if any(part in text for text in of_nodes):
            return code
    if len(of_nodes) < len(texts):
        return ErrorCode.CHAINCODE_REFUSED
    return _BY_STATUS.get(status, ErrorCode.OTHER)


def call_error(kind: type[E], failed: CallFailed, peer: str, transaction_id: str = "") -> E:
    """The typed error of a phase for a failed call to `peer`."""
    details = parse_details(failed.details)
    code = code_of(failed.status, (failed.message, *(detail.message for detail in details)))
    explanation = EXPLANATIONS[code]
    message = failed.message or explanation.meaning
    if code is ErrorCode.PEER_UNREACHABLE:
        message = f"{peer}: {message}"
    elif code is ErrorCode.DEADLINE_EXCEEDED:
        message = f"{peer}: {explanation.meaning}"
    error = kind(
        message,
        code=code,
        status=failed.status,
        party=peer,
        transaction_id=transaction_id,
        details=details,
        advice=explanation.next_step,
    )
    error.__cause__ = failed
    return error


def commit_error(
    code: ValidationCode, block_number: int, transaction_id: str, party: str = "", tries: int = 1
) -> CommitError:
    """The error for a transaction that was found invalid in its block."""
    explanation = explain_validation(code)
    return CommitError(
        f"{code.name} ({code.value}) in block {block_number}: {explanation.meaning}",
        code=code,
        block_number=block_number,
        transaction_id=transaction_id,
        party=party,
        advice=explanation.next_step,
        tries=tries,
    )
