# SPDX-License-Identifier: Apache-2.0
"""Transactions as the ledger holds them, decoded: who sent what, who endorsed it, what it read and writes."""

from dataclasses import dataclass, field
from functools import cached_property
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

from commonwatt_client.errors import UnexpectedAnswerError
from commonwatt_client.ledger.read_write_set import NamespaceReadWriteSet, decode_read_write_sets
from commonwatt_client.ledger.validation import ValidationCode
from commonwatt_client.ledger.wire import parse

UNREADABLE = "UNREADABLE"
"""The kind of a transaction that peers found invalid and that has no header to read."""

UNKNOWN_BLOCK = -1
"""The block number of an event where the peer was asked for a transaction by its id, which names no block."""


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


@dataclass(frozen=True, slots=True)
class ChaincodeEvent:
    """An event that a transaction set; it reaches listeners if the transaction is valid.

    Attributes:
        block_number: the block that holds the transaction, `UNKNOWN_BLOCK` where that is not known.
        transaction_id: hex.
        chaincode_name: the chaincode that set the event.
        event_name: its name.
        payload: its content.

    ::

        async with gateway.get_network("newtown").chaincode_events("market") as events:
            house = '{"home": "house1", "home_class": "consumer"}'
            await market.submit_transaction("register_home", house)
            event = await anext(events)
            print(event.block_number, event.event_name, event.payload)
    """

    block_number: int
    transaction_id: str
    chaincode_name: str
    event_name: str
    payload: bytes


@dataclass(frozen=True)
class ChaincodeAction:
    """One invocation of a chaincode, with its outcome.

    arguments: as sent, the function's name first; empty where the client sent something else than an invocation.
    results: the ``rwset.TxReadWriteSet``, which `read_write_sets` reads.
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
    results: bytes
    endorsements: tuple[Endorsement, ...]
    response_payload: bytes
    proposal_hash: bytes
    proposal_payload: bytes

    @cached_property
    def answered_by(self) -> str:
        """The chaincode that ran, as its endorsers signed it; `chaincode` is the one that the client named.

        Raises UnexpectedAnswerError.
        """
        response = parse(proposal_response_pb2.ProposalResponsePayload, self.response_payload)
        return str(parse(proposal_pb2.ChaincodeAction, response.extension).chaincode_id.name)

    @cached_property
    def read_write_sets(self) -> tuple[NamespaceReadWriteSet, ...]:
        """What it read and writes, by namespace. Raises UnexpectedAnswerError."""
        return decode_read_write_sets(self.results)


@dataclass(frozen=True)
class BlockTransaction:
    """A transaction of a block.

    Attributes:
        transaction_id: hex; empty for a configuration transaction.
        channel: the channel.
        kind: the header type's name, such as ENDORSER_TRANSACTION or CONFIG; UNREADABLE where there is no header, as
            one that peers found invalid may lack it.
        timestamp_ns: when the client made it, as it claims; nanoseconds since 1970 in UTC.
        creator: who submitted it.
        validation: the peer's verdict; None where no peer has validated it (orderers' blocks).
        payload, signature: what the creator signed and how.
        block_number: the block that holds it, `UNKNOWN_BLOCK` where that is not known.

    ::

        async with gateway.get_network("newtown").block_events(start_block=1) as blocks:
            for each in (await anext(blocks)).transactions:
                print(each.kind, each.validation_code.name, each.creator_mspid, each.endorsers)
                print(each.valid, [(action.chaincode, action.read_write_sets) for action in each.actions])
    """

    transaction_id: str
    channel: str
    kind: str
    timestamp_ns: int
    creator: Creator
    nonce: bytes
    validation: ValidationCode | None
    payload: bytes
    signature: bytes
    block_number: int = field(default=UNKNOWN_BLOCK, compare=False)

    @property
    def valid(self) -> bool:
        """Whether its writes took effect."""
        return self.validation == ValidationCode.VALID

    @property
    def validation_code(self) -> ValidationCode:
        """Whether its writes took effect, and if not why; NOT_VALIDATED where no peer has validated it."""
        return ValidationCode.NOT_VALIDATED if self.validation is None else self.validation

    @property
    def creator_mspid(self) -> str:
        """The submitting organisation's MSP id."""
        return self.creator.mspid

    @property
    def creator_certificate(self) -> bytes:
        """The submitting client's certificate, PEM."""
        return self.creator.certificate

    @cached_property
    def actions(self) -> tuple[ChaincodeAction, ...]:
        """The invocations of an endorsed transaction; none of one that is invalid and cannot be read.

        Raises UnexpectedAnswerError.
        """
        if self.kind != "ENDORSER_TRANSACTION":
            return ()
        try:
            return _actions(parse(common_pb2.Payload, self.payload).data, self.block_number)
        except UnexpectedAnswerError:
            if self.validation in (None, ValidationCode.VALID):
                raise
            return ()

    @property
    def chaincode_name(self) -> str:
        """The chaincode called; empty for a configuration transaction."""
        return self.actions[0].chaincode if self.actions else ""

    @property
    def arguments(self) -> tuple[bytes, ...]:
        """The call's arguments, the function's name first."""
        return self.actions[0].arguments if self.actions else ()

    @property
    def response_payload(self) -> bytes:
        """What the chaincode returned."""
        return self.actions[0].result if self.actions else b""

    @property
    def events(self) -> tuple[ChaincodeEvent, ...]:
        """The chaincode event it set, if any."""
        return tuple(action.event for action in self.actions if action.event is not None)

    @property
    def endorsers(self) -> tuple[str, ...]:
        """The MSP ids of those who endorsed it."""
        return tuple(each.endorser.mspid for action in self.actions for each in action.endorsements)


def decode_transaction(
    envelope: bytes, validation: ValidationCode | None = None, block_number: int = UNKNOWN_BLOCK
) -> BlockTransaction:
    """Read a ``common.Envelope``. Raises UnexpectedAnswerError.

    ::

        block = await peer.get_block_by_number("newtown", 1)
        print(decode_transaction(block.envelopes[0]).creator.mspid)
    """
    outer = parse(common_pb2.Envelope, envelope)
    payload = parse(common_pb2.Payload, outer.payload)
    header = parse(common_pb2.ChannelHeader, payload.header.channel_header)
    signed_by = parse(common_pb2.SignatureHeader, payload.header.signature_header)
    return BlockTransaction(
        transaction_id=header.tx_id,
        channel=header.channel_id,
        kind=header_kind(header.type),
        timestamp_ns=header.timestamp.seconds * 1_000_000_000 + header.timestamp.nanos,
        creator=decode_creator(signed_by.creator),
        nonce=signed_by.nonce,
        validation=validation,
        payload=outer.payload,
        signature=outer.signature,
        block_number=block_number,
    )


def unreadable_transaction(validation: ValidationCode, block_number: int) -> BlockTransaction:
    """What a block tells of a transaction that peers found invalid and that cannot be read."""
    nobody = Creator("", b"", b"")
    return BlockTransaction("", "", UNREADABLE, 0, nobody, b"", validation, b"", b"", block_number)


def decode_processed_transaction(content: bytes) -> BlockTransaction:
    """Read a ``protos.ProcessedTransaction``, the answer to a query by transaction id."""
    processed = parse(transaction_pb2.ProcessedTransaction, content)
    envelope = processed.transactionEnvelope.SerializeToString()
    return decode_transaction(envelope, ValidationCode(processed.validationCode))


def decode_creator(serialized: bytes) -> Creator:
    """Read a ``msp.SerializedIdentity``. Empty bytes (genesis blocks) give an empty creator."""
    identity = parse(identities_pb2.SerializedIdentity, serialized)
    return Creator(identity.mspid, identity.id_bytes, serialized)


def signer_of(serialized: bytes) -> Creator:
    """As decode_creator, without MSP id and certificate where it cannot be read.

    Peers pass over such endorsers and orderers: a valid transaction may have one beside enough others, and a block.
    """
    try:
        return decode_creator(serialized)
    except UnexpectedAnswerError:
        return Creator("", b"", serialized)


def header_kind(number: int) -> str:
    """The name of a ``common.HeaderType``, or TYPE_ and its number for one that only a later Fabric knows."""
    known = number in common_pb2.HeaderType.values()
    return common_pb2.HeaderType.Name(number) if known else f"TYPE_{number}"


def chaincode_event(message: Any, block_number: int) -> ChaincodeEvent:
    """A typed value of ``protos.ChaincodeEvent``."""
    return ChaincodeEvent(
        block_number, message.tx_id, message.chaincode_id, message.event_name, message.payload
    )


def _actions(content: bytes, block_number: int) -> tuple[ChaincodeAction, ...]:
    actions = parse(transaction_pb2.Transaction, content).actions
    if not actions:
        raise UnexpectedAnswerError("the transaction has no action")
    return tuple(_action(each, block_number) for each in actions)


def _invocation(proposed: bytes) -> Any:
    """What was asked for. Peers only hash it once it is endorsed: a valid transaction may hold anything here."""
    try:
        asked = parse(proposal_pb2.ChaincodeProposalPayload, proposed).input
        return parse(chaincode_pb2.ChaincodeInvocationSpec, asked)
    except UnexpectedAnswerError:
        return chaincode_pb2.ChaincodeInvocationSpec()


def _action(action: Any, block_number: int) -> ChaincodeAction:
    payload = parse(transaction_pb2.ChaincodeActionPayload, action.payload)
    invocation = _invocation(payload.chaincode_proposal_payload)
    signed = payload.action.proposal_response_payload
    response_payload = parse(proposal_response_pb2.ProposalResponsePayload, signed)
    outcome = parse(proposal_pb2.ChaincodeAction, response_payload.extension)
    event: ChaincodeEvent | None = None
    if outcome.events:
        event = chaincode_event(parse(chaincode_event_pb2.ChaincodeEvent, outcome.events), block_number)
    return ChaincodeAction(
        chaincode=invocation.chaincode_spec.chaincode_id.name or outcome.chaincode_id.name,
        chaincode_version=outcome.chaincode_id.version,
        arguments=tuple(invocation.chaincode_spec.input.args),
        status=outcome.response.status,
        message=outcome.response.message,
        result=outcome.response.payload,
        event=event,
        results=outcome.results,
        endorsements=tuple(
            Endorsement(signer_of(each.endorser), each.signature) for each in payload.action.endorsements
        ),
        response_payload=signed,
        proposal_hash=response_payload.proposal_hash,
        proposal_payload=payload.chaincode_proposal_payload,
    )
