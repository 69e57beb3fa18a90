# SPDX-License-Identifier: Apache-2.0
"""Importing what the exchange's round came to for this community, once, before the period is settled.

The round's result is read from the exchange's channel on this peer. Only the exchange's word says whether a round
traded. If a round counted as void because a peer cannot read it, one community would settle trades that another one
forgets.
"""

import json
from typing import Any, Literal, NamedTuple

from ..market.exchange.awards import awards_of
from ..market.exchange.clearing import Trade, check_result
from ..market.exchange.residual import Residual
from ..market.forward.outside import NOTHING, Outside, together
from ..market.forward.periods import Period
from ..shim import ChaincodeCallError, Refusal, Stub
from ..shim.arguments import checker
from . import keys
from .access import require_member
from .arguments import OnePeriod
from .kept import kept
from .records import (
    Awards,
    Cleared,
    Exchange,
    Imported,
    OutsideAward,
    OutsideAwards,
    as_json,
    decode,
    decode_optional,
    encode,
)
from .refusals import Code, refuse
from .salts import salt
from .state import situation

OUTSIDE = "outside"
"""The kind in the salt of a home's trades with other communities."""

CLEARED, VOID = "cleared", "void"
MOST_BYTES = 1_000_000
"""The longest answer of the exchange that is read."""


class RoundTrade(NamedTuple):
    """A trade as the exchange tells it, and as ``commonwatt clear`` prints one."""

    seller: str
    buyer: str
    offered: int
    limit: int
    wh: int
    price: int
    fee: int


class RoundResult(NamedTuple):
    """What ``exchange:get_round`` answers of one community."""

    period: int
    channel: str
    state: Literal["cleared", "void"]
    trades: tuple[RoundTrade, ...]
    account_naud: int


_result = checker(RoundResult)


async def import_residual(stub: Stub, arguments: OnePeriod) -> dict[str, Any]:
    """Write what the community traded in the exchange's round, and each home's part; a result that is imported already
    is answered."""
    require_member(stub)
    now = await situation(stub)
    period = now.period(arguments.period)
    now.require_open(period)
    imported, cleared_value = await stub.get_states(
        [keys.imported_key(period.id), keys.cleared_key(period.id)]
    )
    if imported is not None:
        return dict(as_json(decode(Imported, imported)))
    cleared = decode_optional(Cleared, cleared_value)
    if cleared is None:
        raise refuse(Code.NOT_CLEARED, f"period {period.id} is not cleared, so that it left nothing over")
    exchange = now.rules(period).exchange
    if exchange is None or cleared.exchange is None:
        raise refuse(Code.NO_EXCHANGE, f"the community stays alone in period {period.id}")
    state, trades = await _round(stub, exchange, period, cleared.exchange)
    outside = await _outside(stub, period, cleared.exchange, trades) if trades else ()
    sums = together(Outside(*one[1:5]) for one in outside) or NOTHING
    record = Imported(period.id, state, trades, sums, stub.transaction_id)
    if outside:
        value = encode(OutsideAwards(period.id, outside))
        await stub.put_private_data(keys.COLLECTION, keys.outside_key(period.id), value)
    await stub.put_state(keys.imported_key(period.id), encode(record))
    stub.set_event("imported", encode({"period": period.id, "state": state, **as_json(sums)}))
    return dict(as_json(record))


async def outside_of(stub: Stub, period: Period, imported: Imported | None) -> dict[str, Outside]:
    """What homes trade with other communities in a period, by home."""
    if imported is None or not imported.trades:
        return {}
    (one,) = await kept(stub, [keys.outside_key(period.id)])
    return {one.home: Outside(*one[1:5]) for one in decode(OutsideAwards, one.checked()).awards}


def require_imported(period: Period, cleared: Cleared | None, imported: Imported | None) -> None:
    """``not_imported`` where a residual may have been traded and nobody has imported what came of it."""
    left = cleared.exchange if cleared else None
    if left is not None and (left.requests or left.offers) and imported is None:
        raise refuse(
            Code.NOT_IMPORTED, f"import the exchange's round of period {period.id} first: import_residual"
        )


async def _round(
    stub: Stub, exchange: Exchange, period: Period, left: Residual
) -> tuple[str, tuple[Trade, ...]]:
    """The community's trades; ``round_open`` while there is no result, ``bad_round`` for one that breaks the rules."""
    asked = json.dumps({"period": period.id, "channel": stub.channel_id})
    try:
        answer = await stub.invoke_chaincode(
            exchange.chaincode, ["exchange:get_round", asked], exchange.channel
        )
    except ChaincodeCallError as error:
        raise refuse(
            Code.ROUND_OPEN,
            f"retry: {exchange.channel} has no result of period {period.id} yet: {error.message[:300]}",
        ) from None
    try:
        result = _result(json.loads(answer[:MOST_BYTES]), "the round")
        if (result.period, result.channel) != (period.id, stub.channel_id):
            raise ValueError("it is that of another period or community")
        trades = tuple(Trade(*one) for one in result.trades)
        if result.state == VOID and trades:
            raise ValueError("it is void and holds trades")
        check_result(left, trades, result.account_naud)
    except (ValueError, RecursionError, Refusal) as error:
        raise refuse(
            Code.BAD_ROUND, f"{exchange.channel} answers for period {period.id} what is no result: {error}"
        ) from None
    return result.state, trades


async def _outside(
    stub: Stub, period: Period, left: Residual, trades: tuple[Trade, ...]
) -> tuple[OutsideAward, ...]:
    (one,) = await kept(stub, [keys.awards_key(period.id)])
    known = decode(Awards, one.checked())
    if known.exchange is None:
        raise refuse(Code.BAD_ROUND, f"the rests of period {period.id} are erased")
    divided = awards_of(left.community, known.exchange, trades)
    return tuple(
        OutsideAward(one.home, *divided[one.home], salt(one.salt, OUTSIDE, period.id))
        for one in known.awards
        if one.home in divided
    )
