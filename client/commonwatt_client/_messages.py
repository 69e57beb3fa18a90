# SPDX-License-Identifier: Apache-2.0
"""What can be signed elsewhere: proposals, transactions, commit status and event requests as bytes and digests.

Each is a Fabric message and the party it belongs to; the async and the sync client add the calls.
"""

from functools import cached_property
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2

from commonwatt_client._event_kinds import LAST_BLOCK, EventKind, Position
from commonwatt_client._transactions import Party, parse_result
from commonwatt_client.checkpoint import Checkpoint
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.ledger.wire import parse


class ProposalMessage:
    """A proposal: the call of a transaction function, to be evaluated or endorsed."""

    def __init__(self, party: Party, proposed: Any, channel: str) -> None:
        self._party = party
        self._proposed = proposed
        self._channel = channel

    @property
    def transaction_id(self) -> str:
        """The transaction's id, hex."""
        return str(self._proposed.transaction_id)

    @property
    def digest(self) -> bytes:
        """What to sign (see `Identity.digest`)."""
        return self._party.identity.digest(self._proposed.proposal.proposal_bytes)

    def to_bytes(self) -> bytes:
        """The serialised `gateway.ProposedTransaction`, for `gateway.new_signed_proposal`."""
        return bytes(self._proposed.SerializeToString())


class TransactionMessage:
    """An endorsed transaction, to be submitted."""

    def __init__(self, party: Party, prepared: Any) -> None:
        self._party = party
        self._prepared = prepared
        self._channel, self._result = parse_result(prepared.envelope)

    @property
    def transaction_id(self) -> str:
        """The transaction's id, hex."""
        return str(self._prepared.transaction_id)

    @property
    def result(self) -> bytes:
        """What the transaction function returned; it holds once the transaction has committed."""
        return self._result

    @property
    def envelope(self) -> bytes:
        """The envelope with every endorsement as the peers gave it, which `ledger.decode_transaction` reads.

        Unsubmitted, it proves what these peers answered.
        """
        return bytes(self._prepared.envelope.SerializeToString())

    @property
    def digest(self) -> bytes:
        """What to sign (see `Identity.digest`)."""
        return self._party.identity.digest(self._prepared.envelope.payload)

    def to_bytes(self) -> bytes:
        """The serialised `gateway.PreparedTransaction`, for `gateway.new_signed_transaction`."""
        return bytes(self._prepared.SerializeToString())


class CommitMessage:
    """A submitted transaction, whose commit status can be asked for."""

    def __init__(self, party: Party, request: Any, transaction_id: str) -> None:
        self._party = party
        self._request = request
        self._transaction_id = transaction_id

    @property
    def transaction_id(self) -> str:
        """The transaction's id, hex."""
        return self._transaction_id

    @property
    def digest(self) -> bytes:
        """What to sign (see `Identity.digest`)."""
        return self._party.identity.digest(self._request.request)

    def to_bytes(self) -> bytes:
        """The serialised `gateway.SignedCommitStatusRequest`, for `gateway.new_signed_commit`."""
        return bytes(self._request.SerializeToString())


class EventsRequestMessage:
    """A request for an event stream."""

    def __init__(self, party: Party, kind: EventKind, request: Any, position: Position) -> None:
        self._party = party
        self._kind = kind
        self._request = request
        self._position = position

    @cached_property
    def _to_sign(self) -> bytes:
        return bytes(self._request.payload if hasattr(self._request, "payload") else self._request.request)

    @property
    def digest(self) -> bytes:
        """What to sign (see `Identity.digest`)."""
        return self._party.identity.digest(self._to_sign)

    def to_bytes(self) -> bytes:
        """The serialised request, for the gateway's `new_signed_..._events_request` of its kind."""
        return bytes(self._request.SerializeToString())


def read_proposal(serialised: bytes, signature: bytes) -> tuple[Any, str]:
    """A `gateway.ProposedTransaction` and its channel from bytes, signed unless the signature is empty."""
    proposed = parse(gateway_pb2.ProposedTransaction, serialised)
    proposal = parse(proposal_pb2.Proposal, proposed.proposal.proposal_bytes)
    header = parse(common_pb2.Header, proposal.header)
    channel = parse(common_pb2.ChannelHeader, header.channel_header).channel_id
    if signature:
        proposed.proposal.signature = signature
    return proposed, channel


def read_transaction(serialised: bytes, signature: bytes) -> Any:
    """A `gateway.PreparedTransaction` from bytes, signed unless the signature is empty."""
    prepared = parse(gateway_pb2.PreparedTransaction, serialised)
    if signature:
        prepared.envelope.signature = signature
    return prepared


def read_commit(serialised: bytes, signature: bytes) -> tuple[Any, str]:
    """A `gateway.SignedCommitStatusRequest` and its transaction id from bytes, signed unless the signature is empty."""
    signed = parse(gateway_pb2.SignedCommitStatusRequest, serialised)
    request = parse(gateway_pb2.CommitStatusRequest, signed.request)
    if signature:
        signed.signature = signature
    return signed, request.transaction_id


def start_position(start_block: int | None, checkpoint: Checkpoint | None) -> Position:
    """Where events start: after the checkpoint where it holds anything, else at the block given, else from now.

    Raises ConfigurationError for what is no block number or transaction id.
    """
    _check_block_number(start_block, "start_block")
    if checkpoint is None:
        return Position(start_block)
    block_number, transaction_id = checkpoint.block_number, checkpoint.transaction_id
    _check_block_number(block_number, "the checkpoint's block_number")
    if not isinstance(transaction_id, str) or not transaction_id.isascii():
        raise ConfigurationError(f"the checkpoint's transaction_id is text in hex, not {transaction_id!r}")
    if block_number is None and not transaction_id:
        return Position(start_block)
    return Position(block_number, transaction_id, is_checkpoint=True)


def _check_block_number(number: int | None, what: str) -> None:
    if number is not None and not (type(number) is int and 0 <= number < LAST_BLOCK):
        raise ConfigurationError(f"{what} is a block number from 0 to {LAST_BLOCK - 1}, not {number!r}")
