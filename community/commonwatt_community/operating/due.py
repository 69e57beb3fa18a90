# SPDX-License-Identifier: Apache-2.0
"""The steps that are due, by ledger records and market time alone. This module asks, waits and writes nothing.

The contract takes each step that is listed here, unless another operator was faster.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from commonwatt_chaincode.market.forward.day_bills import day_parts
from commonwatt_chaincode.market.forward.gates import closed_from_s, closes_from_s, freezes_from_s
from commonwatt_chaincode.market.forward.period_settlement import parts_of
from commonwatt_chaincode.market.forward.periods import Period, Registration, period_at, periods_of_day
from commonwatt_chaincode.market.tariff import MINUTE_S, day_start, local_day

from commonwatt_community.market.results import Configuration, Home, ListedPeriod

from .steps import Bill, Clear, CloseGate, Freeze, Settle, Step

FIRST_TRY_S = 1
"""Readings that come at a period's end are asked for once this time has passed."""

LONGEST_BETWEEN_TRIES_S = 300


class Due(NamedTuple):
    """Steps in their order, and the market time at which there is more to do; None: not before something happens."""

    steps: tuple[Step, ...]
    next_s: int | None


@dataclass(frozen=True)
class Community:
    """The ledger's common part of a community: its rules and registrations."""

    configuration: Configuration
    homes: Sequence[Home]

    def period_at(self, time_s: int) -> Period:
        """The period to which an instant belongs."""
        return period_at(time_s, self.configuration.lengths, self.configuration.offsets)

    def day_at(self, time_s: int) -> int:
        """The local day to which an instant belongs."""
        return local_day(time_s, self.configuration.offsets)

    def day_of(self, period: Period) -> int:
        """The local day of a period."""
        return self.day_at(period.start_s)

    def periods(self, day: int) -> tuple[Period, ...]:
        """The periods of a local day, in order; a day over which the UTC offset leaps has none."""
        return tuple(periods_of_day(day, self.configuration.lengths, self.configuration.offsets))

    def ends_s(self, day: int) -> int:
        """When a local day is over."""
        return day_start(day + 1, self.configuration.offsets)

    def members(self, period_id: int) -> list[str]:
        """The homes that a period settles."""
        return [home.home for home in self.homes if home.takes_part(period_id)]

    def first_day(self) -> int | None:
        """The local day of the first period in which a home takes part; None where no home is confirmed."""
        starts = [one.from_period for home in self.homes for one in home.versions[:1]]
        return self.day_at(min(starts) * MINUTE_S) if starts else None

    def bill_parts(self, day: int) -> list[tuple[str, ...]]:
        """The homes of each part of a day's bills."""
        registrations = [
            Registration(home.home, min(one.from_period for one in home.versions), home.to_period)
            for home in self.homes
            if home.versions
        ]
        return day_parts(registrations, self.ends_s(day) // MINUTE_S)


def gates_due(community: Community, listed: Mapping[int, ListedPeriod], now_s: int) -> Due:
    """Gates to close and periods to clear, of those that have not begun; `listed` holds what stands of them."""
    steps: list[Step] = []
    for period in _ahead(community, now_s):
        closes_s = closes_from_s(period, community.configuration.rules_of(period.id).times, True)
        if now_s < closes_s:
            return Due(tuple(steps), closes_s)
        if not community.members(period.id):
            continue
        standing = listed.get(period.id)
        if standing is None or standing.gate is None:
            steps.append(CloseGate(period.id))
        if standing is None or standing.cleared is None:
            steps.append(Clear(period.id))
    raise AssertionError("there is always a period ahead")


def _ahead(community: Community, now_s: int) -> Iterator[Period]:
    """The periods that have not begun, without end."""
    period = community.period_at(now_s)
    while True:
        if period.start_s > now_s:
            yield period
        period = community.period_at(period.end_s)


@dataclass(frozen=True)
class DayBook:
    """What stands of a local day: of its periods, by id, and which parts of its bills."""

    day: int
    listed: Mapping[int, ListedPeriod]
    billed: frozenset[int] = frozenset()


def books_due(
    community: Community, book: DayBook, now_s: int, tried_s: Mapping[int, int] | None = None
) -> Due:
    """Periods of a day to freeze and to settle, and the day to bill once all of them are settled.

    `tried_s`: when a period was last found to wait for readings; until they are due it is tried the less often the
    longer it waits.
    """
    tried = tried_s or {}
    steps: list[Step] = []
    times: list[int] = []
    settled = True
    for period in community.periods(book.day):
        members = community.members(period.id)
        if not members:
            continue
        standing = book.listed.get(period.id)
        if is_settled(standing):
            continue
        settled = False
        if standing is not None and standing.meter is not None:
            steps.append(Settle(period.id, len(parts_of(members))))
            continue
        due_s = freezes_from_s(period, community.configuration.rules_of(period.id).times, False)
        try_s = min(due_s, next_try_s(period, tried.get(period.id)))
        if now_s >= try_s:
            steps.append(Freeze(period.id, now_s >= due_s))
        else:
            times.append(try_s)
    ends_s = community.ends_s(book.day)
    if now_s < ends_s:
        times.append(ends_s)
    elif settled and not is_billed(community, book):
        steps.append(Bill(book.day, len(community.bill_parts(book.day))))
    return Due(tuple(steps), min(times, default=None))


def is_settled(standing: ListedPeriod | None) -> bool:
    """Whether the last version that was frozen is settled."""
    if standing is None or standing.meter is None or standing.settled is None:
        return False
    return standing.settled.version == standing.meter.version


def is_billed(community: Community, book: DayBook) -> bool:
    """Whether all bills of a day stand; a day without periods or homes has none."""
    if not community.periods(book.day):
        return True
    parts = community.bill_parts(book.day)
    return all(number in book.billed for number, homes in enumerate(parts) if homes)


def is_done(community: Community, book: DayBook) -> bool:
    """Whether nothing is left to do of a day but what comes late."""
    return is_billed(community, book) and all(
        is_settled(book.listed.get(period.id))
        for period in community.periods(book.day)
        if community.members(period.id)
    )


def is_closed(community: Community, day: int, now_s: int) -> bool:
    """Whether a day's books are closed: nothing of it is settled or billed any more."""
    periods = community.periods(day)
    if not periods:
        return True
    return now_s >= closed_from_s(periods[0], community.configuration.rules_of(periods[0].id).keep_d)


def next_try_s(period: Period, tried_s: int | None) -> int:
    """When to ask again whether all homes have reported: soon after the end, later each time after a longer while."""
    if tried_s is None:
        return period.end_s + FIRST_TRY_S
    waited_s = tried_s - period.end_s
    return tried_s + min(LONGEST_BETWEEN_TRIES_S, max(2, waited_s // 4))
