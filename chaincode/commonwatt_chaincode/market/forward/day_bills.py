# SPDX-License-Identifier: Apache-2.0
"""Which homes a day bills, from which lines, and what a changed line books once its day is billed."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from .balances import Metered
from .bills import Adjustment, Bill, CarbonLine, Settled, adjustment, bill, demand_charge, supply_due_naud
from .outside import NOTHING
from .period_settlement import SettledLine, even_slices, quality_of
from .periods import Offsets, Period, Registration
from .prices import Prices
from .readings import ESTIMATED
from .tariffs import Demand, Version

BILL_HOMES = 200
"""The homes of one part of a day's bills, by name."""

READING, GAP, NEIGHBOURS = "reading", "gap", "neighbours"
"""Why a billed line changes: by a reading of the home, by its running totals, by readings of others."""


class MonthlyDemand(NamedTuple):
    """The demand charge of a calendar month, and those of its days that are holidays."""

    demand: Demand
    holidays: Collection[int]
    offsets: Offsets


class Day(NamedTuple):
    """A local day's first period, the id of the next day's first one, and its tariff.

    ``demand`` is that of the month which the day ends, if there is one.
    """

    day: int
    first: Period
    ends: int
    tariff: Version
    demand: MonthlyDemand | None = None


def day_parts(registrations: Iterable[Registration], ends: int) -> list[tuple[str, ...]]:
    """The homes of each part of a day's bills, sorted: all that were registered before it ended.

    Homes that have moved out are among them, for their adjustments: so a home's part never changes.
    """
    return even_slices({one.home for one in registrations if one.from_period < ends}, BILL_HOMES)


def billable(period: Period, band: str, prices: Prices, line: SettledLine, final: bool) -> Settled:
    """A line as bills take it."""
    metered = Metered(
        line.home,
        line.bought_wh,
        line.sold_wh,
        line.import_wh,
        line.export_wh,
        line.export_cap_wh,
        line.key_ppm,
        line.quality == ESTIMATED,
        line.exchange or NOTHING,
    )
    return Settled(period, band, prices, metered, line.line, quality_of(line, final), final)


def adjusted(period: Period, prices: Prices, before: SettledLine, after: SettledLine) -> Adjustment | None:
    """What a line books that changes after its day is billed; None where neither energy nor money changes."""
    booked = adjustment(period.id, prices, before.line, after.line, _reason(before, after))
    return booked if any(booked.change) else None


def day_bill(
    registration: Registration,
    day: Day,
    lines: Sequence[Settled],
    adjustments: Sequence[Adjustment] = (),
    month: Iterable[Settled] = (),
    carbon: CarbonLine | None = None,
) -> Bill | None:
    """A home's bill; None for one that has moved out and has nothing to adjust.

    ``month`` are the lines of the calendar month that the day ends, where it has a demand charge. A home with lines
    has a line of ``carbon``, where the day has a quota.
    """
    supply_naud = supply_due_naud(registration.home, day.first, [registration], day.tariff)
    demand = None
    month = tuple(month)
    if month and day.demand:
        demand = demand_charge(month, *day.demand)
    if not lines and not adjustments and not supply_naud and demand is None:
        return None
    return bill(registration.home, day.day, lines, supply_naud, adjustments, demand, carbon)


def merged(first: Adjustment | None, second: Adjustment | None) -> Adjustment | None:
    """Two changes of one line, one after the other, as one; None where they cancel."""
    if first is None or second is None:
        return first or second
    change = type(first.change)(
        *(one + other for one, other in zip(first.change, second.change, strict=True))
    )
    if not any(change):
        return None
    return second._replace(change=change, taxable_naud=first.taxable_naud + second.taxable_naud)


def _reason(before: SettledLine, after: SettledLine) -> str:
    metered = (after.quality, after.author, after.seq, after.import_wh, after.export_wh)
    if metered == (before.quality, before.author, before.seq, before.import_wh, before.export_wh):
        return NEIGHBOURS
    return READING if after.seq else GAP
