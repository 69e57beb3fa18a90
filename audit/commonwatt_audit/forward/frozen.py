# SPDX-License-Identifier: Apache-2.0
"""What a version of a period's settlement rests on, and the line of each home that follows from it."""

from collections.abc import Mapping
from typing import NamedTuple

from commonwatt_audit.messages import nonce_of as nonce_in
from commonwatt_audit.world import Json

from . import bids, readings, times
from .calendar import Period
from .freezing import readings_of
from .gates import caps_at
from .homes import connections_at
from .importing import outside_of
from .ledger import Ledger
from .lines import SettledLine, alike, lines_at, parts_of, with_gap
from .order import Draw
from .outside import NOTHING, Outside
from .places import READING
from .prices import Prices
from .salts import salt
from .settlement import STATIC, Line, Metered, Sharing, Terms, line_of, resettled
from .situation import Situation


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
    outside: Mapping[str, Outside]


def frozen_of(
    ledger: Ledger, now: Situation, period: Period, meter: Json, connections: Mapping[str, Json]
) -> Frozen:
    """What the frozen version rests on, as far as it is about some homes. Unseen where a value was not shown."""
    number, version = period.start_min, int(meter["version"])
    final = meter["final_version"]
    rules, prices = now.rules(number), now.prices(period)
    cleared = ledger.get(f"cleared/{number:09d}")
    awarded: dict[str, tuple[int, int]] = {}
    if cleared is not None:
        for one in ledger.private_record(f"awards/{number:09d}")["awards"]:
            awarded[one["home"]] = one["bought_wh"], one["sold_wh"]
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
        readings_of(ledger, number, version, connections),
        caps_at(ledger, connections, period, gate_s),
        keys_ppm,
        outside_of(ledger, number),
    )


def before_of(
    ledger: Ledger, frozen: Frozen, part: int, gaps: Mapping[str, Json | None]
) -> dict[str, SettledLine]:
    """The lines that stand, with what gaps made of them since.

    They are those of the last version that settled this part, though another part of it may have been settled never.
    """
    number = frozen.period.start_min
    for version in range(frozen.version - 1, 0, -1):
        if ledger.get(f"part/{number:09d}/{version:04d}/{part:04d}") is not None:
            standing = lines_at(ledger, number, version, part)
            return {home: with_gap(line, gaps.get(home), frozen.terms) for home, line in standing.items()}
    return {}


def settled_lines(
    ledger: Ledger,
    now: Situation,
    frozen: Frozen,
    homes: list[str],
    before: Mapping[str, SettledLine],
    gaps: Mapping[str, Json | None],
    sharing: Sharing,
) -> list[SettledLine]:
    """The lines of some homes; one that stays the same is the line before."""
    silent = {
        home
        for home in homes
        if home not in before and readings.counting(frozen.readings.get(home, []), frozen.version) is None
    }
    past = _imports_before(ledger, now, frozen, silent)
    draw = Draw.seeded(sharing.seed)
    lines = []
    for home in homes:
        old = before.get(home)
        assumed_wh = old.import_wh if old else 0
        if home in silent:
            bought_wh, _ = frozen.awarded.get(home, (0, 0))
            assumed_wh = readings.estimated_import_wh(
                now.calendar,
                frozen.period,
                past[home],
                bought_wh + frozen.outside.get(home, NOTHING).imported_wh,
                frozen.estimate_w,
            )
        as_shared = metered(frozen, home, assumed_wh)
        lines.append(_line_of(ledger, frozen, as_shared, sharing.of(as_shared, draw), old, gaps[home]))
    return lines


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


def metered(frozen: Frozen, home: str, assumed_wh: int) -> Metered:
    """A home as it takes part in the sharing: by what was read before the period was final."""
    bought_wh, sold_wh = frozen.awarded.get(home, (0, 0))
    cap_wh = frozen.caps.get(home, bids.Caps()).export_wh
    key_ppm = frozen.keys_ppm.get(home, 0)
    outside = frozen.outside.get(home, NOTHING)
    reading = readings.counting(frozen.readings.get(home, []), frozen.last_shared)
    if reading is None:
        pv_w = frozen.connections[home]["pv_w"]
        export_wh = readings.estimated_export_wh(frozen.period, pv_w, frozen.prices.feed_in)
        return Metered(home, bought_wh, sold_wh, assumed_wh, export_wh, cap_wh, key_ppm, True, outside)
    read = reading.import_wh, reading.export_wh
    return Metered(home, bought_wh, sold_wh, *read, cap_wh, key_ppm, False, outside)


def _built(
    frozen: Frozen, metered: Metered, quality: str, reading: readings.Reading | None, line: Line
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
        metered.outside,
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
    key = _place_of(number, line.reading_version, line.home, line.author, line.seq)
    if line.seq and ledger.get(key) is not None:
        return salt(str(ledger.said(key).payload["nonce"]), "line", number)
    return salt(first_nonce(ledger, line.home), "line", number)


def nonce_of(ledger: Ledger, period: int, reading: readings.Reading) -> str:
    """The nonce of a reading that stands on the ledger. Unseen where it was not shown."""
    key = _place_of(period, reading.version, reading.home, reading.author, reading.seq)
    return str(ledger.said(key).payload["nonce"])


def _place_of(period: int, version: int, home: str, author: str, seq: int) -> str:
    return f"m/{READING}/{period:09d}/{version:04d}/{home}/{author}/{seq:02d}"


def first_nonce(ledger: Ledger, home: str) -> str:
    """The nonce of the message that brought a home's first key. Unseen where it was not shown."""
    return nonce_in(ledger.private(f"key/home/{home}/000001"))
