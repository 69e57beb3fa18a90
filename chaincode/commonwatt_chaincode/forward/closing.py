# SPDX-License-Identifier: Apache-2.0
"""Closing a period's gate: what is ordered after it and read the open gate is invalid.

It reads no bid, so no bid that comes late, and no flood of them, keeps the gate from closing.
"""

from typing import Any

from ..market.forward.gates import closes_from_s
from ..shim import Stub
from . import keys
from .access import is_operator, require_member
from .arguments import OnePeriod
from .records import CLOSED, Gate, as_json, decode, encode
from .refusals import Code, refuse
from .state import situation


async def close_gate(stub: Stub, arguments: OnePeriod) -> dict[str, Any]:
    """Close the gate of a period; of one that is closed, answer how it was closed."""
    caller = require_member(stub)
    value = await stub.get_state(keys.gate_key(arguments.period))
    now = await situation(stub)
    period = now.period(arguments.period)
    if value is not None:
        return dict(as_json(decode(Gate, value)))
    due_s = closes_from_s(period, now.rules(period).times, is_operator(caller, now.configuration))
    if now.now_s < due_s:
        raise refuse(
            Code.TOO_EARLY,
            f"the caller may close the gate of period {period.id} from {due_s}; it is {now.now_s}",
        )
    gate = Gate(period.id, CLOSED, now.now_s, stub.transaction_id)
    await stub.put_state(keys.gate_key(period.id), encode(gate))
    return dict(as_json(gate))
