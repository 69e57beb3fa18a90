# SPDX-License-Identifier: Apache-2.0
"""Rounds, trades and readings page by page: by the start of their interval, fixed rounds by number."""

import json
from collections.abc import Callable
from typing import Any

from ..ledger import (
    CLOCK,
    COMMUNITY,
    ReadingRecord,
    RequestRecord,
    Round,
    decode,
    decode_optional,
    home_key,
    request_key,
    result_key,
    round_key,
    span_of,
    to_json,
)
from ..market.orders import fixed_round_id, own_round_id
from ..market.parameters import FIXED_ROUNDS
from ..shim import Stub
from .arguments import LARGEST_ROUND, LARGEST_TIME, SomeReadings, SomeRounds
from .callers import require_member, require_own_or_overseer, view_of
from .clock import market_time
from .records import community_of, home_of
from .refusals import Code, refuse
from .rounds import seen_by, terms

MOST_ROUNDS = 1_000
"""Closed rounds that one page of trades looks at."""


async def list_rounds(stub: Stub, arguments: SomeRounds) -> dict[str, Any]:
    """Rounds in order; ``next`` says where to go on, None at the end."""
    require_member(stub)
    start, end = await _span(stub, arguments, round_key)
    last, _ = _position(arguments)
    rounds: list[dict[str, Any]] = []
    async for row in stub.get_state_by_range(max(start, _past(round_key, last)), end):
        if len(rounds) == arguments.limit:
            return {"rounds": rounds, "next": f"{rounds[-1]['round']}/0"}
        rounds.append(terms(decode(Round, row.value)))
    return {"rounds": rounds, "next": None}


async def list_trades(stub: Stub, arguments: SomeRounds) -> dict[str, Any]:
    """Fills of closed rounds, ``limit`` at most: a home's own, or all for operator and grid; sums of what all traded.

    ``next`` names the round that the page reached, and how many of its fills were told if it goes on there. The sums
    are of the rounds that end on the page.
    """
    require_member(stub)
    view = await view_of(stub, community_of(await stub.get_state(COMMUNITY)).mspid)
    start, end = await _span(stub, arguments, result_key)
    last, told = _position(arguments)
    start = max(start, result_key(last) if told else _past(result_key, last))
    trades: list[dict[str, Any]] = []
    totals = {"fills": 0, "energy_wh": 0, "amount_naud": 0}
    looked_at = 0
    async for row in stub.get_state_by_range(start, end):
        if looked_at == MOST_ROUNDS or len(trades) == arguments.limit:
            return {"trades": trades, "totals": totals, "next": f"{last}/0"}
        result = json.loads(row.value)
        fills = seen_by(view, result)["fills"]
        done = told if result["round"] == last else 0
        page = fills[done : done + arguments.limit - len(trades)]
        trades += [fill | {"round": result["round"], "closed_at": result["closed_at"]} for fill in page]
        last, looked_at = result["round"], looked_at + 1
        if done + len(page) < len(fills):
            return {"trades": trades, "totals": totals, "next": f"{last}/{done + len(page)}"}
        totals["fills"] += len(result["fills"])
        totals["energy_wh"] += result["totals"]["p2p_energy_wh"]
        totals["amount_naud"] += result["totals"]["p2p_amount_naud"]
    return {"trades": trades, "totals": totals, "next": None}


async def list_readings(stub: Stub, arguments: SomeReadings) -> dict[str, Any]:
    """A home's intervals as last corrected, with what rounds sold them; ``next`` is the ``from_time`` to go on with."""
    require_member(stub)
    home_value, community_value = await stub.get_states([home_key(arguments.home), COMMUNITY])
    home = home_of(home_value, arguments.home)
    require_own_or_overseer(stub, home, community_of(community_value).mspid)
    lines: dict[int, dict[str, Any]] = {}
    start, end = span_of("reading", home.home, arguments.from_time, arguments.to_time)
    follows = None
    async for row in stub.get_state_by_range(start, end):
        reading = decode(ReadingRecord, row.value)  # versions come in order
        if reading.interval_start not in lines and len(lines) == arguments.limit:
            follows = reading.interval_start
            break
        lines[reading.interval_start] = to_json(reading)
    values = await stub.get_states([request_key(home.home, t) for t in lines]) if lines else []
    for line, value in zip(lines.values(), values, strict=True):
        request = decode_optional(RequestRecord, value)
        line["bought_wh"] = request.bought_wh if request else 0
        line["bought_naud"] = request.bought_naud if request else 0
    return {"readings": list(lines.values()), "next": follows}


async def _span(stub: Stub, arguments: SomeRounds, key_of: Callable[[str], str]) -> tuple[str, str]:
    """The range of the rounds that are asked for; by default of the auction in force."""
    by_time = (arguments.from_time, arguments.to_time) != (None, None)
    by_number = (arguments.from_round, arguments.to_round) != (None, None)
    if by_time and by_number:
        raise refuse(Code.BAD_ARGUMENT, "rounds are listed by time or by number, not by both")
    if not by_time and not by_number:
        community_value, clock_value = await stub.get_states([COMMUNITY, CLOCK])
        community = community_of(community_value)
        now = market_time(stub, community, clock_value)
        by_number = community.parameters_at(now).auction == FIXED_ROUNDS
    if by_number:
        last = LARGEST_ROUND if arguments.to_round is None else arguments.to_round
        return key_of(fixed_round_id(arguments.from_round or 1)), _past(key_of, fixed_round_id(last))
    to_time = LARGEST_TIME if arguments.to_time is None else arguments.to_time
    return key_of(own_round_id(arguments.from_time or 0, "")), key_of(own_round_id(to_time, ""))


def _position(arguments: SomeRounds) -> tuple[str, int]:
    """The round that the last page reached, and how many of its fills it told; 0 if all."""
    if arguments.next is None:
        return "", 0
    round_id, _, told = arguments.next.partition("/")
    return round_id, int(told)


def _past(key_of: Callable[[str], str], round_id: str) -> str:
    """The first key after a round's; no id has a character before the exclamation mark."""
    return f"{key_of(round_id)}!" if round_id else ""
