# SPDX-License-Identifier: Apache-2.0
"""From rows of any interval length, in any order, to each home's half hours by local time.

The same instant counts once, whatever comes with it again. Two different instants share a half hour only in the hour
that comes twice when daylight saving ends; there, and only there, rows are added. An interval that reaches over the
edge of a half hour is spread evenly over its minutes. Sums are exact, and rounded to mWh once; the rest goes on into
the next half hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
from commonwatt_community.hems.energy import MINUTES_PER_DAY, SLOT_MINUTES, SLOTS_PER_DAY

from commonwatt_loadgen.traces.assemble import ABSURD_KWH, Assembly, comes_twice, odd_slots, skipped_slots
from commonwatt_loadgen.traces.meter_rows import Table
from commonwatt_loadgen.traces.quantities import (
    LARGEST,
    MISSING,
    NET_METERS,
    STANDBY_W,
    Ints,
    UnknownUse,
    own_flows,
)

_LONGEST_MIN = 60
_MINUTES_PER_HOUR = 60
_FEWEST_OF_A_COUNTER = 24
_EPOCH, _EPOCH_TIME = date(1970, 1, 1), datetime(1970, 1, 1)


@dataclass(frozen=True)
class _Home:
    """The rows of one home that count, by time: quantities, later registers, in mWh each (or mW)."""

    name: str
    minutes: Ints
    lines: Ints
    milli: dict[str, Ints]


@dataclass(frozen=True)
class _Shares:
    """Parts of rows that lie within one half hour: the row's place, the local start, and how many minutes it has."""

    rows: Ints
    starts: Ints
    minutes: Ints


def add_homes(assembly: Assembly, table: Table, meters: str | None) -> None:
    """Add every home's days; `meters` says what the quantities are taken for, as in `own_flows`.

    Raises:
        TraceError: a home's intervals are of no known length or overlap, its values are a counter's, or what it uses
            is unknown.
    """
    single: list[_Home] = []
    for name, rows in _rows_of(table):
        if not len(rows):
            continue
        home = _once(assembly, table, name, rows)
        length_min = _length_min(home.minutes)
        if length_min:
            assembly.lengths_min[length_min] += 1
            _add_home(assembly, home, length_min, table, meters)
        else:
            single.append(home)
    known = assembly.lengths_min
    usual_min = known.most_common(1)[0][0] if known else SLOT_MINUTES
    for home in single:
        _add_home(assembly, home, usual_min, table, meters)


def _rows_of(table: Table) -> Iterator[tuple[str, Ints]]:
    """Each home with its rows' places by time, equal times in the order of the file."""
    order = np.lexsort((table.minutes, table.codes))
    ends = np.searchsorted(table.codes, np.arange(len(table.homes) + 1), sorter=order)
    for name, start, end in zip(table.homes, ends[:-1], ends[1:], strict=True):
        yield name, order[start:end]


def _once(assembly: Assembly, table: Table, name: str, rows: Ints) -> _Home:
    """Leave out, and report, rows of an instant that an earlier row has."""
    minutes = table.minutes[rows].astype(np.int64)
    lines = table.lines_of(rows)
    places = np.arange(len(rows))
    again = np.diff(minutes, prepend=minutes[0] - 1) == 0
    before = places - np.maximum.accumulate(
        np.where(again, 0, places)
    )  # rows of the same time before this one
    extra = before > 0
    for place in np.nonzero(extra)[0]:
        if (
            not table.in_utc
            and before[place] == 1
            and comes_twice(_EPOCH_TIME + timedelta(minutes=int(minutes[place])), assembly.zone)
        ):
            extra[place] = False  # without offset: the second of the two instants that have this local time
            continue
        line, first = int(lines[place]), int(lines[place - before[place]])
        message = f"{name} at {_told(int(minutes[place]), table.in_utc)} again (first on {assembly.told(first, line)})"
        assembly.report(line, "duplicated_interval", message, "first kept")
    kept = rows[~extra]
    milli = {register: values[kept].astype(np.int64) for register, values in table.milli.items()}
    return _Home(name, minutes[~extra], lines[~extra], milli)


def _told(minute: int, in_utc: bool) -> str:
    at = _EPOCH_TIME + timedelta(minutes=minute)
    return f"{at:%Y-%m-%d %H:%M}" + (" UTC" if in_utc else "")


def _length_min(minutes: Ints) -> int:
    """The most common distance from one row to the next; 0 for a single row."""
    distances = np.minimum(np.diff(minutes), MINUTES_PER_DAY + 1)
    counts = np.bincount(distances[distances > 0])
    return int(counts.argmax()) if counts.size else 0


def _add_home(assembly: Assembly, home: _Home, length_min: int, table: Table, meters: str | None) -> None:
    _check_grid(assembly, home, length_min)
    if table.is_end:
        home = _Home(home.name, home.minutes - length_min, home.lines, home.milli)
    _refuse_counter(assembly, home, table.powers)
    shares = _shares(home.minutes, length_min, assembly.zone if table.in_utc else None)
    home, per_min = _with_own_flows(assembly, home, length_min, table, meters)
    numbers, places = np.unique(shares.starts // MINUTES_PER_DAY, return_inverse=True)
    places = places * SLOTS_PER_DAY + shares.starts % MINUTES_PER_DAY // SLOT_MINUTES
    days = [_EPOCH + timedelta(days=int(number)) for number in numbers]
    if not table.in_utc:
        _report_skipped(assembly, home, days, places, shares)
    for name, milli in home.milli.items():
        present = milli != MISSING
        if not present.any():
            if name == "general":
                message = f"{home.name} has no values of use"
                assembly.report(int(home.lines[0]), "incomplete_home", message, "left out")
            continue
        kwh, lines = _half_hours(assembly, home, name, days, places, shares, per_min)
        register = assembly.register(home.name, name, is_generation=name == "generation")
        assembly.add_days(register, days, kwh, lines)


def _report_skipped(assembly: Assembly, home: _Home, days: list[date], places: Ints, shares: _Shares) -> None:
    """Report readings in an hour that no local clock shows: their times are not local."""
    skipped = [
        number * SLOTS_PER_DAY + slot
        for number, day in enumerate(days)
        for slot in skipped_slots(day, assembly.zone)
    ]
    used = home.milli["general"][shares.rows]
    there = np.isin(places, skipped) & (used > 0) if skipped else np.zeros(0, dtype=bool)
    if there.any():
        line = int(home.lines[shares.rows[int(there.argmax())]])
        message = (
            f"{home.name} has readings in an hour that {assembly.zone} leaves out: its times are not local"
        )
        assembly.report(line, "skipped_hour", message, "kept; time_in=UTC in --columns if they are UTC")


def _check_grid(assembly: Assembly, home: _Home, length_min: int) -> None:
    if length_min > _LONGEST_MIN:
        raise assembly.error(
            int(home.lines[0]),
            f"{home.name}: its rows are mostly {length_min} minutes apart; intervals of 1 to {_LONGEST_MIN} minutes "
            "are understood",
        )
    distances = np.diff(home.minutes, append=home.minutes[-1] + length_min)
    wrong = np.zeros(len(home.minutes), dtype=bool)
    wrong[1:] = (distances[:-1] > 0) & (distances[:-1] < length_min)
    if wrong.any():
        raise assembly.error(
            int(home.lines[int(wrong.argmax())]),
            f"{home.name}: begins within another of its intervals of {length_min} minutes",
        )


def _shares(minutes: Ints, length_min: int, zone: ZoneInfo | None) -> _Shares:
    """Every interval cut at the edges of half hours: local ones of `zone` where times are in UTC, else as they are."""
    edge_min = SLOT_MINUTES
    if zone is not None and ((_local(minutes, zone) - minutes) % SLOT_MINUTES != 0).any():
        edge_min = SLOT_MINUTES // 2  # offsets are quarters of an hour
    rows, starts, lengths = [], [], []
    for number in range(length_min // edge_min + 2):
        edges = (minutes // edge_min + number) * edge_min
        begins, ends = np.maximum(minutes, edges), np.minimum(minutes + length_min, edges + edge_min)
        inside = np.nonzero(ends > begins)[0]
        rows.append(inside)
        starts.append(begins[inside])
        lengths.append((ends - begins)[inside])
    place = np.concatenate(rows)
    order = np.argsort(place, kind="stable")
    begun = np.concatenate(starts)[order]
    local = begun if zone is None else _local(begun, zone)
    return _Shares(place[order], local, np.concatenate(lengths)[order])


def _local(utc_minutes: Ints, zone: ZoneInfo) -> Ints:
    times = pd.DatetimeIndex(utc_minutes.astype("datetime64[m]").astype("datetime64[s]")).tz_localize("UTC")
    local = times.tz_convert(zone).tz_localize(None)
    return local.to_numpy().astype("datetime64[m]").astype(np.int64)


def _with_own_flows(
    assembly: Assembly, home: _Home, length_min: int, table: Table, meters: str | None
) -> tuple[_Home, int]:
    """The home with its use and generation, in mWh of `per_min` minutes: those of a row, or an hour of mW."""
    given = home.milli
    per_min = _MINUTES_PER_HOUR if set(given) == table.powers else length_min
    if per_min == length_min:
        given = {
            name: _energy(values, length_min) if name in table.powers else values
            for name, values in given.items()
        }
    try:
        flows = own_flows(given, meters, STANDBY_W * 1000 * per_min // _MINUTES_PER_HOUR)
    except UnknownUse as error:
        if any((values != MISSING).any() for values in given.values()) and "use" not in given:
            raise assembly.error(int(home.lines[0]), f"{home.name}: {error}") from error
        nothing = np.full(len(home.lines), MISSING, dtype=np.int64)
        registers = {"general": nothing, "generation": given.get("generation", nothing)}
        return _Home(home.name, home.minutes, home.lines, registers), per_min
    if flows.at_rest:
        message = f"{home.name}: {flows.at_rest} values between 0 and -{STANDBY_W} W"
        assembly.report(int(home.lines[0]), "standby", message, "taken as 0")
    if flows.is_net and NET_METERS not in assembly.source:
        assembly.source += f" {NET_METERS}"
    registers = {"general": flows.use}
    if flows.generation is not None:
        registers["generation"] = flows.generation
    return _Home(home.name, home.minutes, home.lines, registers), per_min


def _energy(power: Ints, length_min: int) -> Ints:
    """mWh of intervals from their mean power in mW."""
    return np.where(
        power == MISSING, MISSING, np.rint(power * (length_min / _MINUTES_PER_HOUR)).astype(np.int64)
    )


def _half_hours(
    assembly: Assembly, home: _Home, name: str, days: list[date], places: Ints, shares: _Shares, per_min: int
) -> tuple[npt.NDArray[np.float64], Ints]:
    """kWh of days x 48 half hours, NaN where a row is missing, and the line that tells of each (0: none does)."""
    milli, size = home.milli[name][shares.rows], len(days) * SLOTS_PER_DAY
    of_row = home.lines[shares.rows]
    present, negative = milli != MISSING, (milli < 0) & (milli != MISSING)
    lines = np.zeros(size, dtype=np.int64)
    lines[places[::-1]] = of_row[::-1]  # the first of a half hour's rows stays
    covered = np.bincount(places[present], weights=shares.minutes[present], minlength=size)
    whole = (covered == SLOT_MINUTES) | (covered == 2 * SLOT_MINUTES)
    for number, day in enumerate(days):
        for slot, lasts_min in odd_slots(day, assembly.zone).items():
            at = number * SLOTS_PER_DAY + slot
            whole[at] |= 0 < covered[at] == lasts_min
    counting = present & ~negative & whole[places]
    weighted = np.bincount(places[counting], weights=(milli * shares.minutes)[counting], minlength=size)
    until = np.cumsum(weighted.astype(np.int64)) // per_min
    kwh = np.diff(until, prepend=0) / 1_000_000
    kwh[~whole] = np.nan
    kwh[places[negative]] = milli[negative] / 1_000_000  # shows, however much the rest adds
    lines[places[negative]] = of_row[negative]
    last_lines = np.zeros(size, dtype=np.int64)
    last_lines[places] = of_row
    for slot in np.nonzero(whole & (covered > SLOT_MINUTES))[0].tolist():
        within = slot % SLOTS_PER_DAY
        place = f"{home.name} {name} {days[slot // SLOTS_PER_DAY]} at {within // 2}:{within % 2 * 30:02d}"
        assembly.report(int(last_lines[slot]), "repeated_half_hour", f"{place} again", "added to the first")
    return kwh.reshape(-1, SLOTS_PER_DAY), lines.reshape(-1, SLOTS_PER_DAY)


def _refuse_counter(assembly: Assembly, home: _Home, powers: frozenset[str]) -> None:
    """Energy of intervals falls as often as it rises; the reading of a counter only rises, far beyond a day's use."""
    for name, milli in home.milli.items():
        readings = milli[milli != MISSING]
        if len(readings) < _FEWEST_OF_A_COUNTER or name in powers:
            continue
        steps = np.diff(readings)
        rises, falls = int((steps > 0).sum()), int((steps < 0).sum())
        only_rises = rises * 2 >= _FEWEST_OF_A_COUNTER and falls * 50 <= rises
        beyond_a_day = home.minutes[-1] - home.minutes[0] >= MINUTES_PER_DAY
        absurd = readings.min() > ABSURD_KWH * 1_000_000
        if (only_rises and (beyond_a_day or absurd)) or np.median(readings) >= LARGEST:
            raise assembly.error(
                int(home.lines[0]),
                f"{home.name}: {name} only rises, as a counter's readings do; the energy of each interval is wanted",
            )
