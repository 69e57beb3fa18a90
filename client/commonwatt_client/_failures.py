"""From a failed call to the typed error that says which phase failed, why, who said so and what to do next."""

from typing import Any, TypeVar

import grpc
from fabric_protos.gateway import gateway_pb2
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from commonwatt_client._effects import CallFailed
from commonwatt_client.errors import CommitError, ErrorDetail, GatewayError, chaincode_response_in
from commonwatt_client.explain import EXPLANATIONS, explain_validation
from commonwatt_client.validation import ValidationCode

E = TypeVar("E", bound=GatewayError)


def _rpc_status_class() -> Any:
    """google.rpc.Status, described here because no other message of its package is needed."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="commonwatt_client/rpc_status.proto",
        package="commonwatt_client",
        syntax="proto3",
        dependency=["google/protobuf/any.proto"],
    )
    status = file.message_type.add(name="Status")
    status.field.add(name="code", number=1, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    status.field.add(name="message", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    status.field.add(
        name="details",
        number=3,
        type=field.TYPE_MESSAGE,
        type_name=".google.protobuf.Any",
        label=field.LABEL_REPEATED,
    )
    pool: Any = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("commonwatt_client.Status"))


_RpcStatus = _rpc_status_class()
_DETAIL_TYPE = gateway_pb2.ErrorDetail.DESCRIPTOR.full_name


def parse_details(serialised: bytes) -> tuple[ErrorDetail, ...]:
    """What each node said, from the trailing metadata; what cannot be read is left out, the error itself remains."""
    try:
        status = _RpcStatus.FromString(serialised)
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
    ("determinism guard: ", "NOT_DETERMINISTIC"),
    ("too many requests", "TOO_MANY_REQUESTS"),
    ("failed to get config for channel", "NOT_FOUND"),
    ("ProposalResponsePayloads do not match", "ENDORSEMENTS_DIFFER"),
    ("could not launch chaincode", "CHAINCODE_UNAVAILABLE"),
    ("code = Unavailable", "ENDORSER_UNREACHABLE"),
    ("duplicate transaction found", "DUPLICATE_TRANSACTION"),
    ("access denied", "ACCESS_DENIED"),
    ("creator is malformed", "ACCESS_DENIED"),
    ("signature set did not satisfy policy", "ACCESS_DENIED"),
    ("chaincode stream terminated", "CHAINCODE_UNAVAILABLE"),
    ("invalid invocation", "OTHER"),
    ("error in simulation: failed to execute transaction", "CHAINCODE_UNAVAILABLE"),
    ("no combination of peers", "NO_ENDORSERS"),
    ("no peer combination", "NO_ENDORSERS"),
    ("failed to find any endorsing peers", "NO_ENDORSERS"),
    ("no peers available", "NO_ENDORSERS"),
    ("info=channel does not exist", "ORDERER_NOT_JOINED"),
    ("orderers could", "ORDERER_UNAVAILABLE"),
    ("no orderer", "ORDERER_UNAVAILABLE"),
    ("Raft leader", "ORDERER_UNAVAILABLE"),
    # What gRPC in the gateway's peer says while that peer takes up another configuration or list of nodes.
    ("client connection is closing", "ENDORSER_UNREACHABLE"),
)
_BY_STATUS = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: "MESSAGE_TOO_LARGE",
    grpc.StatusCode.UNAVAILABLE: "PEER_UNREACHABLE",
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    grpc.StatusCode.PERMISSION_DENIED: "ACCESS_DENIED",
    grpc.StatusCode.UNAUTHENTICATED: "ACCESS_DENIED",
    grpc.StatusCode.NOT_FOUND: "NOT_FOUND",
    grpc.StatusCode.CANCELLED: "CANCELLED",
}


def reason_of(status: grpc.StatusCode, texts: tuple[str, ...]) -> str:
    """The name in `explain.EXPLANATIONS` that fits a status and what the nodes said.

    What a chaincode answered says nothing of the nodes, whatever words it uses.
    """
    of_nodes = [text for text in texts if chaincode_response_in(text) is None]
    for part, name in _BY_TEXT:
        if any(part in text for text in of_nodes):
            return name
    if len(of_nodes) < len(texts):
        return "CHAINCODE_REFUSED"
    return _BY_STATUS.get(status, "OTHER")


def call_error(kind: type[E], failed: CallFailed, peer: str, transaction_id: str = "") -> E:
    """The typed error of a phase for a failed call to `peer`."""
    details = parse_details(failed.details)
    name = reason_of(failed.status, (failed.message, *(detail.message for detail in details)))
    message = failed.message or EXPLANATIONS[name].meaning
    if name == "PEER_UNREACHABLE":
        message = f"{peer}: {message}"
    elif name == "DEADLINE_EXCEEDED":
        message = f"{peer}: {EXPLANATIONS[name].meaning}"
    return kind(
        message,
        reason=name,
        transaction_id=transaction_id,
        status=failed.status,
        details=details,
        advice=EXPLANATIONS[name].next_step,
    )


def commit_error(code: ValidationCode, block_number: int, transaction_id: str, tries: int = 1) -> CommitError:
    """The error for a transaction that was found invalid in its block."""
    explanation = explain_validation(code)
    return CommitError(
        f"{code.name} ({code.value}) in block {block_number}: {explanation.meaning}",
        code=code,
        block_number=block_number,
        transaction_id=transaction_id,
        advice=explanation.next_step,
        tries=tries,
    )
