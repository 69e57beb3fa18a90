# SPDX-License-Identifier: Apache-2.0
"""The exchange's rules, its time and its communities, and who may call: the grid, a community's operator."""

from dataclasses import dataclass
from functools import lru_cache

from ..forward.records import decode
from ..forward.state import rows
from ..market.tariff import MINUTE_S
from ..shim import ClientIdentity, Stub
from . import keys
from .records import SIMULATED, Clock, Community, Rules
from .refusals import Code, refuse

OPERATOR, GRID = "operator", "grid"
ROLES = (OPERATOR, GRID, "home", "meter", "carrier")


@dataclass(frozen=True, slots=True)
class Situation:
    """The rules, and the time of this transaction in epoch seconds."""

    rules: Rules
    now_s: int

    def due_s(self, period: int) -> int:
        """Until when residuals of a period are taken."""
        return period * MINUTE_S - self.rules.due_before_s

    def void_s(self, period: int) -> int:
        """From when on an open round is void."""
        return period * MINUTE_S - self.rules.void_before_s


async def situation(stub: Stub) -> Situation:
    """The rules and the time; ``not_founded`` before the grid has founded the exchange."""
    value, clock = await stub.get_states([keys.RULES, keys.CLOCK])
    if value is None:
        raise refuse(Code.NOT_FOUNDED, "the grid has not founded the exchange on this channel yet")
    rules = _rules(value)
    if rules.clock == SIMULATED and clock is not None:
        return Situation(rules, decode(Clock, clock).time_s)
    return Situation(rules, stub.timestamp.seconds)


@lru_cache(maxsize=16)
def _rules(value: bytes) -> Rules:
    return decode(Rules, value)


@lru_cache(maxsize=256)
def _community(value: bytes) -> Community:
    return decode(Community, value)


async def community_of(stub: Stub, channel: str) -> Community:
    """A registration; ``unknown_community`` where there is none."""
    return registered(channel, await stub.get_state(keys.community_key(channel)))


def registered(channel: str, value: bytes | None) -> Community:
    """The registration that stands at ``keys.community_key(channel)``."""
    if value is None:
        raise refuse(Code.UNKNOWN_COMMUNITY, f"the community of channel {channel} is not registered")
    return _community(value)


async def communities(stub: Stub) -> list[Community]:
    """Every registration, by channel."""
    return [_community(row.value) for row in await rows(stub, *keys.COMMUNITIES)]


def require_any_role(stub: Stub) -> ClientIdentity:
    """Anybody with a role of the market: what stands here, every organisation of the channel has in its blocks."""
    return _with_role(stub, *ROLES)


def require_grid_role(stub: Stub) -> ClientIdentity:
    """A caller of role grid, before there is a rule that names its organisation."""
    return _with_role(stub, GRID)


def require_grid(stub: Stub, now: Situation) -> ClientIdentity:
    """An identity of the grid that founded the exchange; a community issues none of those."""
    caller = _with_role(stub, GRID)
    if caller.mspid != now.rules.mspid:
        raise refuse(Code.FORBIDDEN, f"{caller.mspid[:80]} is not the grid of this exchange")
    return caller


def require_operator_or_grid(stub: Stub, now: Situation, community: Community | None) -> ClientIdentity:
    """The operator of this community (of any, where it is None), or the grid."""
    caller = _with_role(stub, OPERATOR, GRID)
    if caller.attribute("role") == GRID:
        return require_grid(stub, now)
    if community is not None and caller.mspid != community.mspid:
        raise refuse(
            Code.FORBIDDEN, f"the operator of {caller.mspid[:80]} does not run {community.channel[:80]}"
        )
    return caller


def _with_role(stub: Stub, *roles: str) -> ClientIdentity:
    caller = stub.creator
    if caller.attribute("role") not in roles:
        raise refuse(Code.FORBIDDEN, f"{stub.function} takes the role {' or '.join(roles)}")
    return caller
