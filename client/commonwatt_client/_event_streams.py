# SPDX-License-Identifier: Apache-2.0
"""The flow of an event stream: open, read, and resume after a cut with nothing missed and nothing twice."""

import logging
import time
from typing import Any

import grpc
from fabric_protos.orderer import ab_pb2

from commonwatt_client._deadlines import status_at_the_end
from commonwatt_client._effects import CallFailed, CloseStream, Emit, Flow, OpenStream, Read, Sleep
from commonwatt_client._event_kinds import EventKind, Position, filtered_blocks, seek_envelope
from commonwatt_client._failures import call_error
from commonwatt_client._transactions import Party, is_unreachable, sign
from commonwatt_client.errors import ErrorCode, EventsError
from commonwatt_client.explain import EXPLANATIONS
from commonwatt_client.ledger import FilteredBlock
from commonwatt_client.retry import ReconnectPolicy

_log = logging.getLogger("commonwatt_client")

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

_BEHIND_AT_MOST_S = 5.0
"""How long a peer that has come back is given to reach a checkpoint."""

_ASK_AGAIN_S = 0.5


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
    the position stays as wanted. Raises EventsError where no peer can be reached, and for a checkpoint beyond the
    ledger of every peer, or of a transaction that its block does not hold: it would wait for ever, or skip events.
    """
    if party.signer is None:
        return wanted
    try:
        newest = yield from _newest_block(party, channel, timeout_s)
        if newest is None:
            return wanted
        if wanted.is_checkpoint and wanted.block is not None:
            patience_s = min(_BEHIND_AT_MOST_S, timeout_s or _BEHIND_AT_MOST_S)
            while wanted.block > newest.number + 1 and patience_s > 0:
                patience_s -= _ASK_AGAIN_S
                party.peers.leave(party.peers.current, "behind the checkpoint")
                yield Sleep(_ASK_AGAIN_S)
                newest = (yield from _newest_block(party, channel, timeout_s)) or newest
            yield from _check(party, channel, wanted, newest, timeout_s)
        elif wanted.block is None and not wanted.after_transaction:
            return Position(newest.number + 1)
    except CallFailed:
        pass  # it may not read blocks, or the block is older than the peer's ledger
    return wanted


def _check(
    party: Party, channel: str, checkpoint: Position, newest: FilteredBlock, timeout_s: float | None
) -> Flow[None]:
    """Raises EventsError where the checkpoint is of another ledger than the one whose newest block this is."""
    wanted, transaction_id = checkpoint.block, checkpoint.after_transaction
    assert wanted is not None
    if wanted > newest.number + 1 or (transaction_id and wanted > newest.number):
        problem = f"the newest block of channel {channel} is {newest.number}"
    elif not transaction_id:
        return
    else:
        number = ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=wanted))
        block = yield from _one_block(party, channel, party.peers.current, number, timeout_s)
        if block is None or transaction_id in [each.transaction_id for each in block.transactions]:
            return
        problem = f"block {wanted} of channel {channel} does not hold that transaction"
    explanation = EXPLANATIONS[ErrorCode.CHECKPOINT_OF_ANOTHER_LEDGER]
    after = f" after transaction {transaction_id}" if transaction_id else ""
    raise EventsError(
        f"the checkpoint is at block {wanted}{after}, but {problem}",
        code=ErrorCode.CHECKPOINT_OF_ANOTHER_LEDGER,
        advice=explanation.next_step,
    )


def _newest_block(party: Party, channel: str, timeout_s: float | None) -> Flow[FilteredBlock | None]:
    """Of the first peer that can be reached. Raises EventsError where there is none, and CallFailed."""
    newest = ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest())
    for _ in range(len(party.peers)):
        index = party.peers.current
        try:
            return (yield from _one_block(party, channel, index, newest, timeout_s))
        except CallFailed as failed:
            if not is_unreachable(failed):
                raise
            party.peers.leave(index, failed.status.name)
            last = call_error(EventsError, failed, party.peers.name(index))
    raise last


def _one_block(
    party: Party, channel: str, index: int, seek: Any, timeout_s: float | None
) -> Flow[FilteredBlock | None]:
    kind = filtered_blocks(channel)
    request = seek_envelope(party, channel, seek, seek)
    yield from sign_events_request(party, request)
    stream = yield OpenStream(index, kind.method, request.SerializeToString(), timeout_s)
    message = yield Read(stream)
    yield CloseStream(stream)
    block: FilteredBlock | None = kind.read(message)[0] if message else None
    return block


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
        opened_at = time.monotonic()
        try:
            yield from sign_events_request(party, request)
            opened_at = time.monotonic()
            stream = yield OpenStream(index, kind.method, request.SerializeToString(), timeout_s)
            while (message := (yield Read(stream))) is not None:
                if failures:
                    _log.info(
                        "events of channel %s come again, from %s", kind.channel, party.peers.name(index)
                    )
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
        failed.status = status_at_the_end(failed.status, now - opened_at, timeout_s)
        cut_at = now if cut_at is None else cut_at
        if policy is None or failed.status in _FINAL or now - cut_at > policy.max_outage_s:
            error = call_error(EventsError, failed, party.peers.name(index))
            error.tries = failures
            raise error from failed
        party.peers.leave(index, failed.status.name)
        pause_s = policy.pause_s(failures)
        _log.warning(
            "events of channel %s were cut at %s (%s, attempt %d); asking again from block %s in %.2f s",
            kind.channel,
            party.peers.name(index),
            failed.status.name,
            failures,
            "next" if cursor.position.block is None else cursor.position.block,
            pause_s,
        )
        yield Sleep(pause_s)
        request = kind.new_request(party, cursor.position)
