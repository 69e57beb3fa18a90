"""The flow of an event stream: open, read, and resume after a cut with nothing missed and nothing twice."""

import time
from typing import Any

import grpc
from fabric_protos.orderer import ab_pb2

from commonwatt_client._effects import CallFailed, CloseStream, Emit, Flow, OpenStream, Read, Sleep
from commonwatt_client._event_kinds import EventKind, Position, filtered_blocks, seek_envelope
from commonwatt_client._failures import call_error
from commonwatt_client._transactions import Party, is_unreachable, sign
from commonwatt_client.errors import EventsError
from commonwatt_client.retry import ReconnectPolicy

_FINAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
"""Statuses that another attempt would meet again."""


def sign_events_request(party: Party, request: Any) -> Flow[None]:
    """Sign a Deliver envelope or a chaincode events request in place, unless it is signed."""
    if not request.signature:
        message = request.payload if hasattr(request, "payload") else request.request
        request.signature = yield from sign(party, message)


def starting_position(
    party: Party, channel: str, wanted: Position, timeout_s: float | None
) -> Flow[Position]:
    """`wanted` with "the next block" made a number, so that no block is missed if the stream is cut before it.

    Reads the newest block's number from the peer; where this identity may not read filtered blocks, or cannot sign,
    the position stays as wanted. Raises EventsError where no peer can be reached.
    """
    if party.signer is None:
        return wanted
    for _ in range(len(party.peers)):
        index = party.peers.current
        try:
            newest = yield from _newest_block(party, channel, index, timeout_s)
        except CallFailed as failed:
            if not is_unreachable(failed):
                return wanted
            party.peers.leave(index)
            last = call_error(EventsError, failed, party.peers.name(index))
        else:
            if newest is None or wanted.block is not None or wanted.after_transaction:
                return wanted
            return Position(newest + 1)
    raise last


def _newest_block(party: Party, channel: str, index: int, timeout_s: float | None) -> Flow[int | None]:
    newest = ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest())
    kind = filtered_blocks(channel)
    request = seek_envelope(party, channel, newest, newest)
    yield from sign_events_request(party, request)
    stream = yield OpenStream(index, kind.method, request.SerializeToString(), timeout_s)
    message = yield Read(stream)
    yield CloseStream(stream)
    number: int | None = kind.read(message)[0].number if message else None
    return number


def events(
    party: Party,
    kind: EventKind,
    request: Any,
    position: Position,
    timeout_s: float | None,
    policy: ReconnectPolicy | None,
) -> Flow[None]:
    """Emit the events that a request asks for; after a cut ask anew from where the reader is, if a policy allows."""
    cursor = kind.new_cursor(position)
    cut_at: float | None = None
    failures = 0
    while True:
        index = party.peers.current
        try:
            yield from sign_events_request(party, request)
            stream = yield OpenStream(index, kind.method, request.SerializeToString(), timeout_s)
            while (message := (yield Read(stream))) is not None:
                cut_at, failures = None, 0
                for event in kind.read(message):
                    if cursor.is_new(event):
                        yield Emit(event)
                        cursor.passed(event)
            failed = CallFailed(grpc.StatusCode.UNAVAILABLE, "the peer ended the stream")
        except CallFailed as failure:
            failed = failure
        failures += 1
        now = time.monotonic()
        cut_at = now if cut_at is None else cut_at
        if policy is None or failed.status in _FINAL or now - cut_at > policy.max_outage_s:
            error = call_error(EventsError, failed, party.peers.name(index))
            error.tries = failures
            raise error
        party.peers.leave(index)
        yield Sleep(policy.pause_s(failures))
        request = kind.new_request(party, cursor.position)
