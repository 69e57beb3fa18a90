# SPDX-License-Identifier: Apache-2.0
"""What a transaction meets: the configuration, the market time, and who calls."""

from functools import lru_cache
from typing import Any, NamedTuple

from commonwatt_audit.world import Difference, Json, Recorded, require

from . import times
from .calendar import DAY_S, Calendar, Period
from .ledger import Ledger
from .prices import Prices, prices_of

CONFIGURATION, CLOCK = "configuration", "clock"
OPERATOR, GRID, HOME, METER, CARRIER = "operator", "grid", "home", "meter", "carrier"


class Situation(NamedTuple):
    """The configuration as it stands before a transaction, and the transaction's market time."""

    configuration: Json
    calendar: Calendar
    now_s: int

    def period(self, start_min: Any) -> Period:
        """The period of an id. Difference where none starts there."""
        found = self.calendar.period(start_min) if type(start_min) is int else None
        if found is None:
            raise Difference(f"no period starts at minute {start_min}")
        return found

    def rules(self, period: int) -> Json:
        """The rules of a period: those that start last by then."""
        known = self.configuration["rules"]
        started = [one for one in known if one["from_period"] <= period]
        found: Json = started[-1] if started else known[0]
        return found

    def times(self, period: Period) -> Json:
        """The times of a period."""
        found: Json = self.rules(period.start_min)["times"]
        return found

    def closed_s(self, period: Period) -> int:
        """From when nothing of a period is settled or billed any more, for it may be purged."""
        return period.end_s + int(self.rules(period.start_min)["keep_d"]) * DAY_S

    def require_open(self, period: Period) -> None:
        """Difference once a period's books are closed."""
        require(self.now_s < self.closed_s(period), f"the books of period {period.start_min} are closed")

    def prices(self, period: Period) -> Prices:
        """What a period costs by what was published before its window opened. Difference without a tariff."""
        known_s = times.opens_s(period, self.times(period)) - 1
        try:
            return _prices(_Shared(self.configuration), self.calendar, period, known_s)
        except ValueError as error:
            raise Difference(str(error)) from None

    def next_gate(self) -> Period:
        """The first period whose gate is after the market time."""
        soonest_s = min(int(one["times"]["closes_before_s"]) for one in self.configuration["rules"])
        period = self.calendar.period_at(self.now_s + soonest_s)
        while times.gate_s(period, self.times(period)) <= self.now_s:
            period = self.calendar.period_at(period.end_s)
        return period

    def counts_from(self, opens_before_s: int = 0) -> int:
        """The id of the first period whose window no rules, of now or to come, nor this time have opened yet."""
        running = self.rules(self.calendar.period_at(self.now_s).start_min)
        counting = [one for one in self.configuration["rules"] if one["from_period"] > running["from_period"]]
        widest_s = max(opens_before_s, *(int(one["times"]["opens_before_s"]) for one in (running, *counting)))
        return times.first_after(self.calendar, {"opens_before_s": widest_s}, self.now_s)

    @property
    def mspid(self) -> str:
        """The community's organisation."""
        return str(self.configuration["mspid"])


class _Shared:
    """A configuration as the key of a cache: no two versions are one object."""

    __slots__ = ("record",)

    def __init__(self, record: Json) -> None:
        self.record = record

    def __hash__(self) -> int:
        return hash(self.record["version"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shared) and other.record is self.record


@lru_cache(maxsize=4_096)
def _prices(shared: _Shared, calendar: Calendar, period: Period, known_s: int) -> Prices:
    return prices_of(shared.record, calendar, period, known_s)


def situation(ledger: Ledger, recorded: Recorded) -> Situation:
    """The situation of a transaction. Difference before the first configuration."""
    configuration = ledger.need(CONFIGURATION)
    now_s = recorded.timestamp_s
    if configuration["clock"] == "simulated":
        now_s = int(ledger.need(CLOCK)["time_s"])
    return Situation(configuration, calendar_of(configuration), now_s)


def calendar_of(configuration: Json) -> Calendar:
    """The local days and periods of a configuration."""
    return Calendar(
        tuple((int(first), int(minutes)) for first, minutes in configuration["offsets"]),
        tuple((int(first), int(minutes)) for first, minutes in configuration["lengths"]),
    )


def require_role(recorded: Recorded, *roles: str) -> str:
    """The caller's role. Difference for any other than these."""
    role = str(recorded.attributes.get("role"))
    require(role in roles, f"its caller has role {role}")
    return role


def require_member(recorded: Recorded) -> str:
    """Operator, grid or home: those who may drive a period on. A carrier may not."""
    return require_role(recorded, OPERATOR, GRID, HOME, METER)


def require_operator(recorded: Recorded, mspid: str) -> None:
    """The community's own operator."""
    require_role(recorded, OPERATOR)
    require(recorded.mspid == mspid, "its caller is the operator of another community")


def require_grid(recorded: Recorded, mspid: str) -> None:
    """An identity of the grid, which never is the community's own organisation."""
    require_role(recorded, GRID)
    require(recorded.mspid != mspid, "its caller calls itself the grid within the community's organisation")


def require_void_once_closed(recorded: Recorded, now: Situation) -> None:
    """What operator and grid do reads all gates ahead: else it could be held back and used after bids are known."""
    key = f"gate/{now.next_gate().start_min:09d}"
    require(
        (key, "gate0") in recorded.ranges,
        f"it does not read the gates from {key} on, so that it could be held back until bids are known",
    )
