# SPDX-License-Identifier: Apache-2.0
"""The residual of a cleared period, as the contract of the exchange asks for it from its own channel.

It was written with the clearing, so a peer that endorses for the exchange needs no private value.
"""

from typing import Any

from ..market.forward.gates import gate_s
from ..shim import Stub
from . import keys
from .access import require_any_role
from .arguments import OnePeriod
from .records import Cleared, decode_optional
from .refusals import Code, refuse
from .state import situation_of


async def get_residual(stub: Stub, arguments: OnePeriod) -> dict[str, Any]:
    """The levels that the clearing left over; ``too_late`` once the time to bring them is over."""
    require_any_role(stub)
    configuration, clock, value = await stub.get_states(
        [keys.CONFIGURATION, keys.CLOCK, keys.cleared_key(arguments.period)]
    )
    now = situation_of(stub, configuration, clock)
    period = now.period(arguments.period)
    rules = now.rules(period)
    if rules.exchange is None:
        raise refuse(Code.NO_EXCHANGE, f"the community trades on no exchange in period {period.id}")
    cleared = decode_optional(Cleared, value)
    if cleared is None:
        raise refuse(Code.NOT_CLEARED, f"clear period {period.id} first")
    if cleared.exchange is None:
        raise refuse(Code.NO_EXCHANGE, f"the community stays alone in period {period.id}")
    ends_s = gate_s(period, rules.times) + rules.exchange.void_after_s
    if now.now_s >= ends_s:
        raise refuse(
            Code.TOO_LATE, f"a residual of period {period.id} is brought before {ends_s}; it is {now.now_s}"
        )
    return {
        "community": cleared.exchange.community,
        "requests": [
            {"limit": one.price_uaud_per_kwh, "wh": one.energy_wh} for one in cleared.exchange.requests
        ],
        "offers": [{"price": one.price_uaud_per_kwh, "wh": one.energy_wh} for one in cleared.exchange.offers],
    }
