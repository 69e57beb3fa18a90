# SPDX-License-Identifier: Apache-2.0
"""Routes of the operators' page: how the market stands, alarms, and invitations to residents."""

import json
from typing import Annotated, Any

from commonwatt_chaincode.messages.fields import EVERYWHERE, Text
from pydantic import Field, StringConstraints

from .caller import Role
from .parameters import LAST_PERIOD
from .route import Body, Call

_HOME = EVERYWHERE["home"]
assert isinstance(_HOME, Text)
MOST_ALARMS = 500
_DAY_MIN = 1_440

HomeId = Annotated[str, StringConstraints(pattern=f"^(?:{_HOME.pattern.pattern})$")]
Sentence = Annotated[str, StringConstraints(max_length=500)]


class Alarm(Body):
    """Something that the operator's program wants people to see."""

    kind: Annotated[str, StringConstraints(pattern="^[a-z_]{1,40}$")]
    sentence: Sentence
    since_s: Annotated[int, Field(ge=0, le=10**10)]
    period: Annotated[int, Field(ge=0, le=LAST_PERIOD)] | None = None
    home: HomeId | None = None


class Alarms(Body):
    """All alarms that stand now."""

    alarms: Annotated[list[Alarm], Field(max_length=MOST_ALARMS)]


class NewInvitation(Body):
    """The home whose residents are invited."""

    home: HomeId


async def get_overview(call: Call) -> dict[str, Any]:
    """The state of the market: periods of a day around now, homes, alarms, and counts of all that waits."""
    parts = call.parts
    standing = await parts.ledger.json("get_configuration", {})
    now_min = standing["now_s"] // 60
    span = {"from_period": max(0, now_min - _DAY_MIN), "to_period": now_min + _DAY_MIN}
    periods = await parts.ledger.json("list_periods", span)
    homes = (await parts.ledger.json("list_homes", {}))["homes"]
    count = parts.store.one(
        "SELECT (SELECT COUNT(*) FROM enrolments WHERE state = 'waiting') AS enrolments, "
        "(SELECT COUNT(*) FROM accounts WHERE role = 'resident') AS residents"
    )
    assert count is not None
    return {
        "now_s": standing["now_s"],
        "configuration_version": standing["configuration"]["version"],
        "homes": {
            "registered": len(homes),
            "confirmed": sum(bool(home["versions"]) for home in homes),
            "ended": sum(home["to_period"] is not None for home in homes),
        },
        "periods": periods["periods"],
        "alarms": _alarms(call),
        "enrolments_waiting": count["enrolments"],
        "residents": count["residents"],
        "messages_waiting": len(parts.outbox),
        "listeners": len(parts.hub),
    }


async def get_alarms(call: Call) -> dict[str, Any]:
    """The last report of the operator's program."""
    return {"alarms": _alarms(call)}


async def post_alarms(call: Call) -> dict[str, Any]:
    """Replace all alarms."""
    alarms = [json.dumps(one.model_dump()) for one in call.body.alarms]
    adds = [("INSERT INTO alarms (content) VALUES (?)", (one,)) for one in alarms]
    await call.parts.store.write(("DELETE FROM alarms", ()), *adds)
    return {"alarms": _alarms(call)}


async def post_invitation(call: Call) -> dict[str, Any]:
    """An invitation for residents of a home that is registered: it counts once, and for 72 hours."""
    home = call.body.home
    await call.parts.ledger.ask("get_home", {"home": home})
    code, expires_s = call.parts.invitations.new(Role.RESIDENT, home)
    return {
        "home": home,
        "invitation": code,
        "expires_s": expires_s,
        "url": f"https://{call.request.host.lower()}/join#{code}",
    }


def _alarms(call: Call) -> list[dict[str, Any]]:
    return [
        json.loads(row["content"])
        for row in call.parts.store.all("SELECT content FROM alarms ORDER BY number")
    ]
