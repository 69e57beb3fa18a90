# SPDX-License-Identifier: Apache-2.0
"""Replay of gaps: what a meter's running totals say of periods without a reading."""

import hashlib

from commonwatt_audit.messages import Statement
from commonwatt_audit.world import Json, Recorded, require

from . import readings
from .adjustments import adjustment_between, is_billed, leave
from .anomalies import Anomalies, Kind
from .calendar import DAY_MIN, Period
from .homes import connection_at, connections_at
from .ledger import UNKNOWN, Ledger, Outcome, Unseen, encoded, hash_in
from .lines import gap_of, lines_at, parts_of, place_of_lines, terms_of, with_gap
from .places import READING, indexed
from .salts import salt
from .situation import Situation, require_member, situation
from .submitting import reading_of

MOST_PERIODS = 300
LONGEST_MIN = 31 * DAY_MIN


def settle_gap(ledger: Ledger, recorded: Recorded, anomalies: Anomalies) -> Outcome:
    """The gap's energy over its periods, and what that changes on days that are billed."""
    require_member(recorded)
    now = situation(ledger, recorded)
    argument = recorded.argument
    home = str(argument["home"])
    registration = ledger.need(f"home/{home}")
    length_min = argument["after"] - argument["before"]
    require(0 < length_min <= LONGEST_MIN, f"a gap of {length_min} minutes is settled")
    periods = [now.period(argument["before"])]
    now.require_open(periods[0])
    last = now.period(argument["after"])
    while periods[-1].start_min < last.start_min:
        periods.append(now.calendar.period_at(periods[-1].end_s))
    for one in (periods[0], last):
        require(
            connection_at(registration, one.start_min) is not None,
            f"{home} takes no part in period {one.start_min}",
        )
    versions = {one.start_min: settled_version(ledger, one.start_min) for one in periods}
    try:
        return _spread(
            ledger, now, registration, periods, versions, argument.get("from_period", 0), anomalies
        )
    except Unseen:
        ledger.unchecked["gaps that were spread"] += 1
        return _unseen(recorded, home, {one.start_min for one in periods[1:-1]}, versions)


def settled_version(ledger: Ledger, period: int) -> int:
    """The version in which a period is settled. Difference where it is not, or was frozen anew since."""
    meter, settled = ledger.need(f"meter/{period:09d}"), ledger.need(f"settled/{period:09d}")
    require(meter["version"] == settled["version"], f"period {period} was frozen again and not settled since")
    return int(settled["version"])


def _said(ledger: Ledger, home: str, period: int, version: int) -> tuple[readings.Reading, Statement] | None:
    """The reading by which a period is settled, and its message."""
    said = [
        (reading_of(place, ledger.said(key)), ledger.said(key))
        for key, place in indexed(ledger, READING, period)
        if place.home == home and place.version <= version
    ]
    counting = readings.counting([reading for reading, _ in said], version)
    return next(((one, message) for one, message in said if one == counting), None)


def _spread(
    ledger: Ledger,
    now: Situation,
    registration: Json,
    periods: list[Period],
    versions: dict[int, int],
    from_period: int,
    anomalies: Anomalies,
) -> Outcome:
    home = str(registration["home"])
    said = {one: _said(ledger, home, one.start_min, versions[one.start_min]) for one in periods}
    missing = [one for one in periods if said[one] is None]
    before, after = said[periods[0]], said[periods[-1]]
    if before is None or after is None or not missing:
        require(False, "there is no gap between two readings")
        raise AssertionError
    between = [found[0] for one in periods[1:-1] if (found := said[one]) is not None]
    require(
        all(one.import_total_wh is None or one.export_total_wh is None for one in between),
        "a reading with totals stands in the gap",
    )
    spread: dict[str, list[int]] = {}
    for name in ("import", "export"):
        totals = [getattr(one, f"{name}_total_wh") for one in (before[0], after[0])]
        require(None not in totals, "a gap is settled without totals on both sides")
        known_wh = sum(getattr(one, f"{name}_wh") for one in (after[0], *between))
        energy_wh = readings.between_totals_wh(totals[0], totals[1], known_wh)
        require(energy_wh >= 0, f"the {name} total ran backwards in the gap")
        spread[name] = readings.spread_wh(missing, energy_wh)
    whole = list(zip(missing, spread["import"], spread["export"], strict=True))
    chosen = [one for one in whole if one[0].start_min >= from_period][:MOST_PERIODS]
    nonce = str(after[1].payload["nonce"])
    outcome = Outcome({}, {})
    for period, import_wh, export_wh in chosen:
        number = period.start_min
        _check_possible(registration, period, import_wh, export_wh)
        known = gap_of(ledger, number, home)
        if known is not None and (known["import_wh"], known["export_wh"]) == (import_wh, export_wh):
            continue
        value = {
            "period": number,
            "home": home,
            "import_wh": import_wh,
            "export_wh": export_wh,
            "salt": salt(nonce, "gap", number),
        }
        outcome.private[f"gap/{number:09d}/{home}"] = value
        outcome.public[f"gap/{number:09d}/{home}"] = hashlib.sha256(encoded(value)).hexdigest()
        _adjust(ledger, now, period, versions[number], home, known, value, outcome)
        anomalies.take_back(Kind.ESTIMATED, home, number)
    return outcome


def _check_possible(registration: Json, period: Period, import_wh: int, export_wh: int) -> None:
    connection = connection_at(registration, period.start_min) or {}
    given_w = connection.get("pv_w", 0) + connection.get("battery_w", 0)
    carried = 0 <= import_wh <= readings.most_wh(period, connection.get("connection_w", -1))
    require(
        carried and 0 <= export_wh <= readings.most_wh(period, given_w),
        f"the gap spreads more over period {period.start_min} than the connection carries",
    )


def _adjust(
    ledger: Ledger,
    now: Situation,
    period: Period,
    version: int,
    home: str,
    known: Json | None,
    new: Json,
    outcome: Outcome,
) -> None:
    """What the spread changes on a day that is billed, together with what waits of this version already."""
    number = period.start_min
    if not is_billed(ledger, now, now.calendar.day_at(period.start_s), home):
        return
    part = next(part for part, homes in enumerate(parts_of(connections_at(ledger, number))) if home in homes)
    line = lines_at(ledger, number, version, part)[home]
    prices, terms = terms_of(ledger.private_record(place_of_lines(number, version, part)))
    change = adjustment_between(period, prices, with_gap(line, known, terms), with_gap(line, new, terms))
    mark = f"pending/{home}/{number:09d}/{version:04d}"
    place = f"adjustment/{home}/{number:09d}/{version:04d}"
    waits = ledger.private_record(place)["adjustment"] if ledger.get(mark) is not None else None
    both = _together(waits, change)
    if both is not None:
        its_salt = salt(line.salt, "adjustment", number)
        leave(outcome.public, outcome.private, home, number, version, both, its_salt)
    elif waits is not None:
        outcome.public[mark] = outcome.private[place] = None


def _together(first: Json | None, second: Json | None) -> Json | None:
    if first is None or second is None:
        return first or second
    change = {name: first["change"][name] + second["change"][name] for name in first["change"]}
    if not any(change.values()):
        return None
    taxable_naud = first["taxable_naud"] + second["taxable_naud"]
    return {**second, "change": change, "taxable_naud": taxable_naud}


def _unseen(recorded: Recorded, home: str, within: set[int], versions: dict[int, int]) -> Outcome:
    """What it may write at all: gaps of this home's periods between the two, and adjustments of these."""
    outcome = Outcome({}, {})
    for number in sorted(within):
        gap = f"gap/{number:09d}/{home}"
        if gap in recorded.writes:
            outcome.public[gap], outcome.private[gap] = hash_in(recorded, gap), UNKNOWN
        mark = f"pending/{home}/{number:09d}/{versions[number]:04d}"
        place = f"adjustment/{home}/{number:09d}/{versions[number]:04d}"
        if mark in recorded.writes:
            deleted = recorded.writes[mark] is None
            outcome.public[mark] = None if deleted else hash_in(recorded, place)
            outcome.private[place] = None if deleted else UNKNOWN
    return outcome
