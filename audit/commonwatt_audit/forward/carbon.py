# SPDX-License-Identifier: Apache-2.0
"""Replay of carbon: what the grid published, every home's day, and the level by which all of them share."""

import hashlib
import json
from typing import Any

from commonwatt_audit.world import Difference, Json, Recorded, require

from .adjustments import billed_parts
from .calendar import Period
from .carbon_sharing import grams_at, level_of, line_of, sums_of
from .day_lines import lines_of_days, require_over
from .ledger import UNKNOWN, Ledger, Outcome, Unseen, encoded, hash_in
from .readings import MEASURED
from .salts import joined, salt
from .situation import Situation, require_grid, require_member, require_void_once_closed, situation

SUMS = ("homes", "emitted_mg", "paid_naud")


def set_intensity(ledger: Ledger, recorded: Recorded) -> Outcome:
    """What a kWh of the grid emits in periods whose windows are not open."""
    now = situation(ledger, recorded)
    require_grid(recorded, now.mspid)
    require_void_once_closed(recorded, now)
    period = now.period(recorded.argument["from_period"])
    require(
        period.start_min >= now.counts_from(),
        f"it says what period {period.start_min} emits, whose window is open",
    )
    public = {}
    for grams in recorded.argument["g_per_kwh"]:
        require(grams >= 0, "it says that energy emits less than nothing")
        public[f"intensity/{period.start_min:09d}"] = {
            "period": period.start_min,
            "g_per_kwh": grams,
            "transaction": recorded.transaction_id,
        }
        period = now.calendar.period_at(period.end_s)
    return Outcome(public, {})


def settle_carbon(ledger: Ledger, recorded: Recorded) -> Outcome:
    """The days of one part of the homes; with the last part the level and the sums of all."""
    role = require_member(recorded)
    now = situation(ledger, recorded)
    day = int(recorded.argument["day"])
    periods = require_over(now, recorded, role, day)
    rule = rule_of(now, periods[0])
    require(rule is not None, f"it settles the carbon of day {day}, which has no quota")
    assert rule is not None
    parts = billed_parts(ledger, now, day)
    part = recorded.argument.get("part", 0)
    require(0 <= part < len(parts), f"day {day} has {len(parts)} parts, and it settles part {part}")
    require(len(parts) == 1 or "part" in recorded.argument, "it does not say which part it settles")
    key = place_of_carbon(day, part)
    if ledger.get(key) is not None:
        return Outcome({}, {})
    own: list[Json] | None
    try:
        stored = _days(ledger, now, rule, periods, day, parts[part])
    except Unseen:
        ledger.unchecked["carbon of days"] += 1
        own, value = None, UNKNOWN
        sums = dict.fromkeys(SUMS, UNKNOWN) | {"digest": hash_in(recorded, key)}
    else:
        own, value = [one["carbon"] for one in stored], {"day": day, "part": part, "days": stored}
        sums = {**sums_of(own, rule), "digest": hashlib.sha256(encoded(value)).hexdigest()}
    record = {"day": day, "part": part, "parts": len(parts), **sums, "transaction": recorded.transaction_id}
    outcome = Outcome({key: record}, {key: value})
    _end(ledger, recorded, rule, outcome, len(parts), part, own)
    return outcome


def carbon_lines(ledger: Ledger, now: Situation, first: Period, day: int, part: int) -> dict[str, Json]:
    """The lines of a part's homes as their bills have them; none on a day without a quota."""
    rule = rule_of(now, first)
    if rule is None:
        return {}
    level = ledger.need(f"carbon/{day:06d}")["level"]
    days = [one["carbon"] for one in ledger.private_record(place_of_carbon(day, part))["days"]]
    return {str(one["home"]): line_of(one, rule, level) for one in days}


def rule_of(now: Situation, first: Period) -> Json | None:
    """The quota of a local day: the one in force at its first period."""
    return now.rules(first.start_min).get("carbon")


def place_of_carbon(day: int, part: int) -> str:
    """Where a part's days stand, in public and in private."""
    return f"carbon/{day:06d}/{part:04d}"


def _days(
    ledger: Ledger, now: Situation, rule: Json, periods: tuple[Period, ...], day: int, homes: list[str]
) -> list[Json]:
    lines = lines_of_days(ledger, now, periods, homes)
    grams = {}
    for period in periods:
        said = ledger.get(f"intensity/{period.start_min:09d}")
        usual = grams_at(rule, now.calendar.local_minute(period.start_s))
        grams[period.start_min] = usual if said is None else int(said["g_per_kwh"])
    found = []
    for home in homes:
        if home not in lines:
            continue
        settled = [one for one, _ in lines[home]]
        measured = {one.period.start_min for one in settled if one.quality == MEASURED}
        carbon = {
            "home": home,
            "emitted_mg": sum(grams[one.period.start_min] * one.line.grid_in_wh for one in settled),
            "grid_naud": sum(one.line.grid_naud for one in settled),
            "shares": measured == set(grams),
        }
        secret = joined(line.salt for _, line in lines[home])
        found.append({"carbon": carbon, "salt": salt(secret, "carbon", day)})
    return found


def _end(
    ledger: Ledger,
    recorded: Recorded,
    rule: Json,
    outcome: Outcome,
    parts: int,
    part: int,
    own: list[Json] | None,
) -> None:
    """The day, once all its parts are there. What was not shown leaves the level open, and never the sums."""
    day = int(recorded.argument["day"])
    others = [ledger.get(place_of_carbon(day, other)) for other in range(parts) if other != part]
    if any(one is None for one in others):
        return
    key = f"carbon/{day:06d}"
    every = [_standing(recorded, outcome, place_of_carbon(day, part)), *others]
    sums = {name: sum(int(one[name]) for one in every) for name in SUMS}
    try:
        if own is None:
            raise Unseen(place_of_carbon(day, part))
        days = list(own)
        for other in range(parts):
            if other != part:
                stored = ledger.private_record(place_of_carbon(day, other))["days"]
                days += [one["carbon"] for one in stored]
    except Unseen:
        found = _read(recorded, key)
        whole = {"shared_naud": UNKNOWN, "fund_naud": UNKNOWN, "level": UNKNOWN}
        require(
            found.get("shared_naud", -1) >= 0
            and found.get("fund_naud", -1) >= 0
            and found["shared_naud"] + found["fund_naud"] == sums["paid_naud"],
            f"{key}: what homes got and the fund are not what homes paid",
        )
    else:
        level = level_of(days, rule)
        fund_naud = sum(line_of(one, rule, level)["amount_naud"] for one in days)
        whole = {"shared_naud": sums["paid_naud"] - fund_naud, "fund_naud": fund_naud, "level": level}
    outcome.public[key] = {
        "day": day,
        "parts": parts,
        **sums,
        **whole,
        "transaction": recorded.transaction_id,
    }


def _standing(recorded: Recorded, outcome: Outcome, key: str) -> Json:
    expected = outcome.public[key]
    return _read(recorded, key) if expected["paid_naud"] is UNKNOWN else dict(expected)


def _read(recorded: Recorded, key: str) -> Json:
    try:
        found: Any = json.loads(recorded.writes.get(key) or b"")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Difference(f"{key} should be written and is not")
    return found
