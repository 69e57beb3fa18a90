# SPDX-License-Identifier: Apache-2.0
"""Bills of a local day: lines, supply, the month's demand and what changed of days that were billed before."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..market.forward.bills import Bill, Settled, ends_month, month_of
from ..market.forward.day_bills import Day, MonthlyDemand, day_bill
from ..market.forward.gates import window_opens_s
from ..market.forward.periods import Period, local_minute_at, period_at
from ..market.forward.tariffs import Version, version_of
from ..market.tariff import day_start
from ..shim import Stub
from . import keys
from .access import require_member
from .arguments import SettleDay
from .carbon import carbon_lines
from .day_lines import billable_line, ends_of, is_final, lines_of_days, periods_of, require_over
from .kept import checked, digest_of, kept
from .lines import Standing
from .records import Billed, Bills, StoredAdjustment, StoredBill, as_json, decode, encode
from .refusals import Code, refuse
from .registry import Registry, registry_of
from .salts import salt_of_all
from .settling import chosen_part
from .state import Situation, private, rows, situation

MOST_ADJUSTMENTS = 1_000
"""Adjustments that one bill of a home takes; the rest waits for the next one."""


class Waiting(NamedTuple):
    """An adjustment that waits, and the end of its public and private key."""

    home: str
    period_id: int
    version: int
    stored: StoredAdjustment


async def settle_day(stub: Stub, arguments: SettleDay) -> dict[str, Any]:
    """Bill one part of the homes for a local day whose periods are all settled. A bill is written once."""
    caller = require_member(stub)
    now = await situation(stub)
    periods = require_over(now, caller, arguments.day)
    day = _day(now, arguments.day, periods[0])
    registry = await registry_of(stub)
    parts = registry.day_parts(day.ends)
    part = chosen_part(arguments.part, len(parts), f"day {arguments.day}")
    billed_key = keys.billed_key(arguments.day, part)
    if (known := await stub.get_state(billed_key)) is not None:
        return dict(as_json(decode(Billed, known)))
    homes = parts[part]
    lines: dict[str, list[Standing]] = {}
    async for one in lines_of_days(stub, now, registry, periods, homes):
        lines.setdefault(one.line.home, []).append(one)
    month = await _month(stub, now, registry, day, homes)
    carbon = await carbon_lines(stub, now, periods[0], day.day, part)
    waiting = await _waiting(stub, homes)
    booked: dict[str, list[StoredAdjustment]] = {}
    for one_waiting in waiting:
        booked.setdefault(one_waiting.home, []).append(one_waiting.stored)
    bills = []
    for home in homes:
        adjustments = booked.get(home, [])
        bill = day_bill(
            registry.registration(home),
            day,
            [billable_line(now, one) for one in lines.get(home, ())],
            [one.adjustment for one in adjustments],
            month.get(home, ()),
            carbon.get(home),
        )
        if bill is not None:
            salts = [one.line.salt for one in lines.get(home, ())] + [one.salt for one in adjustments]
            bills.append(StoredBill(bill, salt_of_all(salts)))
    for home, period_id, version, _ in waiting:
        await stub.delete_state(keys.pending_key(home, period_id, version))
        await stub.delete_private_data(keys.COLLECTION, keys.adjustment_key(home, period_id, version))
    value = encode(Bills(arguments.day, part, tuple(bills)))
    await stub.put_private_data(keys.COLLECTION, keys.bills_key(arguments.day, part), value)
    record = Billed(
        arguments.day,
        part,
        len(parts),
        len(bills),
        len(waiting),
        sum(one.bill.taxable_naud for one in bills),
        sum(one.bill.amount_naud for one in bills),
        digest_of(value),
        stub.transaction_id,
    )
    await stub.put_state(billed_key, encode(record))
    stub.set_event("billed", encode(record))
    return dict(as_json(record))


async def bill_of(stub: Stub, now: Situation, registry: Registry, home: str, day: int) -> Bill:
    """A home's bill; ``unknown_bill`` where there is none. It is provisional until its last period is final."""
    parts = registry.day_parts(ends_of(now, day))
    part = next((number for number, homes in enumerate(parts) if home in homes), None)
    mark = await stub.get_state(keys.billed_key(day, part)) if part is not None else None
    if part is not None and mark is not None:
        (found,) = await kept(stub, [keys.bills_key(day, part)])
        stored = decode(Bills, found.checked(decode(Billed, mark).digest))
        for one in stored.bills:
            if one.bill.home == home:
                last = periods_of(now, [day])[-1]
                return replace(one.bill, provisional=one.bill.provisional and not is_final(now, last))
    raise refuse(Code.UNKNOWN_BILL, f"home {home} has no bill of day {day}")


def _day(now: Situation, number: int, first: Period) -> Day:
    """A local day with the tariff that was published when its first window opened."""
    return Day(number, first, ends_of(now, number), _tariff(now, number), _demand(now, number))


def _tariff(now: Situation, number: int) -> Version:
    return version_of(number, now.configuration.tariffs, _known_s(now, number))


def _demand(now: Situation, number: int) -> MonthlyDemand | None:
    """The demand charge of the month that a day ends: the one that was published when the month's first window opened.

    So no peak costs what nobody knew when it was drawn. A holiday counts where it was known by its own first window.
    """
    if not ends_month(number):
        return None
    days = _month_of(number)
    demand = _tariff(now, days.start).demand
    if demand is None:
        return None
    holidays = {
        one.day
        for one in now.configuration.holidays
        if one.day in days and one.published_s <= _known_s(now, one.day)
    }
    return MonthlyDemand(demand, holidays, now.configuration.offsets)


def _month_of(number: int) -> range:
    """The local days of the month that a day ends."""
    first = number
    while month_of(first - 1) == month_of(number):
        first -= 1
    return range(first, number + 1)


def _known_s(now: Situation, number: int) -> int:
    """The last second before the first window of a local day opens: what is published later is not of this day."""
    start_s = day_start(number, now.configuration.offsets)
    configuration = now.configuration
    first = period_at(start_s, configuration.lengths, configuration.offsets)
    return window_opens_s(first, now.rules(first).times) - 1


async def _month(
    stub: Stub, now: Situation, registry: Registry, day: Day, homes: Sequence[str]
) -> dict[str, list[Settled]]:
    """The lines of the month that a day ends, in the window of the demand charge."""
    if day.demand is None:
        return {}
    demand, _, offsets = day.demand
    in_window = [
        period
        for period in periods_of(now, _month_of(day.day))
        if demand.from_min <= local_minute_at(period, offsets) < demand.to_min
    ]
    found: dict[str, list[Settled]] = {}
    async for one in lines_of_days(stub, now, registry, in_window, homes):
        found.setdefault(one.line.home, []).append(billable_line(now, one))
    return found


async def _waiting(stub: Stub, homes: Sequence[str]) -> list[Waiting]:
    """The adjustments that wait for bills of some homes."""
    places: list[tuple[str, int, int]] = []
    digests: list[str] = []
    for home in homes:
        for row in (await rows(stub, *keys.pending_range(home)))[:MOST_ADJUSTMENTS]:
            _, _, period_id, version = row.key.split("/")
            places.append((home, int(period_id), int(version)))
            digests.append(row.value.decode())
    names = [keys.adjustment_key(*place) for place in places]
    values = await private(stub, names)
    return [
        Waiting(*place, decode(StoredAdjustment, checked(value, digest, name)))
        for place, value, digest, name in zip(places, values, digests, names, strict=True)
    ]
