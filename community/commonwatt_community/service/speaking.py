# SPDX-License-Identifier: Apache-2.0
"""Routes of signed messages: hand some over, and ask for their results."""

import asyncio
import base64
from typing import Annotated, Any

from commonwatt_chaincode.messages.message import LARGEST_BYTES, read
from commonwatt_chaincode.messages.refusals import MessageCode, MessageRefused
from commonwatt_client import GatewayError
from pydantic import Field, StringConstraints

from ..market.carrier import WRITTEN, Admitted
from ..market.receipts import Service
from ..market.refused import Refused
from .outbox import PENDING, Entry, Spoken
from .problems import Problem
from .route import Body, Call
from .speakers import speaker_of

MOST_MESSAGES = 1_000
LARGEST_BODY = 1_048_576
LONGEST_WAIT_S = 30

_NOT_YOURS = "not_yours"


class Messages(Body):
    """Signed messages in compact form. One that is too long is refused alone."""

    messages: Annotated[
        list[Annotated[str, StringConstraints(max_length=8 * LARGEST_BYTES)]],
        Field(min_length=1, max_length=MOST_MESSAGES),
    ]


async def post_messages(call: Call) -> dict[str, Any]:
    """Take messages and promise, by a receipt for each, when they are on the ledger."""
    messages = call.body.messages
    call.parts.of_messages.take(call.caller.home, len(messages))
    receipts = call.parts.receipts()
    if call.parts.is_stopping:
        raise Problem("stopping", "the service is stopping; use another carrier, or try again", 5)
    if not call.parts.ledger.answers:
        raise Problem("peer_unreachable", "the service's peer does not answer now; use another carrier", 2)
    if receipts is None:
        raise Problem("no_receipt_key", "the key of the service's receipts is not on the ledger yet", 10)
    admitted = await asyncio.gather(*(_admitted(call, receipts, one) for one in messages))
    return {
        "results": [
            {
                "digest": one.digest,
                "result": one.result,
                "receipt": one.receipt.decode("ascii") if one.receipt is not None else None,
            }
            for one in admitted
        ]
    }


async def _admitted(call: Call, receipts: Service, text: str) -> Admitted:
    digest = ""
    try:
        message = read(text.encode("utf-8", "replace"))
        digest = message.digest
        if message.kind is None:
            raise MessageRefused(MessageCode.WRONG_TYP, "neither bid nor reading")
        if not call.caller.may_see(message.home):
            return Admitted(digest, _NOT_YOURS)
        speaker = await speaker_of(message, call.parts.ledger)
    except MessageRefused as refused:
        return Admitted(digest, refused.code.value)
    spoken = Spoken(message, text.encode("ascii"), speaker.author)
    return await call.parts.outbox.admit(spoken, receipts)


async def get_receipt(call: Call) -> dict[str, Any]:
    """The result of a message that this service took, with both organisations' word that it is on the ledger."""
    digest, outbox = call.values["digest"], call.parts.outbox
    entry = _entry(call, outbox.entries(digest))
    if entry.result is None and call.values["wait_s"]:
        await outbox.wait(digest, call.values["wait_s"])
        entry = _entry(call, outbox.entries(digest))
    commit = await _commit(call, entry) if entry.result == WRITTEN and call.values["proof"] else None
    return {"digest": digest, "result": entry.result or PENDING, "commit": commit}


async def get_proof(call: Call) -> dict[str, str]:
    """Both organisations' word on a message of the home, also if another carrier brought it."""
    said = call.values
    proof = await call.parts.ledger.market.endorsed_status(
        said["kind"], said["period"], call.home, said["seq"], said["digest"], said["author"]
    )
    return {"digest": said["digest"], "commit": base64.b64encode(proof).decode("ascii")}


async def get_status(call: Call) -> bytes:
    """Whether a message of the home stands on the ledger of the service's peer."""
    said = {name: call.values[name] for name in ("kind", "period", "seq", "digest", "author")}
    return await call.parts.ledger.ask("message_status", {**said, "home": call.home})


def _entry(call: Call, entries: list[Entry]) -> Entry:
    """Of several signatures of the same words the one that is written; others' messages are as unknown as none."""
    mine = [one for one in entries if call.caller.may_see(one.home)]
    if not mine:
        raise Problem(
            "unknown_receipt", "the service took no such message of this home in the last three days"
        )
    rank = {WRITTEN: 0, None: 1}
    return min(mine, key=lambda one: rank.get(one.result, 2))


async def _commit(call: Call, entry: Entry) -> str | None:
    try:
        proof = await call.parts.ledger.market.endorsed_status(
            entry.kind, entry.period, entry.home, entry.seq, entry.digest, entry.author
        )
    except (GatewayError, Refused):
        return None  # a peer is away: the message stands all the same, and the proof can be had later
    return base64.b64encode(proof).decode("ascii")
