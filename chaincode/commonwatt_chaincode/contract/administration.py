# SPDX-License-Identifier: Apache-2.0
"""What the operator sets up: parameters, homes, the simulated clock."""

from dataclasses import replace
from typing import Any

from ..ledger import (
    CLOCK,
    COMMUNITY,
    FORWARD_CONFIGURATION,
    LIVE,
    NUMBERS,
    PRICE,
    SIMULATED,
    BillRecord,
    Clock,
    Community,
    Home,
    HomeAccount,
    Version,
    account_key,
    bill_prefix,
    bills_prefix,
    decode,
    decode_optional,
    encode,
    home_key,
    in_order,
    range_of,
    round_key,
    version_key,
)
from ..market.battery import battery_of
from ..market.parameters import Parameters, as_json, changed
from ..market.tariff import DAY_S
from ..shim import Stub
from .arguments import AdvanceClock, Configure, RegisterHome
from .callers import OPERATOR, require_operator, require_role
from .clock import forward, market_time, moved, require_no_at
from .records import community_of, emit, running_round_of
from .refusals import Code, refuse

AT_HAND_S = 8 * DAY_S
"""How far back versions stay in the community's own record; what is older is read from the versions' keys."""


async def configure(stub: Stub, arguments: Configure) -> dict[str, Any]:
    """Add a version of the parameters; the first call founds the community and starts its clock.

    Prices and round numbers are read because trade writes them: a version held back while trade goes on is void.
    """
    caller = require_role(stub, OPERATOR)
    community_value, clock_value, forward_value, *_ = await stub.get_states(
        [COMMUNITY, CLOCK, FORWARD_CONFIGURATION, PRICE, NUMBERS]
    )
    if forward_value is not None:
        raise refuse(Code.OTHER_MARKET, "this channel's market is forward: it was configured so for good")
    community = decode_optional(Community, community_value)
    if community is None:
        community = Community(caller.mspid, arguments.clock or LIVE, (), stub.transaction_id)
        now = await _start_clock(stub, community, arguments)
    else:
        require_operator(stub, community.mspid)
        _require_same_clock(community, arguments)
        now = market_time(stub, community, clock_value)
    version = _next_version(stub, community, now, arguments)
    await _require_bills_stand(stub, community, version)
    community = replace(
        community,
        versions=_still_needed((*community.versions, version), now),
        transaction=stub.transaction_id,
    )
    await stub.put_state(version_key(version.version), encode(version))
    await stub.put_state(COMMUNITY, encode(community))
    result = {
        "version": version.version,
        "starts_at": version.starts_at,
        "parameters": as_json(version.parameters),
        "transaction": stub.transaction_id,
    }
    emit(stub, "configured", result)
    return result


async def _start_clock(stub: Stub, community: Community, arguments: Configure) -> int:
    """The market time at which a community is founded; a simulated channel's clock starts there."""
    if community.clock == LIVE:
        require_no_at(arguments.at)
        return stub.timestamp.seconds
    await stub.put_state(CLOCK, encode(Clock(arguments.at or 0, stub.transaction_id)))
    return arguments.at or 0


def _require_same_clock(community: Community, arguments: Configure) -> None:
    if arguments.clock not in (None, community.clock) or arguments.at is not None:
        raise refuse(
            Code.BAD_ARGUMENT, f"the channel's clock is {community.clock}; clock and at count at first only"
        )


def _next_version(stub: Stub, community: Community, now: int, arguments: Configure) -> Version:
    starts_at = forward(now, now if arguments.starts_at is None else arguments.starts_at)
    basis = community.parameters_at(starts_at) if community.versions else Parameters()
    try:
        parameters = changed(basis, arguments.parameters)
    except ValueError as error:
        raise refuse(Code.BAD_ARGUMENT, str(error)) from None
    number = 1 + max((version.version for version in community.versions), default=0)
    return Version(number, starts_at, parameters, stub.transaction_id)


async def _require_bills_stand(stub: Stub, community: Community, version: Version) -> None:
    """Refuse a change of the offset that would move the bounds of a day already billed."""
    starts_at, offset_min = version.starts_at, version.parameters.utc_offset_min
    if not community.versions or community.parameters_at(starts_at).utc_offset_min == offset_min:
        return
    after = replace(community, versions=in_order((*community.versions, version)))
    first, end = bills_prefix(max(0, starts_at // DAY_S - 2)), range_of(bill_prefix())[1]
    rows = await stub.get_state_by_range(first, end).rows()
    for day in sorted({decode(BillRecord, row.value).day for row in rows}):
        if any(community.day_start(edge) != after.day_start(edge) for edge in (day, day + 1)):
            raise refuse(
                Code.CLOCK_RUNS_BACK,
                f"day {day} is billed, and utc_offset_min {offset_min} from {starts_at} on would change its bounds",
            )


def _still_needed(versions: tuple[Version, ...], now: int) -> tuple[Version, ...]:
    ordered = in_order(versions)
    past = [version for version in ordered if version.starts_at <= now - AT_HAND_S]
    return ordered[max(0, len(past) - 1) :]


async def register_home(stub: Stub, arguments: RegisterHome) -> dict[str, Any]:
    """Register a home, or update its equipment and owner; its account is never touched again.

    Each reading of the home writes its account: a registration held back is void by then.
    """
    community_value, clock_value, home_value, account_value = await stub.get_states(
        [COMMUNITY, CLOCK, home_key(arguments.home), account_key(arguments.home)]
    )
    community = community_of(community_value)
    caller = require_operator(stub, community.mspid)
    now = market_time(stub, community, clock_value)
    parameters = community.parameters_at(now)
    known = decode_optional(Home, home_value)
    prosumer = arguments.home_class == "prosumer"
    home = Home(
        home=arguments.home,
        mspid=arguments.mspid or caller.mspid,
        owner=arguments.owner or "",
        home_class=arguments.home_class,
        pv_w=_given(arguments.pv_w, parameters.pv_w if prosumer else 0),
        storage_wh=_given(arguments.storage_wh, parameters.storage_wh if prosumer else 0),
        connection_w=_given(arguments.connection_w, parameters.connection_w),
        registered_at=known.registered_at if known else now,
        transaction=known.transaction if known else stub.transaction_id,
    )
    if home != known:
        await stub.put_state(home_key(home.home), encode(replace(home, transaction=stub.transaction_id)))
    if account_value is None:
        empty_wh = battery_of(parameters, home.storage_wh).e_min_wh
        account = HomeAccount(empty_wh, 0, 0, -1, -1, 0, stub.transaction_id)
        await stub.put_state(account_key(home.home), encode(account))
    changed_it = home != known
    emit(
        stub,
        "home_registered",
        {"home_class": home.home_class, "new": known is None, "changed": changed_it},
    )
    return {
        "home": home.home,
        "home_class": home.home_class,
        "pv_w": home.pv_w,
        "storage_wh": home.storage_wh,
        "connection_w": home.connection_w,
        "changed": changed_it,
        "transaction": stub.transaction_id,
    }


def _given(value: int | None, default: int) -> int:
    return default if value is None else value


async def advance_clock(stub: Stub, arguments: AdvanceClock) -> dict[str, Any]:
    """Move the channel's clock, or that of one running round; forward only."""
    result: dict[str, Any] = {"at": arguments.at, "transaction": stub.transaction_id}
    if arguments.round is None:
        community_value, clock_value = await stub.get_states([COMMUNITY, CLOCK])
        community = community_of(community_value)
        require_operator(stub, community.mspid)
        _require_simulated(community.clock)
        time_s = forward(market_time(stub, community, clock_value), arguments.at)
        await stub.put_state(CLOCK, encode(Clock(time_s, stub.transaction_id)))
    else:
        key = round_key(arguments.round)
        require_role(stub, OPERATOR)
        round_ = running_round_of(await stub.get_state(key), arguments.round)
        require_operator(stub, round_.community)
        _require_simulated(round_.clock)
        await stub.put_state(
            key, encode(replace(moved(round_, arguments.at), transaction=stub.transaction_id))
        )
        result["round"] = arguments.round
    emit(stub, "clock_advanced", result)
    return result


def _require_simulated(clock: str) -> None:
    if clock != SIMULATED:
        raise refuse(Code.CLOCK_NOT_SIMULATED, "the channel's clock is live: nobody moves it")
