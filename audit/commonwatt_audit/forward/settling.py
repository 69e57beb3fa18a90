# SPDX-License-Identifier: Apache-2.0
"""Replay of settlements: every line of every home, and the sums."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from commonwatt_audit.messages import nonce_of
from commonwatt_audit.world import Difference, Json, Recorded, require

from . import bids, bills, readings, times
from .anomalies import Anomalies, Kind
from .calendar import Period
from .freezing import readings_of
from .gates import envelopes_on
from .homes import connections_at
from .ledger import UNKNOWN, Ledger, Outcome, Unseen, encoded, hash_in
from .lines import (
    SettledLine,
    alike,
    bill_parts_of,
    gap_of,
    lines_at,
    parts_of,
    place_of_lines,
    stored,
    with_gap,
)
from .places import READING
from .prices import Prices
from .salts import salt
from .settlement import STATIC, Metered, Terms, line_of, resettled, shared
from .situation import Situation, require_member, situation

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


class Frozen(NamedTuple):
    """What a version of a period's settlement rests on."""

    period: Period
    version: int
    last_shared: int
    final: bool
    prices: Prices
    terms: Terms
    estimate_w: int
    connections: Mapping[str, Json]
    awarded: Mapping[str, tuple[int, int]]
    readings: Mapping[str, list[readings.Reading]]
    caps: Mapping[str, bids.Caps]
    keys_ppm: Mapping[str, int]


def settle_period(ledger: Ledger, recorded: Recorded, anomalies: Anomalies) -> Outcome:
    """One part of a frozen version; with the last one the sums of the whole."""
    require_member(recorded)
    now = situation(ledger, recorded)
    period = now.period(recorded.argument["period"])
    number = period.start_min
    meter = ledger.get(f"meter/{number:09d}")
    require(meter is not None, f"it settles period {number}, whose readings are not frozen")
    version = int(meter["version"])
    parts = parts_of(connections_at(ledger, number))
    part = recorded.argument.get("part", 0)
    require(0 <= part < len(parts), f"period {number} has {len(parts)} parts, and it settles part {part}")
    require(len(parts) == 1 or "part" in recorded.argument, "it does not say which part it settles")
    key = _part_key(number, version, part)
    if ledger.get(key) is not None:
        return Outcome({}, {})
    try:
        outcome = _settled(ledger, recorded, now, period, meter, parts[part], part, anomalies)
    except Unseen:
        ledger.unchecked["lines of settlements"] += 1
        outcome = _unseen(recorded, period, version, parts[part], part)
    _end(ledger, recorded, now, meter, outcome, len(parts), part, anomalies)
    return outcome


def _part_key(period: int, version: int, part: int) -> str:
    return f"part/{period:09d}/{version:04d}/{part:04d}"


def _settled(
    ledger: Ledger,
    recorded: Recorded,
    now: Situation,
    period: Period,
    meter: Json,
    homes: list[str],
    part: int,
    anomalies: Anomalies,
) -> Outcome:
    number, version = period.start_min, int(meter["version"])
    frozen = _frozen(ledger, now, period, meter)
    gaps = {home: gap_of(ledger, number, home) for home in homes}
    before = _before(ledger, frozen, part, gaps)
    silent = {
        home
        for home in homes
        if home not in before and readings.counting(frozen.readings.get(home, []), version) is None
    }
    past = _imports_before(ledger, now, frozen, silent)
    shares = shared([_metered(frozen, home, 0) for home in frozen.connections], frozen.terms.sharing)
    lines = []
    for home in homes:
        old = before.get(home)
        assumed_wh = old.import_wh if old else 0
        if home in silent:
            bought_wh, _ = frozen.awarded.get(home, (0, 0))
            assumed_wh = readings.estimated_import_wh(
                now.calendar, period, past[home], bought_wh, frozen.estimate_w
            )
        lines.append(
            _line_of(ledger, frozen, _metered(frozen, home, assumed_wh), shares[home], old, gaps[home])
        )
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


def _frozen(ledger: Ledger, now: Situation, period: Period, meter: Json) -> Frozen:
    number, version = period.start_min, int(meter["version"])
    final = meter["final_version"]
    rules, prices = now.rules(number), now.prices(period)
    cleared = ledger.get(f"cleared/{number:09d}")
    awarded: dict[str, tuple[int, int]] = {}
    if cleared is not None:
        for one in ledger.private_record(f"awards/{number:09d}")["awards"]:
            awarded[one["home"]] = one["bought_wh"], one["sold_wh"]
    connections = connections_at(ledger, number)
    published = envelopes_on(ledger, now.calendar.day_at(period.start_s))
    gate_s = times.gate_s(period, now.times(period))
    keys_ppm: dict[str, int] = {}
    if rules["sharing"] == STATIC:
        for _, record in ledger.between("sharing/", f"sharing/{number + 1:09d}"):
            keys_ppm = record["keys"]
    return Frozen(
        period,
        version,
        version if final is None else min(version, int(final)),
        final is not None,
        prices,
        Terms(prices, cleared["price_uaud_per_kwh"] if cleared else None, rules["sharing"]),
        int(rules["estimate_w"]),
        connections,
        awarded,
        readings_of(ledger, number, version),
        {home: bids.caps_of(published, home, period, gate_s) for home in connections} if published else {},
        keys_ppm,
    )


def _before(
    ledger: Ledger, frozen: Frozen, part: int, gaps: Mapping[str, Json | None]
) -> dict[str, SettledLine]:
    """The lines that stand, with what gaps made of them since."""
    settled = ledger.get(f"settled/{frozen.period.start_min:09d}")
    if settled is None:
        return {}
    standing = lines_at(ledger, frozen.period.start_min, settled["version"], part)
    return {home: with_gap(line, gaps.get(home), frozen.terms) for home, line in standing.items()}


def _line_of(
    ledger: Ledger,
    frozen: Frozen,
    as_shared: Metered,
    shares: tuple[int, int],
    before: SettledLine | None,
    gap: Json | None,
) -> SettledLine:
    home = as_shared.home
    said = frozen.readings.get(home, [])
    reading = readings.counting(said, frozen.version)
    if reading is None and before is not None and before.seq:
        reading = readings.Reading(
            home,
            before.author,
            before.quality,
            before.seq,
            before.reading_version,
            before.import_wh,
            before.export_wh,
        )
    line = line_of(as_shared, frozen.terms, *shares)
    if reading is None:
        found = _built(frozen, as_shared, readings.ESTIMATED, None, line)
        found = with_gap(found, gap, frozen.terms)
    else:
        read = as_shared._replace(import_wh=reading.import_wh, export_wh=reading.export_wh, assumed=False)
        if read != as_shared:
            line = resettled(read, line, frozen.terms)
        found = _built(frozen, read, reading.quality, reading, line)
    if before is not None and found == before._replace(version=found.version, salt=""):
        return before
    return found._replace(salt=_salt(ledger, frozen, found))


def _metered(frozen: Frozen, home: str, assumed_wh: int) -> Metered:
    """A home as it takes part in the sharing: by what was read before the period was final."""
    bought_wh, sold_wh = frozen.awarded.get(home, (0, 0))
    cap_wh = frozen.caps.get(home, bids.Caps()).export_wh
    key_ppm = frozen.keys_ppm.get(home, 0)
    reading = readings.counting(frozen.readings.get(home, []), frozen.last_shared)
    if reading is None:
        pv_w = frozen.connections[home]["pv_w"]
        export_wh = readings.estimated_export_wh(frozen.period, pv_w, frozen.prices.feed_in)
        return Metered(home, bought_wh, sold_wh, assumed_wh, export_wh, cap_wh, key_ppm, True)
    return Metered(home, bought_wh, sold_wh, reading.import_wh, reading.export_wh, cap_wh, key_ppm)


def _built(
    frozen: Frozen, metered: Metered, quality: str, reading: readings.Reading | None, line: Any
) -> SettledLine:
    beyond: list[str] = []
    caps = frozen.caps.get(metered.home, bids.Caps())
    if reading is not None and caps.import_wh is not None and reading.import_wh > caps.import_wh:
        beyond.append("import")
    if reading is not None and caps.export_wh is not None and reading.export_wh > caps.export_wh:
        beyond.append("export")
    return SettledLine(
        metered.home,
        frozen.version,
        quality,
        reading.author if reading else "",
        reading.seq if reading else 0,
        reading.version if reading else 0,
        metered.import_wh,
        metered.export_wh,
        metered.bought_wh,
        metered.sold_wh,
        metered.export_cap_wh,
        metered.key_ppm,
        tuple(beyond),
        line,
        "",
    )


def _imports_before(
    ledger: Ledger, now: Situation, frozen: Frozen, homes: set[str]
) -> dict[str, list[tuple[Period, int]]]:
    """What the meters of some homes counted at this local time in the days before, as it is settled by now."""
    found: dict[str, list[tuple[Period, int]]] = {home: [] for home in homes}
    for earlier in alike(now.calendar, frozen.period) if homes else ():
        settled = ledger.get(f"settled/{earlier.start_min:09d}")
        if settled is None:
            continue
        for part, some in enumerate(parts_of(connections_at(ledger, earlier.start_min))):
            if homes.isdisjoint(some):
                continue
            for home, line in lines_at(ledger, earlier.start_min, settled["version"], part).items():
                if home in homes and line.seq:
                    found[home].append((earlier, line.import_wh))
    return found


def _salt(ledger: Ledger, frozen: Frozen, line: SettledLine) -> str:
    """Of the nonce of the reading that the line rests on, else of the home's first key's message."""
    number = frozen.period.start_min
    key = f"m/{READING}/{number:09d}/{line.reading_version:04d}/{line.home}/{line.author}/{line.seq:02d}"
    if line.seq and ledger.get(key) is not None:
        return salt(str(ledger.said(key).payload["nonce"]), "line", number)
    return salt(first_nonce(ledger, line.home), "line", number)


def first_nonce(ledger: Ledger, home: str) -> str:
    """The nonce of the message that brought a home's first key. Unseen where it was not shown."""
    return nonce_of(ledger.private(f"key/home/{home}/000001"))


def _part(recorded: Recorded, frozen: Frozen, part: int, lines: list[SettledLine], digest: str) -> Json:
    sums = {name: sum(getattr(one, name) for one in lines) for name in SUMS[:4]}
    sums |= {name: sum(getattr(one.line, name) for one in lines) for name in SUMS[4:9]}
    sums["grid_naud"] = sum(one.line.grid_naud + one.line.fee_naud for one in lines)
    qualities = [final_quality(one.quality, frozen.final) for one in lines]
    sums |= {name: qualities.count(name) for name in SUMS[10:13]}
    sums["changed"] = sum(one.version == frozen.version for one in lines)
    return {
        "period": frozen.period.start_min,
        "version": frozen.version,
        "part": part,
        "homes": len(lines),
        **sums,
        "digest": digest,
        "transaction": recorded.transaction_id,
    }


def final_quality(quality: str, final: bool) -> str:
    """What an estimate is once its period is final: substituted, for nothing will replace it."""
    return readings.SUBSTITUTED if final and quality == readings.ESTIMATED else quality


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


def adjustment_between(
    period: Period, prices: Prices, before: SettledLine, after: SettledLine
) -> Json | None:
    """What a line books that changes after its bill; None where neither energy nor money changes."""
    same = all(
        getattr(before, name) == getattr(after, name)
        for name in ("quality", "author", "seq", "import_wh", "export_wh")
    )
    reason = "neighbours" if same else "reading" if after.seq else "gap"
    change = bills.adjustment_of(period.start_min, prices, before.line, after.line, reason)
    return change if any(change["change"].values()) else None


def leave(
    public: dict[str, Any],
    private: dict[str, Any],
    home: str,
    period: int,
    version: int,
    change: Json,
    its_salt: str,
) -> None:
    """An adjustment and its public mark."""
    value = {"adjustment": change, "salt": its_salt}
    private[f"adjustment/{home}/{period:09d}/{version:04d}"] = value
    public[f"pending/{home}/{period:09d}/{version:04d}"] = hashlib.sha256(encoded(value)).hexdigest()


def is_billed(ledger: Ledger, now: Situation, day: int, home: str) -> bool:
    """Whether a home has a bill of a local day."""
    for part, homes in enumerate(billed_parts(ledger, now, day)):
        if home in homes:
            return ledger.get(f"billed/{day:06d}/{part:04d}") is not None
    return False


def billed_parts(ledger: Ledger, now: Situation, day: int) -> list[list[str]]:
    """The homes of each part of a day's bills: all that were registered before it ended, also those that left."""
    ends = now.calendar.periods(day + 1)[0].start_min
    return bill_parts_of(
        str(known["home"])
        for _, known in ledger.under("home/")
        if known["versions"] and min(one["from_period"] for one in known["versions"]) < ends
    )


def _unseen(recorded: Recorded, period: Period, version: int, homes: list[str], part: int) -> Outcome:
    """What a part has to be whoever was metered: which records, for how many homes, with which digests."""
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
    public: dict[str, Any] = {_part_key(number, version, part): record}
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
    _check_even(number, whole)
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


def _check_even(number: int, whole: Json) -> None:
    require(whole["bought_wh"] == whole["sold_wh"], f"in period {number} more is bought than sold, or less")
    require(
        whole["shared_in_wh"] == whole["shared_out_wh"],
        f"in period {number} more is taken than given, or less",
    )
    grid_wh = whole["grid_in_wh"] - whole["grid_out_wh"] - whole["breach_wh"]
    require(
        grid_wh == whole["import_wh"] - whole["export_wh"],
        f"in period {number} the grid's energy is not what the meters counted",
    )
    counted = whole["measured"] + whole["substituted"] + whole["estimated"]
    require(counted == whole["homes"], f"in period {number} not every home has one quality")


def note_feeder(feeder: Json | None, number: int, whole: Json, anomalies: Anomalies) -> None:
    """Compare the feeder's meter with the homes; wires lose a few percent, and each home's Wh are rounded."""
    if feeder is None:
        return
    homes_wh = whole["import_wh"] - whole["export_wh"]
    feeder_wh = feeder["import_wh"] - feeder["export_wh"]
    allowed_wh = (whole["import_wh"] + whole["export_wh"]) * _LOSSES_PERCENT // 100 + whole["homes"]
    if abs(homes_wh - feeder_wh) > allowed_wh:
        words = f"the feeder counted {feeder_wh} Wh, the homes {homes_wh} Wh"
        anomalies.notice(Kind.FEEDER_GAP, "community", number, words)
    else:
        anomalies.take_back(Kind.FEEDER_GAP, "community", number)


_LOSSES_PERCENT = 5


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
