# SPDX-License-Identifier: Apache-2.0
"""Market time: the transaction's timestamp on a live channel, the operator's clock on a simulated one."""

from dataclasses import replace

from ..ledger import CLEARED, LIVE, OFFERS, SIMULATED, VOID, Clock, Community, Round
from ..shim import Stub
from .refusals import Code, refuse


def opening_time(stub: Stub, community: Community, clock: Clock, at: int | None) -> int:
    """The market time at which a round opens; it never runs back, and on a live channel never jumps."""
    if community.clock == SIMULATED:
        return forward(clock.time, clock.time if at is None else at)
    require_no_at(at)
    now = forward(clock.time, stub.timestamp.seconds)
    bound_s = community.parameters_at(clock.time).clock_bound_s
    if now - clock.time > bound_s:
        raise refuse(
            Code.CLOCK_JUMPS,
            f"the timestamp is {now - clock.time} s ahead of the market time, more than clock_bound_s allows",
        )
    return now


def time_of_day(stub: Stub, community: Community, clock: Clock) -> int:
    """The market time outside any round."""
    return clock.time if community.clock == SIMULATED else max(clock.time, stub.timestamp.seconds)


def round_time(stub: Stub, round_: Round) -> int:
    """The market time of a transaction that concerns a round."""
    if round_.clock == SIMULATED:
        return round_.time
    return forward(round_.opened_at, stub.timestamp.seconds)


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
