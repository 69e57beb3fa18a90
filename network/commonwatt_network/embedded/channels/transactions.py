# SPDX-License-Identifier: Apache-2.0
"""Ordered transactions: taken apart and checked as far as that needs no state.

The checks and their codes are those of Fabric's `ValidateTransaction` and plugin dispatcher, in the same order.
Their outcome is the same on every peer, so peers of one process may share the parsed form of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from commonwatt_client.ledger.hashes import proposal_hash, transaction_id
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv
from fabric_protos.peer import chaincode_event_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.message import DecodeError

Codes = transaction_pb2.TxValidationCode


@dataclass(frozen=True)
class CollectionSets:
    """One collection's hashed reads and writes, and the hash that its private write set must have."""

    collection: str
    hashed: Any
    private_hash: bytes

    @property
    def writes(self) -> bool:
        return bool(self.hashed.hashed_writes or self.hashed.metadata_writes)


@dataclass(frozen=True)
class NamespaceSets:
    """One namespace's reads and writes."""

    namespace: str
    public: Any
    collections: tuple[CollectionSets, ...]

    @property
    def writes(self) -> bool:
        public = self.public.writes or self.public.metadata_writes
        return bool(public) or any(collection.writes for collection in self.collections)


@dataclass(frozen=True)
class Endorsed:
    """The endorsed action of a transaction. `response_payload` is what endorsers signed, before their identity."""

    chaincode_name: str
    response_payload: bytes
    endorsements: Sequence[Any]
    namespaces: tuple[NamespaceSets, ...]
    event: Any | None
    response: Any


@dataclass(frozen=True)
class Transaction:
    """One envelope of a block. `code` is the verdict so far: VALID where it passed each check that needs no state.

    `endorsed` is set for valid endorser transactions; `is_config` for configuration transactions.
    """

    code: int
    transaction_id: str = ""
    envelope: Any = None
    payload: Any = None
    channel_header: Any = None
    creator: bytes = b""
    endorsed: Endorsed | None = None

    @property
    def type(self) -> int:
        return self.channel_header.type if self.channel_header is not None else -1

    @property
    def is_config(self) -> bool:
        return bool(self.type == common_pb2.CONFIG)


class _Invalid(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


def parse_transaction(encoded: bytes) -> Transaction:
    """Never fails: what cannot be read becomes a transaction with the code that says so."""
    try:
        envelope = common_pb2.Envelope.FromString(encoded)
    except DecodeError:
        return Transaction(Codes.INVALID_OTHER_REASON)
    try:
        payload = common_pb2.Payload.FromString(envelope.payload)
    except DecodeError:
        return Transaction(Codes.BAD_PAYLOAD, envelope=envelope)
    try:
        channel_header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    except DecodeError:
        return Transaction(Codes.BAD_COMMON_HEADER, envelope=envelope, payload=payload)
    try:
        signature_header = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
    except DecodeError:
        return Transaction(Codes.BAD_COMMON_HEADER, channel_header.tx_id, envelope=envelope, payload=payload)
    # Fabric's ledgers note a transaction that states no id under the id that it should have stated.
    named = channel_header.tx_id
    if not named and payload.HasField("header"):
        named = transaction_id(signature_header.nonce, signature_header.creator)
    common = {
        "transaction_id": named,
        "envelope": envelope,
        "payload": payload,
        "channel_header": channel_header,
        "creator": signature_header.creator,
    }
    known_types = (common_pb2.ENDORSER_TRANSACTION, common_pb2.CONFIG_UPDATE, common_pb2.CONFIG)
    if channel_header.type not in known_types or channel_header.epoch:
        return Transaction(Codes.BAD_COMMON_HEADER, **common)
    if not signature_header.nonce or not signature_header.creator:
        return Transaction(Codes.BAD_COMMON_HEADER, **common)
    if channel_header.type == common_pb2.CONFIG:
        return Transaction(Codes.VALID, **common)
    if channel_header.type != common_pb2.ENDORSER_TRANSACTION:
        return Transaction(Codes.UNSUPPORTED_TX_PAYLOAD, **common)
    if transaction_id(signature_header.nonce, signature_header.creator) != channel_header.tx_id:
        return Transaction(Codes.BAD_PROPOSAL_TXID, **common)
    try:
        return Transaction(Codes.VALID, **common, endorsed=_parse_endorsed(payload, channel_header))
    except _Invalid as invalid:
        return Transaction(invalid.code, **common)


def _parse_endorsed(payload: Any, channel_header: Any) -> Endorsed:
    try:
        transaction = transaction_pb2.Transaction.FromString(payload.data)
        if len(transaction.actions) != 1:
            raise _Invalid(Codes.INVALID_ENDORSER_TRANSACTION)
        action = transaction.actions[0]
        action_header = common_pb2.SignatureHeader.FromString(action.header)
        action_payload = transaction_pb2.ChaincodeActionPayload.FromString(action.payload)
        response_payload = action_payload.action.proposal_response_payload
        response = proposal_response_pb2.ProposalResponsePayload.FromString(response_payload)
    except DecodeError:
        raise _Invalid(Codes.INVALID_ENDORSER_TRANSACTION) from None
    if not action_header.nonce or not action_header.creator:
        raise _Invalid(Codes.INVALID_ENDORSER_TRANSACTION)
    proposed = action_payload.chaincode_proposal_payload  # hashed as it is, and not read
    if not proposed:
        raise _Invalid(Codes.INVALID_ENDORSER_TRANSACTION)
    if proposal_hash(payload.header.channel_header, action.header, proposed) != response.proposal_hash:
        raise _Invalid(Codes.INVALID_ENDORSER_TRANSACTION)
    try:
        extension = proposal_pb2.ChaincodeHeaderExtension.FromString(channel_header.extension)
    except DecodeError:
        raise _Invalid(Codes.BAD_HEADER_EXTENSION) from None
    try:
        chaincode_action = proposal_pb2.ChaincodeAction.FromString(response.extension)
    except DecodeError:
        raise _Invalid(Codes.BAD_RESPONSE_PAYLOAD) from None
    namespaces = _parse_sets(chaincode_action.results)
    if not extension.HasField("chaincode_id") or not chaincode_action.HasField("chaincode_id"):
        raise _Invalid(Codes.INVALID_OTHER_REASON)
    name = extension.chaincode_id.name
    if not name or name != chaincode_action.chaincode_id.name or not chaincode_action.chaincode_id.version:
        raise _Invalid(Codes.INVALID_CHAINCODE)
    event = None
    if chaincode_action.events:
        try:
            event = chaincode_event_pb2.ChaincodeEvent.FromString(chaincode_action.events)
        except DecodeError:
            raise _Invalid(Codes.INVALID_OTHER_REASON) from None
        if event.chaincode_id != name:
            raise _Invalid(Codes.INVALID_OTHER_REASON)
    if len({sets.namespace for sets in namespaces}) != len(namespaces):
        raise _Invalid(Codes.ILLEGAL_WRITESET)
    return Endorsed(
        chaincode_name=name,
        response_payload=response_payload,
        endorsements=tuple(action_payload.action.endorsements),
        namespaces=namespaces,
        event=event,
        response=chaincode_action.response,
    )


def _parse_sets(results: bytes) -> tuple[NamespaceSets, ...]:
    try:
        return tuple(
            NamespaceSets(
                namespace=sets.namespace,
                public=kv.KVRWSet.FromString(sets.rwset),
                collections=tuple(
                    CollectionSets(
                        hashed_sets.collection_name,
                        kv.HashedRWSet.FromString(hashed_sets.hashed_rwset),
                        hashed_sets.pvt_rwset_hash,
                    )
                    for hashed_sets in sets.collection_hashed_rwset
                ),
            )
            for sets in rwset_pb2.TxReadWriteSet.FromString(results).ns_rwset
        )
    except DecodeError:
        raise _Invalid(Codes.BAD_RWSET) from None


class BlockParser:
    """Parses blocks; remembers the last few, so that peers which share it parse each block once."""

    def __init__(self, remembered_blocks: int = 8) -> None:
        self._limit = remembered_blocks
        self._parsed: dict[bytes, tuple[Transaction, ...]] = {}

    def parse(self, block: Any) -> tuple[Transaction, ...]:
        """The transactions of a block whose data hash has been checked against its data."""
        key = block.header.data_hash
        parsed = self._parsed.get(key)
        if parsed is None:
            parsed = tuple(parse_transaction(encoded) for encoded in block.data.data)
            self._parsed[key] = parsed
            if len(self._parsed) > self._limit:
                del self._parsed[next(iter(self._parsed))]
        return parsed
