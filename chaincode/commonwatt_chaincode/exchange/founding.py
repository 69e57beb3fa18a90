# SPDX-License-Identifier: Apache-2.0
"""Founding an exchange, its simulated clock, and registering communities with keys that they and the grid endorse."""

from typing import Any

from ..forward.keys import CONFIGURATION
from ..forward.records import as_json, encode
from ..ledger import COMMUNITY
from ..shim import KeyEndorsementPolicy, Stub
from . import keys
from .arguments import AdvanceClock, Found, NewCommunity
from .records import LIVE, SIMULATED, Anchor, Clock, Community, Rules, StoredResidual
from .refusals import Code, refuse
from .state import communities, require_grid, require_grid_role, situation

MOST_COMMUNITIES = 100


async def found(stub: Stub, arguments: Found) -> dict[str, Any]:
    """Found the exchange for good; the caller's organisation is its grid."""
    caller = require_grid_role(stub)
    rules_now, *markets = await stub.get_states([keys.RULES, CONFIGURATION, COMMUNITY])
    if rules_now is not None:
        raise refuse(Code.ALREADY_FOUNDED, "the exchange has been founded, and its rules stay")
    if any(value is not None for value in markets):
        raise refuse(Code.OTHER_MARKET, "this channel is a community's; found the exchange on one of its own")
    if (arguments.at_s is not None) != (arguments.clock == SIMULATED):
        raise refuse(
            Code.BAD_ARGUMENT, "a simulated clock has a time at_s to start from, a live one has none"
        )
    rules = Rules(
        caller.mspid, arguments.clock, arguments.due_before_s, arguments.void_before_s, stub.transaction_id
    )
    await stub.put_state(keys.RULES, encode(rules))
    if arguments.at_s is not None:
        await stub.put_state(keys.CLOCK, encode(Clock(arguments.at_s, stub.transaction_id)))
    return dict(as_json(rules))


async def advance_clock(stub: Stub, arguments: AdvanceClock) -> dict[str, Any]:
    """Move the clock of a simulated exchange forwards."""
    now = await situation(stub)
    require_grid(stub, now)
    if now.rules.clock != SIMULATED:
        raise refuse(Code.CLOCK_NOT_SIMULATED, f"the exchange's clock is {LIVE}: nobody moves it")
    if arguments.to_s < now.now_s:
        raise refuse(Code.CLOCK_RUNS_BACK, f"{arguments.to_s} lies before the exchange's time, {now.now_s}")
    await stub.put_state(keys.CLOCK, encode(Clock(arguments.to_s, stub.transaction_id)))
    return {"time_s": arguments.to_s}


async def register_community(stub: Stub, arguments: NewCommunity) -> dict[str, Any]:
    """Write the community's own keys, which from then on ask for a peer of the grid and one of the community.

    Other communities' peers are not on its channel, so they cannot vouch for what is read there.
    """
    now = await situation(stub)
    require_grid(stub, now)
    if arguments.mspid == now.rules.mspid:
        raise refuse(
            Code.BAD_ARGUMENT, f"{arguments.mspid} is the grid, which vouches for no community alone"
        )
    if arguments.channel == stub.channel_id:
        raise refuse(Code.BAD_ARGUMENT, f"{arguments.channel} is the exchange's own channel")
    known = await communities(stub)
    if any(arguments.channel == one.channel for one in known):
        raise refuse(Code.COMMUNITY_KNOWN, f"the community of channel {arguments.channel} is registered")
    if len(known) >= MOST_COMMUNITIES:
        raise refuse(Code.TOO_MANY, f"an exchange has at most {MOST_COMMUNITIES} communities")
    community = Community(arguments.channel, arguments.mspid, arguments.chaincode, stub.transaction_id)
    both = KeyEndorsementPolicy()
    both.add_organizations([now.rules.mspid, arguments.mspid], "PEER")
    nothing = Anchor(arguments.channel, 0, 0, 0, (), 0, "", stub.transaction_id)
    residual = StoredResidual(arguments.channel, -1, (), (), stub.transaction_id)
    await stub.put_state(keys.community_key(arguments.channel), encode(community))
    for key, record in (
        (keys.anchor_key(arguments.channel), nothing),
        (keys.residual_key(arguments.channel), residual),
    ):
        await stub.put_state(key, encode(record))
        await stub.set_state_validation_parameter(key, both.policy())
    return dict(as_json(community))
