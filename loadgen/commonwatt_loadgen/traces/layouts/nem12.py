# SPDX-License-Identifier: Apache-2.0
"""NEM12, the Australian meter data file: records 100, 200, 300, 400, 500 and 900.

Registers whose suffix begins with E are use, with B generation sent out; each is energy of its own. Others, as
reactive energy, are left aside with all that they hold. Interval lengths of 5, 15 and 30 minutes are summed to half
hours. NEM12 is in Eastern Standard Time all year and is taken so. One file may hold several, each from its 100 to
its 900 record.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
from commonwatt_community.hems.energy import SLOTS_PER_DAY

from commonwatt_loadgen.traces.assemble import Assembly, Register
from commonwatt_loadgen.traces.layouts.layout import Layout, delimiter_of
from commonwatt_loadgen.traces.meter_rows import MeterRows
from commonwatt_loadgen.traces.opening import Decimals, rows
from commonwatt_loadgen.traces.packed import Part

_KWH_PER_UNIT = {"KWH": 1.0, "WH": 0.001, "MWH": 1000.0}
_FLAG = re.compile(r"[AEFNSV](\d\d)?")


@dataclass(frozen=True)
class _Stream:
    """The register that 300 records belong to; None where it is left aside."""

    register: Register | None
    per_half_hour: int = 1
    kwh_per_unit: float = 1.0


@dataclass
class _Day:
    """A 300 record, to which 400 records may follow."""

    register: Register
    day: date
    values: npt.NDArray[np.float64]
    kwh_per_unit: float
    line: int
    updated: int


def is_header(fields: list[str]) -> bool:
    """Whether a line's fields are the 100 record of this layout."""
    return [text.strip().upper() for text in fields[:2]] in (["100", "NEM12"], ["100", "NEM13"])


def delimiter(lines: Sequence[str]) -> str | None:
    """What parts the fields, if a line is the 100 record of this layout."""
    return delimiter_of(lines, is_header)


def read_nem12(kept: MeterRows, part: Part, delimiter: str, base: int) -> None:
    """Read a whole file, record by record.

    Raises:
        TraceError: a record is malformed or out of place, or the file ends without its 900 record.
    """
    with closing(rows(part, delimiter, base)) as numbered:
        read_records(kept.assembly, numbered, Decimals(delimiter))


def read_records(assembly: Assembly, numbered: Iterable[tuple[int, list[str]]], decimals: Decimals) -> None:
    """Read numbered records, as those of a file.

    Raises:
        TraceError: as `read_nem12`.
    """
    stream: _Stream | None = None
    day: _Day | None = None
    is_open = False
    line = 0
    for line, fields in numbered:
        kind = fields[0].strip() if fields else ""
        if not kind and not any(map(str.strip, fields)):
            continue
        if kind == "400":
            _mark(assembly, line, fields, stream, day)
            continue
        if day is not None:
            _add_day(assembly, day)
            day = None
        if kind == "100" and is_open:
            raise assembly.error(line, "a 100 record before the 900 record of the file before: it is cut off")
        if kind == "100" and [text.strip().upper() for text in fields[1:2]] != ["NEM12"]:
            raise assembly.error(
                line, f"a file of version {fields[1:2]}: only NEM12 has intervals; ask for the interval data"
            )
        if kind != "100" and not is_open:
            raise assembly.error(line, f"a record {kind!r} outside the 100 and 900 records")
        if kind == "100":
            is_open, stream = True, None
        elif kind == "200":
            stream = _stream(assembly, line, fields)
        elif kind == "300":
            if stream is None:
                raise assembly.error(line, "a 300 record before any 200 record")
            day = _day(assembly, line, fields, stream, decimals)
        elif kind == "900":
            is_open = False
        elif kind != "500":
            raise assembly.error(line, f"record indicator {kind!r} is none of 100, 200, 300, 400, 500, 900")
    if is_open:
        raise assembly.error(line, "no 900 record at the end: the file is cut off")


def _stream(assembly: Assembly, line: int, fields: list[str]) -> _Stream:
    if len(fields) < 9:
        raise assembly.error(line, f"a 200 record of {len(fields)} fields; 9 are needed")
    home, suffix = fields[1].strip(), fields[4].strip().upper()
    unit, minutes = fields[7].strip().upper(), fields[8].strip()
    if suffix[:1] not in ("E", "B"):
        assembly.report(
            line, "unknown_register", f"{home}: register {suffix!r} is neither E nor B", "ignored"
        )
        return _Stream(None)
    if not home:
        raise assembly.error(line, "a 200 record without NMI")
    if minutes not in ("5", "15", "30"):
        raise assembly.error(line, f"interval length {minutes!r} is none of 5, 15, 30 minutes")
    if unit not in _KWH_PER_UNIT:
        raise assembly.error(line, f"unit {unit!r} is none of Wh, kWh, MWh")
    assembly.lengths_min[int(minutes)] += 1
    register = assembly.register(home, suffix, is_generation=suffix.startswith("B"))
    return _Stream(register, 30 // int(minutes), _KWH_PER_UNIT[unit])


def _day(
    assembly: Assembly, line: int, fields: list[str], stream: _Stream, decimals: Decimals
) -> _Day | None:
    if stream.register is None:
        return None
    count = SLOTS_PER_DAY * stream.per_half_hour
    if len(fields) < 2 + count + 1:
        raise assembly.error(line, f"{max(0, len(fields) - 3)} of {count} intervals: the record is cut off")
    flag = fields[2 + count].strip().upper()
    if not _FLAG.fullmatch(flag):
        length = 30 // stream.per_half_hour
        raise assembly.error(
            line, f"a quality flag is due after {count} values of {length} minutes, not {flag[:20]!r}"
        )
    try:
        day = datetime.strptime(fields[1].strip(), "%Y%m%d").date()
        values = decimals.numbers(fields[2 : 2 + count])
    except ValueError as error:
        raise assembly.error(line, f"{error}") from error
    if flag.startswith("N"):
        values[:] = np.nan  # no reading
    updated = _updated(assembly, line, fields[2 + count + 3 : 2 + count + 4])
    return _Day(stream.register, day, values, stream.kwh_per_unit, line, updated)


def _updated(assembly: Assembly, line: int, fields: list[str]) -> int:
    """UpdateDateTime as one number, 0 where there is none."""
    text = fields[0].strip() if fields else ""
    if not text:
        return 0
    if not re.fullmatch("[0-9]{8,14}", text):
        raise assembly.error(line, f"UpdateDateTime {text[:20]!r} is not as in 20240210090000")
    return int(text.ljust(14, "0"))


def _mark(assembly: Assembly, line: int, fields: list[str], stream: _Stream | None, day: _Day | None) -> None:
    """Take a 400 record: where it says that there are no readings, what the 300 record holds is none."""
    if stream is not None and stream.register is None:
        return
    if day is None:
        raise assembly.error(line, "a 400 record that follows no 300 record")
    first, last, flag = (text.strip() for text in (*fields, "", "", "")[1:4])
    count = len(day.values)
    places = [int(text) if re.fullmatch("[0-9]{1,4}", text) else 0 for text in (first, last)]
    if not 1 <= places[0] <= places[1] <= count:
        raise assembly.error(line, f"a 400 record of intervals {first!r} to {last!r} of {count}")
    if not _FLAG.fullmatch(flag.upper()):
        raise assembly.error(line, f"quality flag {flag[:20]!r} is none of A, E, F, N, S, V")
    if flag.upper().startswith("N"):
        day.values[places[0] - 1 : places[1]] = np.nan


def _add_day(assembly: Assembly, day: _Day) -> None:
    """Add a day whose records are complete."""
    table = day.values.reshape(SLOTS_PER_DAY, -1)
    kwh = table.sum(axis=1)
    if not day.values.min() >= 0:  # a negative value shows, however much the rest of its half hour adds
        lowest = table.min(axis=1)
        kwh = np.where(lowest < 0, lowest, kwh)
    assembly.add_day(day.register, day.day, kwh * day.kwh_per_unit, day.line, updated=day.updated)


LAYOUT = Layout("nem12", "Australia/Brisbane", matches=delimiter, read=read_nem12)
