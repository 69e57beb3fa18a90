# SPDX-License-Identifier: Apache-2.0
"""When a period's window opens, its gate closes, it freezes and is final."""

from commonwatt_audit.world import Json

from .calendar import DAY_S, Calendar, Period


def opens_s(period: Period, times: Json) -> int:
    """The first instant of the window of bids."""
    return period.start_s - int(times["opens_before_s"])


def gate_s(period: Period, times: Json) -> int:
    """The first instant after the window of bids."""
    return period.start_s - int(times["closes_before_s"])


def may_close_s(period: Period, times: Json, operator: bool) -> int:
    """From when the operator, or a member, may close the gate."""
    grace_s = 0 if operator else int(times["gate_grace_s"])
    return gate_s(period, times) + int(times["clock_error_s"]) + grace_s


def final_s(period: Period, times: Json) -> int:
    """From when a period's settlement stands."""
    return period.end_s + int(times["final_after_d"]) * DAY_S


def first_after(calendar: Calendar, times: Json, now_s: int) -> int:
    """The id of the first period whose window is not open at a time: what is said now counts from there."""
    found = calendar.period_at(now_s + int(times["opens_before_s"]))
    while opens_s(found, times) <= now_s:
        found = calendar.period_at(found.end_s)
    return found.start_min
