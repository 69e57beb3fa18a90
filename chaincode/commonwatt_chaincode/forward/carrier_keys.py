# SPDX-License-Identifier: Apache-2.0
"""Public keys of carriers, under which their receipts are judged: each carrier's organisation answers for them.

A carrier's id is its organisation's MSP id, a dot and a name. No organisation sets the keys of another one's carrier,
and no carrier sets its own: what a thief of its certificate could do.
"""

from typing import Any

from ..market.tariff import MINUTE_S
from ..messages.refusals import MessageRefused
from ..messages.versions import Owner, register, replaced
from ..shim import Refusal, Stub
from . import keys
from .access import CARRIER, GRID, OPERATOR, require_grid, require_operator, require_role
from .arguments import OneCarrier
from .keyring import keep_possession, key_record, possession_of, write_keys
from .refusals import Code, refuse
from .state import situation, void_once_the_next_gate_closes


async def set_carrier_key(stub: Stub, arguments: OneCarrier) -> dict[str, Any]:
    """Set a carrier's first key, or the next one, in force at once; ``possession`` is signed by the new key."""
    caller = require_role(stub, OPERATOR, GRID)
    now = await situation(stub)
    (require_operator if caller.attribute("role") == OPERATOR else require_grid)(stub, now.configuration)
    if arguments.carrier.rpartition(".")[0] != caller.mspid:
        raise refuse(Code.FORBIDDEN, f"a carrier of {caller.mspid[:80]} is named {caller.mspid[:80]}.<name>")
    await void_once_the_next_gate_closes(stub, now)
    owner = Owner(now.configuration.net, stub.channel_id, arguments.carrier, CARRIER)
    value = await stub.get_state(keys.author_key(CARRIER, arguments.carrier))
    possession = possession_of(stub)
    now_min = stub.timestamp.seconds // MINUTE_S  # receipts bear real times, on simulated channels too
    try:
        if value is None:
            record = register(owner, possession, now_min, now_min)
        else:
            record = replaced(key_record(value, owner.net, owner.channel), possession, now_min)
    except MessageRefused as refused:
        raise Refusal(refused.code.value, refused.sentence) from None
    await write_keys(stub, record)
    await keep_possession(stub, record, possession)
    newest = record.versions[-1]
    return {"kid": newest.key.kid, "version": len(record.versions), "from_period": newest.from_period}
