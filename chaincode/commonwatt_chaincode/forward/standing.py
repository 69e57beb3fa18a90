# SPDX-License-Identifier: Apache-2.0
"""Questions about messages: those of a period, and whether one stands on the ledger."""

from collections.abc import Iterable
from typing import Any

from ..messages.message import BID, read
from ..shim import Stub
from . import keys
from .access import require_any_role
from .arguments import OneMessage, SomeMessages
from .queries import home_in_view
from .records import Forgotten, Meter, decode, decode_optional
from .refusals import Code, refuse
from .state import Place, index, messages_at, private, situation

WRITTEN, REPLACED, ABSENT, LOST = "written", "replaced", "absent", "lost"
FORGOTTEN = "forgotten"


async def list_messages(stub: Stub, arguments: SomeMessages) -> dict[str, Any]:
    """The messages of a period with their index keys; a home's own, or all."""
    now = await situation(stub)
    home = await home_in_view(stub, now, arguments.home)
    period = now.period(arguments.period)
    places = await index(stub, arguments.kind, period)
    homes = {place.home for place in places if home in (None, place.home)}
    if now.now_s >= now.closed_s(period):
        homes -= await forgotten_homes(stub, period.id, homes)
    wanted = {place: digest for place, digest in places.items() if place.home in homes}
    return {
        "messages": [
            {"key": one.place.key, "message": one.compact.decode()} for one in await messages_at(stub, wanted)
        ]
    }


async def forgotten_homes(stub: Stub, period_id: int, homes: Iterable[str]) -> set[str]:
    """The homes of which nothing private of a period stays."""
    names = [keys.forgotten_key(home) for home in sorted(homes)]
    records = [decode(Forgotten, value) for value in await stub.get_states(names) if value is not None]
    return {one.home for one in records if period_id < one.to_period}


async def message_status(stub: Stub, arguments: OneMessage) -> dict[str, Any]:
    """Whether a message stands, another stands in its place, none does, or it is lost: what a receipt rests on."""
    require_any_role(stub)
    now = await situation(stub)
    period = now.period(arguments.period)
    versions: list[int | None] = [None]
    if arguments.kind != BID:
        frozen = decode_optional(Meter, await stub.get_state(keys.meter_key(period.id)))
        versions = list(range(1, (frozen.version if frozen else 0) + 2))
    places = [
        Place(arguments.kind, period.id, version, arguments.home, arguments.author, arguments.seq)
        for version in versions
    ]
    names = [place.key for place in places]
    indexed = await stub.get_states(names)
    lost = await stub.get_states([keys.lost_key(name) for name in names])
    if any(indexed) and await forgotten_homes(stub, period.id, {arguments.home}):
        return {"digest": arguments.digest, "status": FORGOTTEN, "version": None}
    standing = [place for place, value in zip(places, indexed, strict=True) if value is not None]
    status, version = (LOST if any(lost) else ABSENT), None
    for place, value in zip(standing, await private(stub, [place.key for place in standing]), strict=True):
        if value is None:
            raise refuse(Code.DATA_NOT_HERE, f"retry: this peer does not hold the message of {place.key}")
        if read(value).digest == arguments.digest:
            status, version = WRITTEN, place.version
            break
        status, version = REPLACED, place.version
    return {"digest": arguments.digest, "status": status, "version": version}
