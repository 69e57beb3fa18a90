"""Transactions as the ledger holds them, decoded: who sent what, who endorsed it, what it read and writes."""

from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    chaincode_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)

from commonwatt_client.admin.errors import UnexpectedAnswerError
from commonwatt_client.admin.rwset import NamespaceReadWriteSet, decode_read_write_sets
from commonwatt_client.admin.wire import parse
from commonwatt_client.validation import ValidationCode


@dataclass(frozen=True)
class Creator:
    """Who signed: an MSP id and the PEM certificate; `serialized` are the bytes that were signed with."""

    mspid: str
    certificate: bytes
    serialized: bytes


@dataclass(frozen=True)
class Endorsement:
    """One endorser's signature over the action's `response_payload` and its own serialized identity."""

    endorser: Creator
    signature: bytes


@dataclass(frozen=True)
class ChaincodeEvent:
    """The event a transaction set; delivered to listeners if the transaction is valid."""

    chaincode: str
    name: str
    payload: bytes


@dataclass(frozen=True)
class ChaincodeAction:
    """One invocation of a chaincode, with its outcome.

    arguments: as sent, the function's name first; none where what was sent is no invocation.
    response_payload: the ``ProposalResponsePayload`` that the endorsers signed.
    proposal_hash: what the endorsers say they were asked, see `verify_transaction`.
    """

    chaincode: str
    chaincode_version: str
    arguments: tuple[bytes, ...]
    status: int
    message: str
    result: bytes
    event: ChaincodeEvent | None
    read_write_sets: tuple[NamespaceReadWriteSet, ...]
    endorsements: tuple[Endorsement, ...]
    response_payload: bytes
    proposal_hash: bytes
    proposal_payload: bytes


@dataclass(frozen=True)
class Transaction:
    """An envelope of a block.

    kind: ``ENDORSER_TRANSACTION``, ``CONFIG``, ... (``common.HeaderType``).
    timestamp: the client's clock, (seconds, nanoseconds) since 1970 UTC.
    validation: the peer's verdict; None where no peer has validated the transaction (orderers'
    blocks). payload, signature: what the creator signed and how.

    ::

        for sent in (await peer.get_block_by_number("newtown", 1)).transactions:
            print(sent.kind, sent.creator.mspid, sent.valid, [action.chaincode for action in sent.actions])
    """

    transaction_id: str
    channel_id: str
    kind: str
    timestamp: tuple[int, int]
    creator: Creator
    nonce: bytes
    actions: tuple[ChaincodeAction, ...]
    validation: ValidationCode | None
    payload: bytes
    signature: bytes

    @property
    def valid(self) -> bool:
        """Whether its writes took effect."""
        return self.validation == ValidationCode.VALID


def decode_transaction(envelope: bytes, validation: ValidationCode | None = None) -> Transaction:
    """Read a ``common.Envelope``. Raises UnexpectedAnswerError.

    ::

        block = await peer.get_block_by_number("newtown", 1)
        print(decode_transaction(block.envelopes[0]).creator.mspid)
    """
    outer = parse(common_pb2.Envelope, envelope)
    payload = parse(common_pb2.Payload, outer.payload)
    header = parse(common_pb2.ChannelHeader, payload.header.channel_header)
    signed_by = parse(common_pb2.SignatureHeader, payload.header.signature_header)
    endorsed = header.type == common_pb2.ENDORSER_TRANSACTION
    known = header.type in common_pb2.HeaderType.values()
    return Transaction(
        transaction_id=header.tx_id,
        channel_id=header.channel_id,
        kind=common_pb2.HeaderType.Name(header.type) if known else f"TYPE_{header.type}",
        timestamp=(header.timestamp.seconds, header.timestamp.nanos),
        creator=decode_creator(signed_by.creator),
        nonce=signed_by.nonce,
        actions=_actions(payload.data) if endorsed else (),
        validation=validation,
        payload=outer.payload,
        signature=outer.signature,
    )


def decode_processed_transaction(content: bytes) -> Transaction:
    """Read a ``protos.ProcessedTransaction``, the answer to a query by transaction id."""
    processed = parse(transaction_pb2.ProcessedTransaction, content)
    envelope = processed.transactionEnvelope.SerializeToString()
    return decode_transaction(envelope, ValidationCode(processed.validationCode))


def decode_creator(serialized: bytes) -> Creator:
    """Read a ``msp.SerializedIdentity``. Empty bytes (genesis blocks) give an empty creator."""
    identity = parse(identities_pb2.SerializedIdentity, serialized)
    return Creator(identity.mspid, identity.id_bytes, serialized)


def _endorser(serialized: bytes) -> Creator:
    """As decode_creator. Peers pass over an endorser that cannot be read: a valid transaction may have one."""
    try:
        return decode_creator(serialized)
    except UnexpectedAnswerError:
        return Creator("", b"", serialized)


def _actions(content: bytes) -> tuple[ChaincodeAction, ...]:
    actions = parse(transaction_pb2.Transaction, content).actions
    if not actions:
        raise UnexpectedAnswerError("the transaction has no action")
    return tuple(map(_action, actions))


def _invocation(proposed: bytes) -> Any:
    """What was asked for. Peers only hash it once it is endorsed: a valid transaction may hold anything here."""
    try:
        asked = parse(proposal_pb2.ChaincodeProposalPayload, proposed).input
        return parse(chaincode_pb2.ChaincodeInvocationSpec, asked)
    except UnexpectedAnswerError:
        return chaincode_pb2.ChaincodeInvocationSpec()


def _action(action: Any) -> ChaincodeAction:
    payload = parse(transaction_pb2.ChaincodeActionPayload, action.payload)
    invocation = _invocation(payload.chaincode_proposal_payload)
    signed = payload.action.proposal_response_payload
    response_payload = parse(proposal_response_pb2.ProposalResponsePayload, signed)
    outcome = parse(proposal_pb2.ChaincodeAction, response_payload.extension)
    event: ChaincodeEvent | None = None
    if outcome.events:
        set_by = parse(chaincode_event_pb2.ChaincodeEvent, outcome.events)
        event = ChaincodeEvent(set_by.chaincode_id, set_by.event_name, set_by.payload)
    return ChaincodeAction(
        chaincode=invocation.chaincode_spec.chaincode_id.name or outcome.chaincode_id.name,
        chaincode_version=outcome.chaincode_id.version,
        arguments=tuple(invocation.chaincode_spec.input.args),
        status=outcome.response.status,
        message=outcome.response.message,
        result=outcome.response.payload,
        event=event,
        read_write_sets=decode_read_write_sets(outcome.results),
        endorsements=tuple(
            Endorsement(_endorser(each.endorser), each.signature) for each in payload.action.endorsements
        ),
        response_payload=signed,
        proposal_hash=response_payload.proposal_hash,
        proposal_payload=payload.chaincode_proposal_payload,
    )
