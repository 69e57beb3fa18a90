# SPDX-License-Identifier: Apache-2.0
"""When a period takes bids, closes, clears, freezes and is final."""

from dataclasses import dataclass

from ..tariff import DAY_S
from .periods import Lengths, Offsets, Period, period_at

SLACK_S = 30
"""What closing and clearing take, between a gate that anyone may close and the period's start."""


@dataclass(frozen=True, slots=True)
class Times:
    """A community's times, in seconds but for ``final_after_d``."""

    opens_before_s: int = 3_600
    closes_before_s: int = 300
    clock_error_s: int = 30
    gate_grace_s: int = 60
    readings_due_s: int = 172_800
    resettle_every_s: int = 86_400
    final_after_d: int = 220


def check_times(times: Times) -> None:
    """ValueError unless the gate leaves time to close and clear, and bids time before it."""
    least_s = 2 * times.clock_error_s + times.gate_grace_s + SLACK_S
    if times.closes_before_s < least_s:
        raise ValueError(
            f"closes_before_s: {times.closes_before_s} is below 2 * clock_error_s + gate_grace_s + {SLACK_S},"
            f" {least_s}"
        )
    if times.opens_before_s <= times.closes_before_s:
        raise ValueError(
            f"opens_before_s: {times.opens_before_s} is not above closes_before_s, {times.closes_before_s}"
        )


def window_opens_s(period: Period, times: Times) -> int:
    """From when a period takes bids; its prices and its homes are fixed then."""
    return period.start_s - times.opens_before_s


def gate_s(period: Period, times: Times) -> int:
    """From when a period takes no more bids."""
    return period.start_s - times.closes_before_s


def takes_bids(period: Period, times: Times, market_time_s: int) -> bool:
    """Whether a bid that comes at a market time is for this period."""
    return window_opens_s(period, times) <= market_time_s < gate_s(period, times)


def closes_from_s(period: Period, times: Times, operator: bool) -> int:
    """From when the operator, or a member of the channel, may close the gate."""
    return gate_s(period, times) + times.clock_error_s + (0 if operator else times.gate_grace_s)


def freezes_from_s(period: Period, times: Times, all_measured: bool, frozen_s: int | None = None) -> int:
    """From when a period may be frozen, first or again (``frozen_s``: when it was frozen last)."""
    if frozen_s is not None:
        return frozen_s + times.resettle_every_s
    return period.end_s + (0 if all_measured else times.readings_due_s)


def final_from_s(period: Period, times: Times) -> int:
    """From when the settlement stands; a later reading resettles its home alone."""
    return period.end_s + times.final_after_d * DAY_S


def closed_from_s(period: Period, keep_d: int) -> int:
    """From when a period's books are closed: nothing is settled or billed any more, and homes may be forgotten."""
    return period.end_s + keep_d * DAY_S


def counts_from(registered_s: int, times: Times, lengths: Lengths, offsets: Offsets) -> int:
    """The id of the first period whose window opens after a registration: earlier ones go without it."""
    earliest_s = registered_s + times.opens_before_s + 1
    period = period_at(earliest_s, lengths, offsets)
    return period.id if period.start_s == earliest_s else period.id + period.length_min
