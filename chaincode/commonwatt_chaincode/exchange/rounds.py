# SPDX-License-Identifier: Apache-2.0
"""The round of a period: communities bring their residuals, anybody who runs a market clears it, or it is void."""

from dataclasses import dataclass
from typing import Annotated, Any

from ..contract.arguments import LARGEST_ENERGY_WH, LARGEST_PRICE, Bounded, Within
from ..forward.records import as_json, decode, decode_optional, encode
from ..market.exchange import clearing
from ..market.exchange.residual import MOST_LEVELS, Level, Residual
from ..shim import Stub
from . import keys
from .arguments import CommunityPeriod, OnePeriod
from .elsewhere import ask
from .links import links_at
from .records import CLEARED, VOID, ClosedRound, StoredResidual, StoredTrade
from .refusals import Code, refuse
from .state import Situation, communities, registered, require_any_role, require_operator_or_grid, situation


@dataclass(frozen=True)
class Wanted(Bounded):
    """A level of requests."""

    limit: Annotated[int, Within(-LARGEST_PRICE, LARGEST_PRICE)]
    wh: Annotated[int, Within(1, LARGEST_ENERGY_WH * 1_000)]


@dataclass(frozen=True)
class Offered(Bounded):
    """A level of offers."""

    price: Annotated[int, Within(-LARGEST_PRICE, LARGEST_PRICE)]
    wh: Annotated[int, Within(1, LARGEST_ENERGY_WH * 1_000)]


@dataclass(frozen=True)
class Brought:
    """A residual as ``forward:get_residual`` answers it."""

    community: str
    requests: tuple[Wanted, ...]
    offers: tuple[Offered, ...]


async def bring_residual(stub: Stub, arguments: CommunityPeriod) -> dict[str, Any]:
    """Read the community's residual across channels and write it; each community once a period."""
    now = await situation(stub)
    period, key = arguments.period, keys.residual_key(arguments.channel)
    registration, closed, last = await stub.get_states(
        [keys.community_key(arguments.channel), keys.round_key(period), key]
    )
    community = registered(arguments.channel, registration)
    require_operator_or_grid(stub, now, community)
    if now.now_s >= now.due_s(period):
        raise refuse(
            Code.TOO_LATE, f"residuals of period {period} were due at {now.due_s(period)}; it is {now.now_s}"
        )
    if closed is not None:
        raise refuse(Code.ROUND_CLOSED, f"the round of period {period} is closed")
    before = decode_optional(StoredResidual, last)
    if before is not None and before.period >= 0:
        await _require_next(stub, before, period)
    answer = await ask(stub, community, "get_residual", {"period": period}, Brought)
    record = StoredResidual(
        community.channel,
        period,
        tuple(Level(one.limit, one.wh) for one in answer.requests),
        tuple(Level(one.price, one.wh) for one in answer.offers),
        stub.transaction_id,
    )
    _check(record)
    await stub.put_state(key, encode(record))
    stub.set_event("residual", encode({"channel": record.channel, "period": period}))
    return dict(as_json(record))


async def _require_next(stub: Stub, before: StoredResidual, period: int) -> None:
    """A community's residual may be overwritten once the round for which it was brought is closed."""
    if before.period == period:
        raise refuse(Code.ALREADY_BROUGHT, f"{before.channel} has brought its residual of period {period}")
    if before.period > period:
        raise refuse(Code.TOO_LATE, f"{before.channel} has brought its residual of period {before.period}")
    if await _round(stub, before.period) is None:
        raise refuse(
            Code.ROUND_OPEN, f"the round of period {before.period} is not closed yet; clear it first"
        )


def _check(record: StoredResidual) -> None:
    for levels in (record.requests, record.offers):
        if len(levels) > MOST_LEVELS or len({one.price_uaud_per_kwh for one in levels}) != len(levels):
            raise refuse(
                Code.COMMUNITY_REFUSED,
                f"{record.channel} has more than {MOST_LEVELS} levels, or two of one price",
            )


async def clear_round(stub: Stub, arguments: OnePeriod) -> dict[str, Any]:
    """Clear a round once all residuals are there or they are due, before its void time; from then on it is void.

    A round that is closed is answered. Which of the two it is, the record that is ordered first says for good.
    """
    now = await situation(stub)
    require_operator_or_grid(stub, now, None)
    stands = await _round(stub, arguments.period)
    if stands is not None:
        return dict(as_json(stands))
    if now.now_s >= now.void_s(arguments.period):
        record = ClosedRound(arguments.period, VOID, (), {}, 0, stub.transaction_id)
    else:
        record = await _cleared(stub, now, arguments.period)
    await stub.put_state(keys.round_key(arguments.period), encode(record))
    stub.set_event("round", encode({"period": record.period, "state": record.state}))
    return dict(as_json(record))


async def _cleared(stub: Stub, now: Situation, period: int) -> ClosedRound:
    known = await communities(stub)
    values = await stub.get_states([keys.residual_key(one.channel) for one in known])
    brought = [
        one
        for value in values
        if value is not None and (one := decode(StoredResidual, value)).period == period
    ]
    if len(brought) < len(known) and now.now_s < now.due_s(period):
        missing = sorted({one.channel for one in known} - {one.channel for one in brought})
        raise refuse(
            Code.TOO_EARLY,
            f"{len(missing)} communities, {missing[0]} first, have until {now.due_s(period)} to bring their residual "
            f"of period {period}; it is {now.now_s}",
        )
    residuals = [Residual(one.channel, one.requests, one.offers) for one in brought]
    found = clearing.clear_round(period, residuals, await links_at(stub, period))
    return ClosedRound(
        period,
        CLEARED,
        tuple(StoredTrade(*one) for one in found.trades),
        {one.channel: found.account_naud(one.channel) for one in brought},
        found.fee_naud,
        stub.transaction_id,
    )


async def get_round(stub: Stub, arguments: CommunityPeriod) -> dict[str, Any]:
    """A closed round as one community settles it: its own trades, and what it owes the exchange."""
    require_any_role(stub)
    registration, closed = await stub.get_states(
        [keys.community_key(arguments.channel), keys.round_key(arguments.period)]
    )
    registered(arguments.channel, registration)
    found = decode_optional(ClosedRound, closed)
    if found is None:
        raise refuse(Code.ROUND_OPEN, f"the round of period {arguments.period} is not closed yet; ask again")
    own = [one for one in found.trades if arguments.channel in (one.seller, one.buyer)]
    return {
        "period": found.period,
        "channel": arguments.channel,
        "state": found.state,
        "trades": as_json(own),
        "account_naud": found.accounts.get(arguments.channel, 0),
    }


async def _round(stub: Stub, period: int) -> ClosedRound | None:
    return decode_optional(ClosedRound, await stub.get_state(keys.round_key(period)))
