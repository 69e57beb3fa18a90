# SPDX-License-Identifier: Apache-2.0
"""Replay of settlements: every line of every home, and the sums."""

import hashlib
import json
from typing import Any

from commonwatt_audit.world import Difference, Json, Recorded, require

from . import readings
from .adjustments import adjustment_between, is_billed, leave
from .anomalies import Anomalies, Kind
from .calendar import Period
from .feeder import note_feeder
from .frozen import Frozen, before_of, frozen_of, settled_lines
from .homes import connections_at
from .importing import imported_sums
from .ledger import UNKNOWN, Ledger, Outcome, Unseen, encoded, hash_in
from .lines import SettledLine, gap_of, parts_of, place_of_lines, stored
from .outside import NOTHING as NO_TRADE
from .outside import Outside, as_member, summed
from .planning import place_of_plan, planned, sharing_of_all, standing_plan, unseen_plan
from .salts import salt
from .settlement import Sharing
from .situation import Situation, require_member, situation

NOTHING = Outcome({}, {})
SUMS = (
    "import_wh",
    "export_wh",
    "bought_wh",
    "sold_wh",
    "shared_in_wh",
    "shared_out_wh",
    "grid_in_wh",
    "grid_out_wh",
    "breach_wh",
    "grid_naud",
    "measured",
    "substituted",
    "estimated",
    "changed",
)


def settle_period(ledger: Ledger, recorded: Recorded, anomalies: Anomalies) -> Outcome:
    """One part of a frozen version; with the last one the sums of the whole."""
    require_member(recorded)
    now = situation(ledger, recorded)
    period = now.period(recorded.argument["period"])
    now.require_open(period)
    number = period.start_min
    meter = ledger.get(f"meter/{number:09d}")
    require(meter is not None, f"it settles period {number}, whose readings are not frozen")
    version = int(meter["version"])
    connections = connections_at(ledger, number)
    parts = parts_of(connections)
    part = recorded.argument.get("part", 0)
    require(0 <= part < len(parts), f"period {number} has {len(parts)} parts, and it settles part {part}")
    require(len(parts) == 1 or "part" in recorded.argument, "it does not say which part it settles")
    key = _part_key(number, version, part)
    if ledger.get(key) is not None:
        return Outcome({}, {})
    traded = imported_sums(ledger, number)
    planned_before = ledger.get(place_of_plan(number, version)) is not None
    of_part = {home: connections[home] for home in parts[part]}
    try:
        if planned_before:
            frozen = frozen_of(ledger, now, period, meter, of_part)
            plan, sharing = NOTHING, standing_plan(ledger, number, version)
        else:
            frozen = frozen_of(ledger, now, period, meter, connections)
            sharing = sharing_of_all(frozen)
            plan = planned(ledger, recorded, frozen, parts, sharing) if len(parts) > 1 else NOTHING
        outcome = _settled(ledger, now, recorded, frozen, sharing, parts[part], part, anomalies)
    except Unseen:
        ledger.unchecked["lines of settlements"] += 1
        outcome = _unseen(recorded, period, version, parts[part], part, traded != NO_TRADE)
        plan = NOTHING
        if len(parts) > 1 and not planned_before:
            plan = unseen_plan(recorded, number, version, parts)
    outcome = Outcome({**outcome.public, **plan.public}, {**outcome.private, **plan.private})
    _end(ledger, recorded, now, meter, outcome, len(parts), part, traded, anomalies)
    return outcome


def _part_key(period: int, version: int, part: int) -> str:
    return f"part/{period:09d}/{version:04d}/{part:04d}"


def _settled(
    ledger: Ledger,
    now: Situation,
    recorded: Recorded,
    frozen: Frozen,
    sharing: Sharing,
    homes: list[str],
    part: int,
    anomalies: Anomalies,
) -> Outcome:
    number, version = frozen.period.start_min, frozen.version
    gaps = {home: gap_of(ledger, number, home) for home in homes}
    before = before_of(ledger, frozen, part, gaps)
    lines = settled_lines(ledger, now, frozen, homes, before, gaps, sharing)
    terms = frozen.terms
    header = {
        "period": number,
        "version": version,
        "part": part,
        "band": frozen.prices.band,
        "prices": frozen.prices.as_json(),
        "price_uaud_per_kwh": terms.price,
        "sharing": terms.sharing,
        "sharing_price_uaud_per_kwh": frozen.prices.of_sharing,
    }
    private: dict[str, Any] = {place_of_lines(number, version, part): stored(header, lines)}
    public: dict[str, Any] = {}
    for line in lines:
        _note(line, number, gaps[line.home] is not None, anomalies)
        old = before.get(line.home)
        if old is not None and line is not old:
            _adjust(ledger, now, frozen, old, line, public, private)
    digest = hashlib.sha256(encoded(private[place_of_lines(number, version, part)])).hexdigest()
    public[_part_key(number, version, part)] = _part(recorded, frozen, part, lines, digest)
    return Outcome(public, private)


def _part(recorded: Recorded, frozen: Frozen, part: int, lines: list[SettledLine], digest: str) -> Json:
    sums = {name: sum(getattr(one, name) for one in lines) for name in SUMS[:4]}
    sums |= {name: sum(getattr(one.line, name) for one in lines) for name in SUMS[4:9]}
    sums["grid_naud"] = sum(one.line.grid_naud + one.line.fee_naud for one in lines)
    qualities = [readings.final_quality(one.quality, frozen.final) for one in lines]
    sums |= {name: qualities.count(name) for name in SUMS[10:13]}
    sums["changed"] = sum(one.version == frozen.version for one in lines)
    return {
        "period": frozen.period.start_min,
        "version": frozen.version,
        "part": part,
        "homes": len(lines),
        **sums,
        **as_member(summed(one.outside for one in lines)),
        "digest": digest,
        "transaction": recorded.transaction_id,
    }


def _adjust(
    ledger: Ledger,
    now: Situation,
    frozen: Frozen,
    before: SettledLine,
    after: SettledLine,
    public: dict[str, Any],
    private: dict[str, Any],
) -> None:
    """What changes on a day that is billed waits for the home's next bill."""
    number = frozen.period.start_min
    change = adjustment_between(frozen.period, frozen.prices, before, after)
    if change is None or not is_billed(ledger, now, now.calendar.day_at(frozen.period.start_s), after.home):
        return
    leave(public, private, after.home, number, frozen.version, change, salt(after.salt, "adjustment", number))


def _unseen(
    recorded: Recorded, period: Period, version: int, homes: list[str], part: int, may_trade: bool
) -> Outcome:
    """Check what holds of a part for any readings: its records, how many homes it has, its digests."""
    number = period.start_min
    record: Json = {
        "period": number,
        "version": version,
        "part": part,
        "homes": len(homes),
        **dict.fromkeys(SUMS, UNKNOWN),
        "digest": hash_in(recorded, place_of_lines(number, version, part)),
        "transaction": recorded.transaction_id,
    }
    key = _part_key(number, version, part)
    if may_trade and "exchange" in json.loads(recorded.writes.get(key) or b"{}"):
        record["exchange"] = UNKNOWN
    public: dict[str, Any] = {key: record}
    private: dict[str, Any] = {place_of_lines(number, version, part): UNKNOWN}
    for home in homes:
        mark = f"pending/{home}/{number:09d}/{version:04d}"
        if mark in recorded.writes:
            place = f"adjustment/{home}/{number:09d}/{version:04d}"
            public[mark], private[place] = hash_in(recorded, place), UNKNOWN
    return Outcome(public, private)


def _end(
    ledger: Ledger,
    recorded: Recorded,
    now: Situation,
    meter: Json,
    outcome: Outcome,
    parts: int,
    part: int,
    traded: Outside,
    anomalies: Anomalies,
) -> None:
    """The sums of the whole, once all its parts are there; whatever was shown, they have to be even."""
    number, version = int(meter["period"]), int(meter["version"])
    own = _standing_part(recorded, outcome, _part_key(number, version, part))
    found = [ledger.get(_part_key(number, version, other)) for other in range(parts) if other != part]
    if any(one is None for one in found):
        return
    every = [own, *found]
    whole = {name: sum(int(one[name]) for one in every) for name in ("homes", *SUMS)}
    outside = summed(Outside(**one.get("exchange", {})) for one in every)
    require(outside == traded, f"in period {number} homes trade other sums with others than was imported")
    _check_even(number, whole, outside)
    cleared = ledger.get(f"cleared/{number:09d}")
    outcome.public[f"period/{number:09d}/{version:04d}"] = {
        "period": number,
        "version": version,
        "parts": parts,
        "homes": whole["homes"],
        "price_uaud_per_kwh": cleared["price_uaud_per_kwh"] if cleared else None,
        "sharing": now.rules(number)["sharing"],
        "final": meter["final_version"] is not None,
        "shared_wh": whole["shared_in_wh"],
        **{name: whole[name] for name in SUMS if not name.startswith("shared")},
        **as_member(outside),
        "transaction": recorded.transaction_id,
    }
    outcome.public[f"settled/{number:09d}"] = {
        "period": number,
        "version": version,
        "parts": parts,
        "transaction": recorded.transaction_id,
    }
    traded_wh = cleared["traded_wh"] if cleared else 0
    require(
        whole["bought_wh"] == traded_wh,
        f"period {number} settles {whole['bought_wh']} Wh of contracts, {traded_wh} Wh were cleared",
    )
    note_feeder(ledger.get(f"feeder/{number:09d}"), number, whole, anomalies)


def _standing_part(recorded: Recorded, outcome: Outcome, key: str) -> Json:
    expected = outcome.public[key]
    if not any(value is UNKNOWN for value in expected.values()):
        return dict(expected)
    try:
        stands = json.loads(recorded.writes.get(key) or b"")
    except ValueError:
        raise Difference(f"{key} should be written and is not") from None
    for name in SUMS:
        require(type(stands.get(name)) is int, f"{key}: {name} is no number")
    return dict(stands)


def _check_even(number: int, whole: Json, outside: Outside) -> None:
    require(whole["bought_wh"] == whole["sold_wh"], f"in period {number} more is bought than sold, or less")
    require(
        whole["shared_in_wh"] == whole["shared_out_wh"],
        f"in period {number} more is taken than given, or less",
    )
    grid_wh = whole["grid_in_wh"] - whole["grid_out_wh"] - whole["breach_wh"]
    grid_wh += outside.imported_wh - outside.exported_wh
    require(
        grid_wh == whole["import_wh"] - whole["export_wh"],
        f"in period {number} the grid's energy is not what the meters counted",
    )
    counted = whole["measured"] + whole["substituted"] + whole["estimated"]
    require(counted == whole["homes"], f"in period {number} not every home has one quality")


def _note(line: SettledLine, number: int, by_gap: bool, anomalies: Anomalies) -> None:
    if not line.seq:
        anomalies.notice(Kind.UNMETERED, line.home, number)
    seen = {
        Kind.ESTIMATED: not line.seq and not by_gap,
        Kind.ENVELOPE: bool(line.exceeded),
        Kind.BREACH: line.line.breach_wh > 0,
    }
    words = {Kind.ENVELOPE: ", ".join(line.exceeded), Kind.BREACH: f"{line.line.breach_wh} Wh"}
    for kind, holds in seen.items():
        if holds:
            anomalies.notice(kind, line.home, number, words.get(kind, ""))
        else:
            anomalies.take_back(kind, line.home, number)
