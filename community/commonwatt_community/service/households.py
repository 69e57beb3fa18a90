# SPDX-License-Identifier: Apache-2.0
"""Routes of a household: its first key's way to the ledger, and what its residents wish of the home's agent."""

import hashlib
import json
import re
from typing import Annotated, Any, Literal

from commonwatt_chaincode.messages.message import LARGEST_BYTES, Message, read
from commonwatt_chaincode.messages.refusals import MessageRefused
from commonwatt_chaincode.messages.versions import Owner, possessed_key
from pydantic import Field, StringConstraints

from .clock import now_s
from .invitations import FORM
from .problems import Problem
from .route import Body, Call

MOST_WAITING = 10_000
MOST_OF_A_HOME = 8

Price = Annotated[int, Field(ge=-(10**9), le=10**9)]
Energy = Annotated[int, Field(ge=0, le=10**9)]
HomesCode = Annotated[str, StringConstraints(max_length=200)]


class NewEnrolment(Body):
    """A home's one-time code, and the ``cw-key`` message that brings its first key."""

    code: HomesCode
    possession: Annotated[str, StringConstraints(max_length=8 * LARGEST_BYTES)]


class AskedEnrolment(Body):
    """The one-time code of an enrolment, with which a home asks for its result."""

    code: HomesCode


class EnrolmentResult(Body):
    """The operator's answer to the enrolment of this id, or else to the home's oldest that waits."""

    state: Literal["set", "refused"]
    reason: Annotated[str, StringConstraints(max_length=300)] = ""
    enrolment: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = None


class Paused(Body):
    """Whether the home's agent shall not trade."""

    paused: bool


class NewLimits(Body):
    """Limits for the home's agent; null, or a member left out, leaves the choice to it. Prices are µAUD per kWh."""

    buy_at_most_uaud_per_kwh: Price | None = None
    sell_at_least_uaud_per_kwh: Price | None = None
    keep_storage_wh: Energy | None = None


async def post_enrolment(call: Call) -> dict[str, str]:
    """Keep a request to set a home's first key until the operator has judged the code."""
    code = call.body.code
    home = _home_of(code)
    message = await _possession(call, home)
    enrolment = hashlib.sha256(f"{code}|{message.digest}".encode()).hexdigest()
    store = call.parts.store
    known = store.one("SELECT state, reason FROM enrolments WHERE id = ?", enrolment)
    if known is None:
        waits = "SELECT COUNT(*) AS n, SUM(home = ?) AS own FROM enrolments WHERE state = 'waiting'"
        count = store.one(waits, home)
        if count is not None and (count["n"] >= MOST_WAITING or (count["own"] or 0) >= MOST_OF_A_HOME):
            raise Problem(
                "too_many_requests", "too many enrolments wait for the operator: try again later", 60
            )
        row = (enrolment, home, message.payload["author"], code, call.body.possession, now_s())
        add = "INSERT INTO enrolments VALUES (?, ?, ?, ?, ?, 'waiting', '', ?) ON CONFLICT DO NOTHING"
        await store.write((add, row))
        return {"state": "waiting", "reason": ""}
    return {"state": known["state"], "reason": known["reason"]}


async def post_enrolment_state(call: Call) -> dict[str, str]:
    """The result of the newest enrolment with this code. The code is in the body, because addresses are logged."""
    hashed = _code_hash(call.body.code)
    row = call.parts.store.one(
        "SELECT state, reason FROM enrolments WHERE home = ? AND code IN (?, ?) ORDER BY asked_s DESC",
        call.values["subject"],
        call.body.code,
        hashed,
    )
    if row is None:
        raise Problem("unknown_enrolment", "no enrolment came with this code")
    return {"state": row["state"], "reason": row["reason"]}


async def list_enrolments(call: Call) -> dict[str, Any]:
    """Enrolments in a state, with the code and key message that the operator judges."""
    rows = call.parts.store.all(
        "SELECT * FROM enrolments WHERE state = ? ORDER BY asked_s LIMIT 1000", call.values["state"]
    )
    names = ("id", "home", "author", "code", "possession", "state", "reason", "asked_s")
    return {"enrolments": [{name: row[name] for name in names} for row in rows]}


async def post_enrolment_result(call: Call) -> dict[str, Any]:
    """Note the operator's answer to an enrolment; the service keeps its code as a hash from then on."""
    said: EnrolmentResult = call.body
    home, store = call.values["subject"], call.parts.store
    waiting = "SELECT id, code FROM enrolments WHERE home = ? AND state = 'waiting' ORDER BY asked_s"
    row = next((one for one in store.all(waiting, home) if said.enrolment in (None, one["id"])), None)
    if row is None:
        raise Problem("unknown_enrolment", "no such enrolment of this home waits")
    change = "UPDATE enrolments SET state = ?, reason = ?, code = ?, possession = '' WHERE id = ?"
    await store.write((change, (said.state, said.reason, _code_hash(row["code"]), row["id"])))
    for author in ("home", "meter"):
        call.parts.ledger.key_changed(author, home)
    return {"home": home, "state": said.state, "reason": said.reason}


async def get_wishes(call: Call) -> dict[str, Any]:
    """The wishes of a home's residents, which the home's agent obeys."""
    return wishes_of(call)


async def post_pause(call: Call) -> dict[str, Any]:
    """Pause trading, or go on."""
    return await _wished(call, call.body.paused, wishes_of(call)["limits"])


async def put_limits(call: Call) -> dict[str, Any]:
    """Replace the home's limits."""
    return await _wished(call, wishes_of(call)["paused"], call.body.model_dump())


def wishes_of(call: Call) -> dict[str, Any]:
    """A home's wishes as they are kept; version 0 without any."""
    row = call.parts.store.one("SELECT * FROM wishes WHERE home = ?", call.home)
    if row is None:
        return {"home": call.home, "paused": False, "limits": NewLimits().model_dump(), "version": 0}
    return {
        "home": call.home,
        "paused": bool(row["paused"]),
        "limits": json.loads(row["limits"]),
        "version": row["version"],
    }


async def _wished(call: Call, paused: bool, limits: dict[str, Any]) -> dict[str, Any]:
    change = (
        "INSERT INTO wishes VALUES (?1, ?2, ?3, 1) ON CONFLICT (home) "
        "DO UPDATE SET paused = ?2, limits = ?3, version = version + 1"
    )
    await call.parts.store.write((change, (call.home, int(paused), json.dumps(limits))))
    wishes = wishes_of(call)
    call.parts.hub.tell_home(call.home, "wishes", wishes)
    return wishes


def _home_of(code: str) -> str:
    """The home that a code names; whether the code is genuine the operator judges, who alone has the key."""
    found = re.fullmatch(FORM, code)
    if found is None:
        raise Problem(
            "bad_code", "the code is not of the form cw1.<home>.<expiry>.<26 characters>: copy all of it"
        )
    if now_s() >= int(found[2]):
        raise Problem("code_expired", "the code has expired: ask your operator for a new one")
    return found[1]


async def _possession(call: Call, home: str) -> Message:
    """The message that brings the key, signed by this very key for this network, channel and home."""
    net = (await call.parts.ledger.standing()).configuration.net
    content = call.body.possession.encode("utf-8", "replace")
    try:
        message = read(content)
        author = str(message.payload.get("author", "home"))
        if author not in ("home", "meter"):
            raise Problem("wrong_author", "an enrolment brings the key of a home or of its meter")
        possessed_key(Owner(net, call.parts.ledger.channel, home, author), content, 1)
    except MessageRefused as refused:
        raise Problem(
            refused.code.value, f"the message that brings the key is refused: {refused.sentence}"
        ) from refused
    return message


def _code_hash(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()
