# SPDX-License-Identifier: Apache-2.0
"""The four kinds of event stream: how each is asked for, read, and resumed, without I/O."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2

from commonwatt_client._effects import CallFailed
from commonwatt_client._transactions import Party
from commonwatt_client.ledger.block import block_of
from commonwatt_client.ledger.delivered import block_and_private_data, filtered_block
from commonwatt_client.ledger.transaction import chaincode_event
from commonwatt_client.ledger.wire import parse

LAST_BLOCK = 2**64 - 1
_DELIVER_STATUS = {
    common_pb2.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    common_pb2.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    common_pb2.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class Position:
    """Where a stream starts.

    Attributes:
        block: the first block; None for the next one to be committed.
        after_transaction: skip that block's events up to and with this transaction's (chaincode events only).
        is_checkpoint: a former run got there, so that the ledger has to hold what is before it.
    """

    block: int | None = None
    after_transaction: str = ""
    is_checkpoint: bool = False


class EventKind(Protocol):
    """One kind of event stream on one channel."""

    @property
    def method(self) -> str:
        """The gRPC method."""
        ...

    @property
    def channel(self) -> str:
        """The channel's name."""
        ...

    def new_request(self, party: Party, position: Position) -> Any:
        """The request message, not yet signed."""
        ...

    def read(self, message: bytes) -> list[Any]:
        """The events of one message; raises MalformedMessageError, or CallFailed where it is the peer's refusal."""
        ...

    def new_cursor(self, position: Position) -> "Cursor":
        """Follows what has been read, so that nothing comes twice."""
        ...


class Cursor(Protocol):
    """How far an event stream has been read."""

    @property
    def position(self) -> Position:
        """Where to go on after a cut."""
        ...

    def is_new(self, event: Any) -> bool:
        """Whether the event hasn't been passed yet; raises CallFailed where one between is missing."""
        ...

    def passed(self, event: Any) -> None:
        """Note that the event was handed over."""
        ...


def seek_position(position: Position) -> Any:
    """An `orderer.SeekPosition`."""
    if position.block is None:
        return ab_pb2.SeekPosition(next_commit=ab_pb2.SeekNextCommit())
    return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=position.block))


def seek_envelope(party: Party, channel: str, start: Any, stop: Any = None) -> Any:
    """A Deliver request from `start` to `stop` (orderer.SeekPosition), without end by default, not yet signed."""
    header = common_pb2.ChannelHeader(
        type=common_pb2.DELIVER_SEEK_INFO,
        channel_id=channel,
        tls_cert_hash=party.peers.tls_certificate_hash,
    )
    header.timestamp.seconds, header.timestamp.nanos = divmod(time.time_ns(), 1_000_000_000)
    forever = ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=LAST_BLOCK))
    payload = common_pb2.Payload(
        header=common_pb2.Header(
            channel_header=header.SerializeToString(),
            signature_header=common_pb2.SignatureHeader(creator=party.identity.creator).SerializeToString(),
        ),
        data=ab_pb2.SeekInfo(start=start, stop=stop or forever).SerializeToString(),
    )
    return common_pb2.Envelope(payload=payload.SerializeToString())


class _ChaincodeCursor:
    def __init__(self, position: Position) -> None:
        self._block = -1 if position.block is None else position.block
        self._seen = {position.after_transaction} if position.after_transaction else set()
        self.position = position

    def is_new(self, event: Any) -> bool:
        if event.block_number == self._block:
            return event.transaction_id not in self._seen
        return bool(event.block_number > self._block)

    def passed(self, event: Any) -> None:
        if event.block_number > self._block:
            self._block = event.block_number
            self._seen.clear()
        self._seen.add(event.transaction_id)
        self.position = Position(event.block_number, event.transaction_id)


class _BlockCursor:
    def __init__(self, position: Position) -> None:
        self.position = position

    def is_new(self, event: Any) -> bool:
        due = self.position.block
        if due is not None and event.number > due:
            raise CallFailed(grpc.StatusCode.DATA_LOSS, f"block {event.number} came where {due} was due")
        return due is None or event.number == due

    def passed(self, event: Any) -> None:
        self.position = Position(event.number + 1)


@dataclass(frozen=True, slots=True)
class ChaincodeEvents:
    """The events of one chaincode, through the Gateway service."""

    channel: str
    chaincode: str
    method: str = "/gateway.Gateway/ChaincodeEvents"

    def new_request(self, party: Party, position: Position) -> Any:
        request = gateway_pb2.ChaincodeEventsRequest(
            channel_id=self.channel,
            chaincode_id=self.chaincode,
            identity=party.identity.creator,
            start_position=seek_position(position),
            after_transaction_id=position.after_transaction,
        )
        return gateway_pb2.SignedChaincodeEventsRequest(request=request.SerializeToString())

    def read(self, message: bytes) -> list[Any]:
        response = parse(gateway_pb2.ChaincodeEventsResponse, message)
        return [chaincode_event(event, response.block_number) for event in response.events]

    def new_cursor(self, position: Position) -> Cursor:
        return _ChaincodeCursor(position)


@dataclass(frozen=True, slots=True)
class BlockEvents:
    """Blocks of one of three contents, through the Deliver service."""

    channel: str
    method: str
    content: str
    typed: Callable[[Any], Any]

    def new_request(self, party: Party, position: Position) -> Any:
        return seek_envelope(party, self.channel, seek_position(position))

    def read(self, message: bytes) -> list[Any]:
        response = parse(events_pb2.DeliverResponse, message)
        kind = response.WhichOneof("Type")
        if kind == self.content:
            return [self.typed(getattr(response, kind))]
        status = response.status
        name = common_pb2.Status.Name(status) if status in common_pb2.Status.values() else status
        raise CallFailed(
            _DELIVER_STATUS.get(status, grpc.StatusCode.UNAVAILABLE),
            f"the peer ended the block events of channel {self.channel} with status {name}",
        )

    def new_cursor(self, position: Position) -> Cursor:
        return _BlockCursor(position)


def full_blocks(channel: str) -> BlockEvents:
    """Whole blocks."""
    return BlockEvents(
        channel, "/protos.Deliver/Deliver", "block", lambda block: block_of(block, block.SerializeToString())
    )


def filtered_blocks(channel: str) -> BlockEvents:
    """Blocks without contents."""
    return BlockEvents(channel, "/protos.Deliver/DeliverFiltered", "filtered_block", filtered_block)


def blocks_and_private_data(channel: str) -> BlockEvents:
    """Blocks with the private data the reader may see."""
    return BlockEvents(
        channel,
        "/protos.Deliver/DeliverWithPrivateData",
        "block_and_private_data",
        block_and_private_data,
    )


def read_chaincode_events_request(serialised: bytes) -> tuple[ChaincodeEvents, Any, Position]:
    """Kind, request and position from a request's bytes; raises MalformedMessageError."""
    signed = parse(gateway_pb2.SignedChaincodeEventsRequest, serialised)
    request = parse(gateway_pb2.ChaincodeEventsRequest, signed.request)
    position = _position(request.start_position, request.after_transaction_id)
    return ChaincodeEvents(request.channel_id, request.chaincode_id), signed, position


def read_block_events_request(
    kind_of: Callable[[str], BlockEvents], serialised: bytes
) -> tuple[BlockEvents, Any, Position]:
    """Kind, request and position from a request's bytes; raises MalformedMessageError."""
    envelope = parse(common_pb2.Envelope, serialised)
    payload = parse(common_pb2.Payload, envelope.payload)
    header = parse(common_pb2.ChannelHeader, payload.header.channel_header)
    seek = parse(ab_pb2.SeekInfo, payload.data)
    return kind_of(header.channel_id), envelope, _position(seek.start)


def _position(start: Any, after_transaction: str = "") -> Position:
    block = start.specified.number if start.WhichOneof("Type") == "specified" else None
    return Position(block, after_transaction)
