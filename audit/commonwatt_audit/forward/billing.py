# SPDX-License-Identifier: Apache-2.0
"""Replay of bills: every home's local day from its lines, and what changed of days that were billed before."""

import hashlib
from collections.abc import Iterable

from commonwatt_audit.world import Json, Recorded, require

from . import bills, times
from .adjustments import billed_parts
from .calendar import Period
from .carbon import carbon_lines
from .day_lines import Found, lines_of_days, require_over
from .ledger import UNKNOWN, Ledger, Outcome, Unseen, encoded, hash_in
from .prices import version_on
from .salts import joined
from .situation import Situation, require_member, situation

MOST_ADJUSTMENTS = 1_000


def settle_day(ledger: Ledger, recorded: Recorded) -> Outcome:
    """The bills of one part of the homes for a day that is over and settled."""
    role = require_member(recorded)
    now = situation(ledger, recorded)
    day = int(recorded.argument["day"])
    periods = require_over(now, recorded, role, day)
    parts = billed_parts(ledger, now, day)
    part = recorded.argument.get("part", 0)
    require(0 <= part < len(parts), f"day {day} has {len(parts)} parts, and it bills part {part}")
    require(len(parts) == 1 or "part" in recorded.argument, "it does not say which part it bills")
    key, place = f"billed/{day:06d}/{part:04d}", f"bills/{day:06d}/{part:04d}"
    if ledger.get(key) is not None:
        return Outcome({}, {})
    waiting = [mark for home in parts[part] for mark in _waiting(ledger, home)]
    outcome = Outcome(dict.fromkeys(waiting), dict.fromkeys(map(_place, waiting)))
    try:
        carbon = carbon_lines(ledger, now, periods[0], day, part)
        made = _bills(ledger, now, day, parts[part], carbon)
    except Unseen:
        ledger.unchecked["bills of days"] += 1
        outcome.private[place] = UNKNOWN
        sums = dict.fromkeys(("homes", "taxable_naud", "amount_naud"), UNKNOWN)
        sums["digest"] = hash_in(recorded, place)
    else:
        value = {"day": day, "part": part, "bills": made}
        outcome.private[place] = value
        sums = {name: sum(one["bill"][name] for one in made) for name in ("taxable_naud", "amount_naud")}
        sums |= {"homes": len(made), "digest": hashlib.sha256(encoded(value)).hexdigest()}
    outcome.public[key] = {
        "day": day,
        "part": part,
        "parts": len(parts),
        "adjustments": len(waiting),
        **sums,
        "transaction": recorded.transaction_id,
    }
    return outcome


def _waiting(ledger: Ledger, home: str) -> list[str]:
    return [key for key, _ in ledger.under(f"pending/{home}/")][:MOST_ADJUSTMENTS]


def _place(mark: str) -> str:
    return "adjustment" + mark.removeprefix("pending")


def _bills(ledger: Ledger, now: Situation, day: int, homes: list[str], carbon: dict[str, Json]) -> list[Json]:
    periods = now.calendar.periods(day)
    tariff = _tariff(now, day)
    lines = lines_of_days(ledger, now, periods, homes)
    month: dict[str, list[Found]] = {}
    demand = None
    if bills.month_of(day) != bills.month_of(day + 1):
        first = next(one for one in range(day - 30, day + 1) if bills.month_of(one) == bills.month_of(day))
        demand = _tariff(now, first)["demand"]
    if demand is not None:
        within = [one for one in _month(now, day) if _counts(now, demand, one)]
        month = lines_of_days(ledger, now, within, homes)
    holidays = [
        one["day"]
        for one in now.configuration["holidays"]
        if bills.month_of(one["day"]) == bills.month_of(day)
        and one["published_s"] <= _known_s(now, one["day"])
    ]
    made = []
    for home in homes:
        found = lines.get(home, [])
        adjustments = [ledger.private_record(_place(mark)) for mark in _waiting(ledger, home)]
        supply_naud = tariff["supply_naud_per_day"] if _registered(ledger, home, periods[0]) else 0
        charge = None
        if demand is not None and home in month:
            peaks = [(one.period, one.metered.import_wh) for one, _ in month[home]]
            charge = bills.demand_of(now.calendar, peaks, demand, holidays)
        if not found and not adjustments and not supply_naud and charge is None:
            continue
        bill = bills.bill_of(
            home,
            day,
            [one for one, _ in found],
            supply_naud,
            [one["adjustment"] for one in adjustments],
            charge,
            carbon.get(home),
        )
        salts = [line.salt for _, line in found] + [one["salt"] for one in adjustments]
        made.append({"bill": bill, "salt": joined(salts)})
    return made


def _known_s(now: Situation, day: int) -> int:
    """The last second before the first window of a local day opens."""
    first = now.calendar.period_at(now.calendar.first_instant(day))
    return times.opens_s(first, now.times(first)) - 1


def _tariff(now: Situation, day: int) -> Json:
    return version_on(now.configuration["tariffs"], day, _known_s(now, day))


def _registered(ledger: Ledger, home: str, period: Period) -> bool:
    known = ledger.need(f"home/{home}")
    first = min(one["from_period"] for one in known["versions"])
    ended = known["to_period"] is not None and known["to_period"] <= period.start_min
    return bool(first <= period.start_min and not ended)


def _month(now: Situation, day: int) -> Iterable[Period]:
    for other in range(day - 31, day + 1):
        if bills.month_of(other) == bills.month_of(day):
            yield from now.calendar.periods(other)


def _counts(now: Situation, demand: Json, period: Period) -> bool:
    return bool(demand["from_min"] <= now.calendar.local_minute(period.start_s) < demand["to_min"])
