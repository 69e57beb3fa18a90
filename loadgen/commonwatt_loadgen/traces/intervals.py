# SPDX-License-Identifier: Apache-2.0
"""From rows of any interval length, in any order, to each home's half hours by local time.

The same instant counts once, whatever comes with it again. Two different instants share a half hour only in the hour
that comes twice when daylight saving ends; there, and only there, rows are added. A row of an hour is spread evenly
over its half hours.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
from commonwatt_community.hems.energy import MINUTES_PER_DAY, SLOT_MINUTES, SLOTS_PER_DAY

from commonwatt_loadgen.traces.assemble import ABSURD_KWH, LOCAL_TIME, Assembly, repeated_slots
from commonwatt_loadgen.traces.checks import TraceError

MISSING, LARGEST = np.iinfo(np.int32).min, np.iinfo(np.int32).max  # mWh; the largest stands for all beyond it
_LENGTHS_MIN = (1, 2, 3, 5, 6, 10, 15, 30, 60)
_FEWEST_OF_A_COUNTER = 24
_EPOCH = date(1970, 1, 1)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """Rows of a tidy table: the home's place in `homes` (-1 for a blank row), its start in minutes since 1970, and
    energy in mWh by register (MISSING where there is none). The first row stands on `first_line`.
    """

    homes: list[str]
    codes: npt.NDArray[np.int32]
    minutes: npt.NDArray[np.int32]
    milli: dict[str, npt.NDArray[np.int32]]
    in_utc: bool
    first_line: int


@dataclass(frozen=True)
class _Home:
    """The rows of one home that count, by time."""

    name: str
    minutes: Ints
    lines: Ints
    milli: dict[str, Ints]


def add_homes(assembly: Assembly, table: Table) -> None:
    """Add every home's days.

    Raises:
        TraceError: a home's intervals are of no known length or overlap, or its values are a counter's.
    """
    lengths: Counter[int] = Counter()
    single: list[_Home] = []
    for name, rows in _rows_of(table):
        home = _once(assembly, table, name, rows)
        length_min = _length_min(home.minutes)
        if length_min:
            lengths[length_min] += 1
            _add_home(assembly, home, length_min, table.in_utc)
        else:
            single.append(home)
    usual_min = lengths.most_common(1)[0][0] if lengths else SLOT_MINUTES
    for home in single:
        _add_home(assembly, home, usual_min, table.in_utc)


def _rows_of(table: Table) -> Iterator[tuple[str, Ints]]:
    """Each home with its rows' places by time, equal times in the order of the file."""
    order = np.lexsort((table.minutes, table.codes))
    ends = np.searchsorted(table.codes, np.arange(len(table.homes) + 1), sorter=order)
    for name, start, end in zip(table.homes, ends[:-1], ends[1:], strict=True):
        yield name, order[start:end]


def _once(assembly: Assembly, table: Table, name: str, rows: Ints) -> _Home:
    """Leave out, and report, rows of an instant that an earlier row has."""
    minutes = table.minutes[rows].astype(np.int64)
    places = np.arange(len(rows))
    again = np.diff(minutes, prepend=minutes[0] - 1) == 0
    before = places - np.maximum.accumulate(
        np.where(again, 0, places)
    )  # rows of the same time before this one
    extra = before > 0
    for place in np.nonzero(extra)[0]:
        if not table.in_utc and before[place] == 1 and _comes_twice(int(minutes[place])):
            extra[place] = False  # without offset: the second of the two instants that have this local time
            continue
        first = rows[place - before[place]] + table.first_line
        message = f"{name} at {_told(int(minutes[place]), table.in_utc)} again (first on line {first})"
        assembly.report(int(rows[place]) + table.first_line, "duplicated_interval", message, "first kept")
    kept = rows[~extra]
    milli = {register: values[kept].astype(np.int64) for register, values in table.milli.items()}
    return _Home(name, minutes[~extra], kept + table.first_line, milli)


def _told(minute: int, in_utc: bool) -> str:
    at = datetime(1970, 1, 1) + timedelta(minutes=minute)
    return f"{at:%Y-%m-%d %H:%M}" + (" UTC" if in_utc else "")


def _comes_twice(local_minute: int) -> bool:
    day, within = divmod(local_minute, MINUTES_PER_DAY)
    return within // SLOT_MINUTES in repeated_slots(_EPOCH + timedelta(days=day))


def _length_min(minutes: Ints) -> int:
    """The most common distance from one row to the next; 0 for a single row."""
    distances = np.minimum(np.diff(minutes), MINUTES_PER_DAY + 1)
    counts = np.bincount(distances[distances > 0])
    return int(counts.argmax()) if counts.size else 0


def _add_home(assembly: Assembly, home: _Home, length_min: int, in_utc: bool) -> None:
    _check_grid(assembly, home, length_min)
    _refuse_counter(assembly, home)
    if length_min > SLOT_MINUTES:
        home = _spread(home, length_min // SLOT_MINUTES)
    expected = max(1, SLOT_MINUTES // length_min)
    local = _local(home.minutes) if in_utc else home.minutes
    numbers, places = np.unique(local // MINUTES_PER_DAY, return_inverse=True)
    places = places * SLOTS_PER_DAY + local % MINUTES_PER_DAY // SLOT_MINUTES
    days = [_EPOCH + timedelta(days=int(number)) for number in numbers]
    for name, milli in home.milli.items():
        present = milli != MISSING
        if not present.any():
            if name == "general":
                message = f"{home.name} has no values of use"
                assembly.report(int(home.lines[0]), "incomplete_home", message, "left out")
            continue
        kwh, lines = _half_hours(assembly, home, name, days, places, expected)
        register = assembly.register(home.name, name, is_generation=name == "generation")
        for day, values, slot_lines in zip(days, kwh, lines, strict=True):
            of_day = slot_lines[slot_lines > 0]
            first_line = int(of_day.min())
            slot_lines[slot_lines == 0] = first_line
            assembly.add_day(register, day, values, first_line, slot_lines=slot_lines)


def _check_grid(assembly: Assembly, home: _Home, length_min: int) -> None:
    if length_min not in _LENGTHS_MIN:
        raise TraceError(
            assembly.path,
            int(home.lines[0]),
            f"{home.name}: its rows are mostly {length_min} minutes apart; intervals of "
            f"{', '.join(map(str, _LENGTHS_MIN))} minutes are understood",
        )
    distances = np.diff(home.minutes, append=home.minutes[-1] + length_min)
    wrong = home.minutes % min(length_min, SLOT_MINUTES) != 0
    wrong[1:] |= (distances[:-1] > 0) & (distances[:-1] < length_min)
    if wrong.any():
        line = int(home.lines[int(wrong.argmax())])
        raise TraceError(
            assembly.path,
            line,
            f"{home.name}: begins within another of its intervals of {length_min} minutes",
        )


def _spread(home: _Home, parts: int) -> _Home:
    """Each row as half hours of equal energy; what does not divide goes to the last."""
    minutes = np.repeat(home.minutes, parts) + np.tile(np.arange(parts) * SLOT_MINUTES, len(home.minutes))
    milli = {}
    for name, values in home.milli.items():
        split = np.repeat(values // parts, parts)
        split[parts - 1 :: parts] += values % parts
        split[np.repeat(values == MISSING, parts)] = MISSING
        milli[name] = split
    return _Home(home.name, minutes, np.repeat(home.lines, parts), milli)


def _local(utc_minutes: Ints) -> Ints:
    times = pd.DatetimeIndex(utc_minutes.astype("datetime64[m]").astype("datetime64[s]")).tz_localize("UTC")
    local = times.tz_convert(LOCAL_TIME).tz_localize(None)
    return local.to_numpy().astype("datetime64[m]").astype(np.int64)


def _half_hours(
    assembly: Assembly, home: _Home, name: str, days: list[date], places: Ints, expected: int
) -> tuple[npt.NDArray[np.float64], Ints]:
    """kWh of days x 48 half hours, NaN where a row is missing, and the line that tells of each (0: none does)."""
    milli, size = home.milli[name], len(days) * SLOTS_PER_DAY
    present = milli != MISSING
    lines = np.zeros(size, dtype=np.int64)
    lines[places[::-1]] = home.lines[::-1]  # the first of a half hour's rows stays
    at = places[present]
    counts = np.bincount(at, minlength=size)
    kwh = np.bincount(at, weights=milli[present], minlength=size) / 1_000_000
    kwh[(counts != expected) & (counts != 2 * expected)] = np.nan
    negative = present & (milli < 0)
    kwh[places[negative]] = milli[negative] / 1_000_000  # shows, however much the rest adds
    lines[places[negative]] = home.lines[negative]
    last_lines = np.zeros(size, dtype=np.int64)
    last_lines[places] = home.lines
    for slot in np.nonzero(counts == 2 * expected)[0]:
        within = slot % SLOTS_PER_DAY
        place = f"{home.name} {name} {days[slot // SLOTS_PER_DAY]} at {within // 2}:{within % 2 * 30:02d}"
        assembly.report(int(last_lines[slot]), "repeated_half_hour", f"{place} again", "added to the first")
    return kwh.reshape(-1, SLOTS_PER_DAY), lines.reshape(-1, SLOTS_PER_DAY)


def _refuse_counter(assembly: Assembly, home: _Home) -> None:
    """Energy of intervals falls as often as it rises; the reading of a counter only rises, far beyond a day's use."""
    for name, milli in home.milli.items():
        readings = milli[milli != MISSING]
        if len(readings) < _FEWEST_OF_A_COUNTER:
            continue
        steps = np.diff(readings)
        rises, falls = int((steps > 0).sum()), int((steps < 0).sum())
        only_rises = rises * 2 >= _FEWEST_OF_A_COUNTER and falls * 50 <= rises
        beyond_a_day = home.minutes[-1] - home.minutes[0] >= MINUTES_PER_DAY
        absurd = readings.min() > ABSURD_KWH * 1_000_000
        if (only_rises and (beyond_a_day or absurd)) or np.median(readings) >= LARGEST:
            raise TraceError(
                assembly.path,
                int(home.lines[0]),
                f"{home.name}: {name} only rises, as a counter's readings do; the energy of each interval is wanted",
            )
