"""Blocks as typed values: full, filtered and with private data.

A block's transactions are parsed when asked for, once; `raw` keeps the bytes the peer sent, for auditors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    chaincode_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)

from commonwatt_client._transactions import parse
from commonwatt_client.errors import MalformedMessageError
from commonwatt_client.validation import ValidationCode


@dataclass(frozen=True, slots=True)
class ChaincodeEvent:
    """An event that a committed, valid transaction set.

    Attributes:
        block_number: the block that holds the transaction.
        transaction_id: hex.
        chaincode_name: the chaincode that set the event.
        event_name: its name.
        payload: its content.

    ::

        async with gateway.get_network("newtown").chaincode_events("market") as events:
            await market.submit_transaction("open_round", '{"minute": 600}')
            event = await anext(events)
            print(event.block_number, event.event_name, event.payload)
    """

    block_number: int
    transaction_id: str
    chaincode_name: str
    event_name: str
    payload: bytes


UNREADABLE = "UNREADABLE"


@dataclass(frozen=True, slots=True)
class BlockTransaction:
    """One transaction of a block.

    Attributes:
        transaction_id: hex; empty for a configuration transaction.
        channel: the channel.
        kind: the header type's name, such as ENDORSER_TRANSACTION or CONFIG; UNREADABLE where there is no header.
        validation_code: whether its writes took effect, and if not why.
        timestamp_ns: when the client made it, as it claims; nanoseconds since 1970 in UTC.
        creator_mspid: the submitting organisation's MSP id.
        creator_certificate: the submitting client's certificate, PEM.
        chaincode_name: the chaincode called; empty for a configuration transaction.
        arguments: the call's arguments, the function's name first.
        response_payload: what the chaincode returned.
        events: the chaincode event it set, if any.
        endorsers: the MSP ids of those who endorsed it.

    ::

        async with gateway.get_network("newtown").block_events(start_block=1) as blocks:
            for each in (await anext(blocks)).transactions:
                print(each.kind, each.validation_code.name, each.creator_mspid, each.endorsers)
    """

    transaction_id: str
    channel: str
    kind: str
    validation_code: ValidationCode
    timestamp_ns: int
    creator_mspid: str
    creator_certificate: bytes
    chaincode_name: str = ""
    arguments: tuple[bytes, ...] = ()
    response_payload: bytes = b""
    events: tuple[ChaincodeEvent, ...] = ()
    endorsers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A block of the ledger; hashes as in its header, `raw` the serialised `common.Block`.

    ::

        async with gateway.get_network("newtown").block_events(start_block=0) as blocks:
            async for block in blocks:
                again = Block.parse(block.raw)  # as an auditor would
                print(again.number, [each.kind for each in again.transactions])
                break
    """

    number: int
    previous_hash: bytes
    data_hash: bytes
    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> "Block":
        """A block from its bytes; raises MalformedMessageError."""
        header = parse(common_pb2.Block, raw, "a block").header
        return cls(header.number, header.previous_hash, header.data_hash, raw)

    @cached_property
    def transactions(self) -> tuple[BlockTransaction, ...]:
        """Its transactions in order; raises MalformedMessageError."""
        block = parse(common_pb2.Block, self.raw, "a block")
        metadata = block.metadata.metadata
        codes = (
            metadata[common_pb2.TRANSACTIONS_FILTER]
            if len(metadata) > common_pb2.TRANSACTIONS_FILTER
            else b""
        )
        return tuple(
            _transaction(data, codes[index] if index < len(codes) else 254, self.number)
            for index, data in enumerate(block.data.data)
        )


@dataclass(frozen=True, slots=True)
class FilteredTransaction:
    """What a filtered block tells of a transaction; its events come without payloads.

    ::

        async with gateway.get_network("newtown").filtered_block_events(start_block=1) as blocks:
            for each in (await anext(blocks)).transactions:
                print(each.transaction_id, each.validation_code.name)
    """

    transaction_id: str
    kind: str
    validation_code: ValidationCode
    events: tuple[ChaincodeEvent, ...]


@dataclass(frozen=True, slots=True)
class FilteredBlock:
    """A block's number and what became of its transactions, without their contents.

    ::

        async with gateway.get_network("newtown").filtered_block_events(start_block=1) as blocks:
            block = await anext(blocks)
            print(block.channel, block.number, len(block.transactions))
    """

    channel: str
    number: int
    transactions: tuple[FilteredTransaction, ...]


@dataclass(frozen=True, slots=True)
class PrivateWrite:
    """A write to a private data collection.

    Attributes:
        transaction_index: the transaction's place in its block, from 0.
        chaincode_name, collection, key: where it was written.
        value: the private value, empty for a deletion.
        is_delete: whether the key was deleted.

    ::

        async with gateway.get_network("newtown").block_and_private_data_events(start_block=1) as blocks:
            for write in (await anext(blocks)).private_writes:
                print(write.collection, write.key, write.value)
    """

    transaction_index: int
    chaincode_name: str
    collection: str
    key: str
    value: bytes
    is_delete: bool


@dataclass(frozen=True, slots=True)
class BlockAndPrivateData:
    """A block with the private data that the reader's organisation may see.

    ::

        async with gateway.get_network("newtown").block_and_private_data_events(start_block=1) as blocks:
            both = await anext(blocks)
            print(both.number, both.block.transactions[0].kind, len(both.private_writes))
    """

    block: Block
    private_writes: tuple[PrivateWrite, ...]

    @property
    def number(self) -> int:
        """The block's number."""
        return self.block.number


def header_kind(number: int) -> str:
    """The name of a header type, or its number for one that only a later Fabric knows."""
    names: dict[int, str] = {value: name for name, value in common_pb2.HeaderType.items()}
    return names.get(number, str(number))


def filtered_block(message: Any) -> FilteredBlock:
    """A typed value of `peer.FilteredBlock`."""
    return FilteredBlock(
        message.channel_id,
        message.number,
        tuple(
            FilteredTransaction(
                item.txid,
                header_kind(item.type),
                ValidationCode(item.tx_validation_code),
                tuple(
                    chaincode_event(action.chaincode_event, message.number)
                    for action in item.transaction_actions.chaincode_actions
                    if action.chaincode_event.event_name
                ),
            )
            for item in message.filtered_transactions
        ),
    )


def block_and_private_data(message: Any) -> BlockAndPrivateData:
    """A typed value of `peer.BlockAndPrivateData`; raises MalformedMessageError."""
    return BlockAndPrivateData(
        Block.parse(message.block.SerializeToString()),
        tuple(
            write
            for index in sorted(message.private_data_map)
            for write in _private_writes(index, message.private_data_map[index])
        ),
    )


def chaincode_event(message: Any, block_number: int) -> ChaincodeEvent:
    """A typed value of `peer.ChaincodeEvent`."""
    return ChaincodeEvent(
        block_number, message.tx_id, message.chaincode_id, message.event_name, message.payload
    )


def _private_writes(index: int, written: Any) -> Iterator[PrivateWrite]:
    if written.data_model != rwset_pb2.TxReadWriteSet.KV:
        raise MalformedMessageError(f"private data of an unknown model {written.data_model}")
    for namespace in written.ns_pvt_rwset:
        for collection in namespace.collection_pvt_rwset:
            rwset = parse(kv_rwset_pb2.KVRWSet, collection.rwset, "a private read-write set")
            for write in rwset.writes:
                yield PrivateWrite(
                    index,
                    namespace.namespace,
                    collection.collection_name,
                    write.key,
                    write.value,
                    write.is_delete,
                )


def _transaction(data: bytes, code: int, block_number: int) -> BlockTransaction:
    """As far as it can be read: a member can have anything ordered, which peers then find invalid."""
    try:
        return _readable_transaction(data, code, block_number)
    except MalformedMessageError:
        return BlockTransaction("", "", UNREADABLE, ValidationCode(code), 0, "", b"")


def _readable_transaction(data: bytes, code: int, block_number: int) -> BlockTransaction:
    payload = parse(
        common_pb2.Payload, parse(common_pb2.Envelope, data, "an envelope").payload, "a transaction's payload"
    )
    header = parse(common_pb2.ChannelHeader, payload.header.channel_header, "a channel header")
    signature_header = parse(
        common_pb2.SignatureHeader, payload.header.signature_header, "a signature header"
    )
    creator = parse(identities_pb2.SerializedIdentity, signature_header.creator, "a creator")
    base = {
        "transaction_id": header.tx_id,
        "channel": header.channel_id,
        "kind": header_kind(header.type),
        "validation_code": ValidationCode(code),
        "timestamp_ns": header.timestamp.seconds * 1_000_000_000 + header.timestamp.nanos,
        "creator_mspid": creator.mspid,
        "creator_certificate": creator.id_bytes,
    }
    if header.type != common_pb2.ENDORSER_TRANSACTION or code == ValidationCode.BAD_PAYLOAD:
        return BlockTransaction(**base)
    try:
        return BlockTransaction(**base, **_invocation(payload.data, block_number))
    except MalformedMessageError:
        return BlockTransaction(**base)


def _invocation(data: bytes, block_number: int) -> dict[str, Any]:
    actions = parse(transaction_pb2.Transaction, data, "a transaction").actions
    if not actions:
        return {}
    action = parse(transaction_pb2.ChaincodeActionPayload, actions[0].payload, "a chaincode action payload")
    spec = _proposed(action.chaincode_proposal_payload)
    response = parse(
        proposal_response_pb2.ProposalResponsePayload,
        action.action.proposal_response_payload,
        "a proposal response payload",
    )
    result = parse(proposal_pb2.ChaincodeAction, response.extension, "a chaincode action")
    event = parse(chaincode_event_pb2.ChaincodeEvent, result.events, "a chaincode event")
    return {
        "chaincode_name": spec.chaincode_id.name,
        "arguments": tuple(spec.input.args),
        "response_payload": result.response.payload,
        "events": (chaincode_event(event, block_number),) if event.event_name else (),
        "endorsers": tuple(_endorser(endorsement.endorser) for endorsement in action.action.endorsements),
    }


def _proposed(payload: bytes) -> Any:
    """What was asked for; empty for junk, for peers only compare its hash: a valid transaction may hold any."""
    try:
        proposal = parse(proposal_pb2.ChaincodeProposalPayload, payload, "a proposal payload")
        return parse(chaincode_pb2.ChaincodeInvocationSpec, proposal.input, "an invocation").chaincode_spec
    except MalformedMessageError:
        return chaincode_pb2.ChaincodeSpec()


def _endorser(serialized: bytes) -> str:
    """The MSP id; empty for junk, which peers pass over: a valid transaction may name it beside enough others."""
    try:
        return str(parse(identities_pb2.SerializedIdentity, serialized, "an endorser").mspid)
    except MalformedMessageError:
        return ""
