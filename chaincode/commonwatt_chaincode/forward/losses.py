# SPDX-License-Identifier: Apache-2.0
"""Messages that are lost for good: their index stands, and no peer of the community holds them any more."""

from typing import Any

from ..shim import PeerError, Stub
from . import keys
from .access import require_operator_or_grid
from .arguments import OneKey
from .records import Lost, encode
from .refusals import Code, refuse
from .state import place_of, situation, void_once_the_next_gate_closes


async def declare_lost(stub: Stub, arguments: OneKey) -> dict[str, Any]:
    """Declare a message lost: from then on it was never said. Each endorser answers for itself that it has it not."""
    now = await situation(stub)
    require_operator_or_grid(stub, now.configuration)
    await void_once_the_next_gate_closes(stub, now)
    place = place_of(arguments.key)
    value = await stub.get_state(arguments.key) if place else None
    stored = await stub.get_private_data_hash(keys.COLLECTION, arguments.key) if value else None
    if place is None or value is None or stored is None:
        raise refuse(Code.BAD_ARGUMENT, "no message stands under this key")
    period = now.period(place.period)
    from_s = period.end_s + now.rules(period).heal_s
    if now.now_s < from_s:
        raise refuse(
            Code.TOO_EARLY,
            f"a message of period {period.id} is lost from {from_s} at the earliest; it is {now.now_s}",
        )
    digest = value.decode()
    if await _held(stub, arguments.key):
        raise refuse(Code.DATA_HERE, "a peer that endorses this holds the message")
    await stub.delete_state(arguments.key)
    await stub.delete_private_data(keys.COLLECTION, arguments.key)
    await stub.put_state(
        keys.lost_key(arguments.key), encode(Lost(arguments.key, digest, stub.transaction_id))
    )
    stub.set_event("lost", encode({"key": arguments.key}))
    return {"key": arguments.key, "digest": digest}


async def _held(stub: Stub, key: str) -> bool:
    """Whether this peer holds the private value: one that it should have and has not is an error of the peer's."""
    try:
        return await stub.get_private_data(keys.COLLECTION, key) is not None
    except PeerError:
        return False
