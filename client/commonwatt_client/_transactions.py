# SPDX-License-Identifier: Apache-2.0
"""The flow of a transaction, without I/O: evaluate, endorse, submit, commit status, each once."""

import math
import time
from dataclasses import dataclass
from typing import Any

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from commonwatt_client._connection import PeerRing
from commonwatt_client._deadlines import status_at_the_end
from commonwatt_client._effects import Call, CallFailed, Flow, Sign
from commonwatt_client._failures import call_error
from commonwatt_client.errors import (
    CommitStatusError,
    ConfigurationError,
    EndorseError,
    EvaluateError,
    GatewayError,
    MalformedMessageError,
    SigningError,
    SubmitError,
)
from commonwatt_client.identity import Identity
from commonwatt_client.ledger.validation import ValidationCode
from commonwatt_client.ledger.wire import parse
from commonwatt_client.retry import RetryPolicy
from commonwatt_client.signers import Signer
from commonwatt_client.timeouts import Timeouts

EVALUATE = "/gateway.Gateway/Evaluate"
ENDORSE = "/gateway.Gateway/Endorse"
SUBMIT = "/gateway.Gateway/Submit"
COMMIT_STATUS = "/gateway.Gateway/CommitStatus"


@dataclass(frozen=True, slots=True)
class Party:
    """Who sends and to whom: what every flow needs."""

    identity: Identity
    signer: Signer | None
    peers: PeerRing
    timeouts: Timeouts
    retry: RetryPolicy | None = None
    """How the calls of whole transactions are retried that don't say otherwise."""


@dataclass(frozen=True, slots=True)
class Status:
    """What became of a submitted transaction.

    Attributes:
        transaction_id: hex.
        code: `ValidationCode.VALID`, or why it is invalid.
        block_number: the block that holds it.
        sends: how often its envelope was submitted, 1 without a retry policy.

    ::

        submitted = await market.submit_async("get_parameters", arguments=["{}"])
        status = await submitted.status()
        print(status.code.name, "in block", status.block_number)
    """

    transaction_id: str
    code: ValidationCode
    block_number: int
    sends: int = 1

    @property
    def successful(self) -> bool:
        """Whether its writes took effect."""
        return self.code is ValidationCode.VALID


def sign(party: Party, message: bytes) -> Flow[bytes]:
    """The party's signature of a message; raises SigningError where it has no signer."""
    if party.signer is None:
        raise SigningError(
            "this gateway has no signer; give it one, or sign the digest elsewhere and rebuild the message with "
            "gateway.new_signed_proposal, new_signed_transaction, new_signed_commit or new_signed_..._events_request"
        )
    signature: bytes = yield Sign(party.signer, party.identity.digest(message))
    return signature


def call(
    party: Party,
    kind: type[GatewayError],
    method: str,
    request: bytes,
    timeout_s: float | None,
    transaction_id: str = "",
) -> Flow[bytes]:
    """A unary call to the peer in use, or the next one where no connection to it can be had."""
    peers = party.peers
    for attempt in range(len(peers)):
        index = peers.current
        began = time.monotonic()
        try:
            answer: bytes = yield Call(index, method, request, timeout_s)
            return answer
        except CallFailed as failed:
            failed.status = status_at_the_end(failed.status, time.monotonic() - began, timeout_s)
            # A peer that lets calls run into their timeout may hang: the next call tries another one.
            if is_unreachable(failed) or failed.status is grpc.StatusCode.DEADLINE_EXCEEDED:
                peers.leave(index, failed.status.name)
            if is_unreachable(failed) and attempt + 1 < len(peers):
                continue
            raise call_error(kind, failed, peers.name(index), transaction_id) from failed
    raise AssertionError("a ring has at least one peer")


def is_unreachable(failed: CallFailed) -> bool:
    """Whether the peer itself is away: an UNAVAILABLE it sent itself, for the orderers, carries their details."""
    return failed.status is grpc.StatusCode.UNAVAILABLE and not failed.details


def evaluate(party: Party, proposed: Any, channel: str, timeout_s: float | None) -> Flow[bytes]:
    """Run a signed proposal on one peer; its result."""
    request = gateway_pb2.EvaluateRequest(
        transaction_id=proposed.transaction_id,
        channel_id=channel,
        proposed_transaction=proposed.proposal,
        target_organizations=proposed.endorsing_organizations,
    )
    answer = yield from call(
        party, EvaluateError, EVALUATE, request.SerializeToString(), timeout_s, proposed.transaction_id
    )
    result: bytes = parse(gateway_pb2.EvaluateResponse, answer).result.payload
    return result


def endorse(party: Party, proposed: Any, channel: str, timeout_s: float | None) -> Flow[Any]:
    """Collect endorsements for a signed proposal; a `gateway.PreparedTransaction`, not yet signed."""
    request = gateway_pb2.EndorseRequest(
        transaction_id=proposed.transaction_id,
        channel_id=channel,
        proposed_transaction=proposed.proposal,
        endorsing_organizations=proposed.endorsing_organizations,
    )
    answer = yield from call(
        party, EndorseError, ENDORSE, request.SerializeToString(), timeout_s, proposed.transaction_id
    )
    envelope = parse(gateway_pb2.EndorseResponse, answer).prepared_transaction
    return gateway_pb2.PreparedTransaction(transaction_id=proposed.transaction_id, envelope=envelope)


def submit(party: Party, prepared: Any, channel: str, timeout_s: float | None) -> Flow[None]:
    """Hand a signed transaction to the orderer."""
    request = gateway_pb2.SubmitRequest(
        transaction_id=prepared.transaction_id, channel_id=channel, prepared_transaction=prepared.envelope
    )
    yield from call(
        party, SubmitError, SUBMIT, request.SerializeToString(), timeout_s, prepared.transaction_id
    )


def commit_status(
    party: Party, signed_request: Any, transaction_id: str, timeout_s: float | None
) -> Flow[Status]:
    """Wait until the transaction is in a block of the peer's ledger."""
    answer = yield from call(
        party, CommitStatusError, COMMIT_STATUS, signed_request.SerializeToString(), timeout_s, transaction_id
    )
    response = parse(gateway_pb2.CommitStatusResponse, answer)
    return Status(transaction_id, ValidationCode(response.result), response.block_number)


def new_commit_request(party: Party, channel: str, transaction_id: str) -> Any:
    """A `gateway.SignedCommitStatusRequest`, not yet signed."""
    request = gateway_pb2.CommitStatusRequest(
        transaction_id=transaction_id, channel_id=channel, identity=party.identity.creator
    )
    return gateway_pb2.SignedCommitStatusRequest(request=request.SerializeToString())


def sign_proposal(party: Party, proposed: Any) -> Flow[None]:
    """Sign a proposed transaction in place, unless it is signed."""
    if not proposed.proposal.signature:
        proposed.proposal.signature = yield from sign(party, proposed.proposal.proposal_bytes)


def sign_transaction(party: Party, prepared: Any) -> Flow[None]:
    """Sign a prepared transaction's envelope in place, unless it is signed."""
    if not prepared.envelope.signature:
        prepared.envelope.signature = yield from sign(party, prepared.envelope.payload)


def sign_and_evaluate(party: Party, proposed: Any, channel: str, timeout_s: float | None) -> Flow[bytes]:
    """Evaluate a proposal, signing it where needed."""
    yield from sign_proposal(party, proposed)
    return (yield from evaluate(party, proposed, channel, timeout_s))


def sign_and_endorse(party: Party, proposed: Any, channel: str, timeout_s: float | None) -> Flow[Any]:
    """Endorse a proposal, signing it where needed."""
    yield from sign_proposal(party, proposed)
    return (yield from endorse(party, proposed, channel, timeout_s))


def sign_and_submit(party: Party, prepared: Any, channel: str, timeout_s: float | None) -> Flow[None]:
    """Submit a transaction, signing it where needed."""
    yield from sign_transaction(party, prepared)
    yield from submit(party, prepared, channel, timeout_s)


def sign_request(party: Party, signed_request: Any) -> Flow[None]:
    """Sign a commit status or chaincode events request in place, unless it is signed."""
    if not signed_request.signature:
        signed_request.signature = yield from sign(party, signed_request.request)


def parse_result(envelope: Any) -> tuple[str, bytes]:
    """The channel and the chaincode's result from an endorsed transaction's envelope."""
    payload = parse(common_pb2.Payload, envelope.payload)
    header = parse(common_pb2.ChannelHeader, payload.header.channel_header)
    transaction = parse(transaction_pb2.Transaction, payload.data)
    if not transaction.actions:
        raise MalformedMessageError("the endorsed transaction holds no action, so it has no result")
    action = parse(transaction_pb2.ChaincodeActionPayload, transaction.actions[0].payload)
    response = parse(
        proposal_response_pb2.ProposalResponsePayload,
        action.action.proposal_response_payload,
    )
    chaincode_action = parse(proposal_pb2.ChaincodeAction, response.extension)
    return header.channel_id, chaincode_action.response.payload


def timeout_of(timeout_s: float | None, default_s: float | None) -> float | None:
    """What grpc is given: a call's own timeout or the gateway's default, None for no limit (`math.inf`)."""
    chosen = default_s if timeout_s is None else timeout_s
    if chosen is None or chosen == math.inf:
        return None
    if not chosen > 0:
        raise ConfigurationError(f"a timeout must be seconds above 0, not {chosen}")
    return chosen
