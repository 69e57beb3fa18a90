# SPDX-License-Identifier: Apache-2.0
"""Market time: the transaction's timestamp on a live channel, the operator's clock on a simulated one.

The server of the chaincode refuses live proposals whose timestamp is off by more than ``clock_error_s``.
"""

from dataclasses import replace

from ..ledger import CLEARED, LIVE, OFFERS, SIMULATED, VOID, Clock, Community, Round, decode
from ..market.tariff import DAY_S
from ..shim import Stub
from .refusals import Code, refuse

AHEAD_S = 2 * DAY_S
"""How far an interval of a simulated channel may end after its clock, which the operator moves once a day."""


def market_time(stub: Stub, community: Community, clock: bytes | None) -> int:
    """The market time outside rounds, by the channel's clock record where it is simulated."""
    if community.clock == LIVE or clock is None:
        return stub.timestamp.seconds
    return decode(Clock, clock).time


def interval_time(stub: Stub, community: Community, clock: bytes | None, interval_end: int) -> int:
    """The market time at which an interval is reported: on a simulated channel its end, if that is still to come."""
    now = market_time(stub, community, clock)
    latest = now + AHEAD_S if community.clock == SIMULATED else now
    if interval_end > latest:
        raise refuse(
            Code.FUTURE_INTERVAL, f"the interval ends at {interval_end}, later than {latest}; it is {now}"
        )
    return max(now, interval_end) if community.clock == SIMULATED else now


def opening_time(stub: Stub, community: Community, clock: bytes | None, at: int | None) -> int:
    """The market time at which the operator opens a round."""
    now = market_time(stub, community, clock)
    if community.clock == SIMULATED:
        return forward(now, now if at is None else at)
    require_no_at(at)
    return now


def round_time(stub: Stub, round_: Round) -> int:
    """The market time of a transaction that concerns a round.

    A round is on the ledger before anybody can name it: a clock that is behind its opening's is set to that time.
    """
    if round_.clock == SIMULATED:
        return round_.time
    forward(round_.opened_at - round_.parameters.clock_error_s, stub.timestamp.seconds)
    return max(round_.opened_at, stub.timestamp.seconds)


def moved(round_: Round, at: int) -> Round:
    """A round of a simulated channel with its clock moved on."""
    time_s = forward(round_.time, at)
    offers_due = round_.state not in (CLEARED, VOID) and time_s >= round_.offers_from
    return replace(round_, time=time_s, state=OFFERS if offers_due else round_.state)


def forward(now: int, then: int) -> int:
    """``then``, which must not lie before ``now``."""
    if then < now:
        raise refuse(Code.CLOCK_RUNS_BACK, f"time {then} lies before the market time, {now}")
    return then


def require_no_at(at: int | None) -> None:
    """Nobody sets the time of a live channel."""
    if at is not None:
        raise refuse(
            Code.CLOCK_NOT_SIMULATED, f"the channel's clock is {LIVE}: it takes no time from a caller"
        )
