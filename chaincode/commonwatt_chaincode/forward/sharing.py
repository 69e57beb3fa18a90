# SPDX-License-Identifier: Apache-2.0
"""Static sharing keys: all of them together, from a period whose window is not open yet."""

from typing import Any

from ..shim import Stub
from . import keys
from .access import require_operator
from .arguments import SetSharingKeys
from .records import SharingKeys, encode
from .refusals import Code, refuse
from .state import situation, void_once_the_next_gate_closes


async def set_sharing_keys(stub: Stub, arguments: SetSharingKeys) -> dict[str, Any]:
    """Set the part of what is shared that each home may take, in ppm."""
    now = await situation(stub)
    require_operator(stub, now.configuration)
    await void_once_the_next_gate_closes(stub, now)
    period = now.period(arguments.from_period)
    if period.id < (earliest := now.counts_from()):
        raise refuse(
            Code.TOO_LATE, f"windows before period {earliest} are open: name that period or a later one"
        )
    homes = sorted(arguments.keys)
    values = await stub.get_states([keys.registration_key(home) for home in homes]) if homes else []
    for home, value in zip(homes, values, strict=True):
        if value is None:
            raise refuse(Code.UNKNOWN_HOME, f"home {home} is not registered")
    record = SharingKeys(period.id, dict(arguments.keys), stub.transaction_id)
    await stub.put_state(keys.sharing_key(period.id), encode(record))
    return {"from_period": period.id, "homes": len(homes)}
