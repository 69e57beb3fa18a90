# SPDX-License-Identifier: Apache-2.0
"""Routes about the service itself, and the stream of events."""

from contextlib import aclosing

from aiohttp import web

from . import sessions
from .heard import Place
from .problems import Problem
from .route import Call

HEARTBEAT_S = 15.0
MOST_STREAMS = 8


async def get_health(call: Call) -> web.Response:
    """Whether the service can do its work: 200, or 503 without its peer or without a key for receipts."""
    parts = call.parts
    state = "ok"
    if parts.is_stopping:
        state = "stopping"
    elif not parts.ledger.answers:
        state = "no_peer"
    elif parts.receipts() is None:
        state = "no_receipt_key"
    answer = {"state": state, "messages_waiting": len(parts.outbox), "listeners": len(parts.hub)}
    return web.json_response(answer, status=200 if state == "ok" else 503)


async def get_metrics(call: Call) -> web.Response:
    """The service's figures for Prometheus, to callers on this machine alone."""
    if call.address not in ("127.0.0.1", "::1"):
        raise Problem("unknown_route", "the service has no such route")
    parts = call.parts
    gauges = {
        "messages_waiting": len(parts.outbox),
        "listeners": len(parts.hub),
        "peer_answers": int(parts.ledger.answers),
    }
    return web.Response(text=parts.meters.text(gauges), content_type="text/plain")


async def get_events(call: Call) -> web.StreamResponse:
    """The ledger's events as they are committed, and the service's own about the caller's home."""
    last = call.values["Last-Event-ID"]
    after = Place.of(last) if last else None
    if call.parts.hub.streams_of(call.caller) >= MOST_STREAMS:
        raise Problem("too_many_requests", f"a caller has at most {MOST_STREAMS} streams of events", 15)
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await answer.prepare(call.request)
    await answer.write(b": listening\n\n")
    async with aclosing(call.parts.hub.lines(call.caller, after, HEARTBEAT_S)) as lines:
        async for line in lines:
            if not line and not sessions.counts(call.parts.store, call.caller):
                break
            await answer.write(line or b": still here\n\n")
    return answer
