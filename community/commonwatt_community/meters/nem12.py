# SPDX-License-Identifier: Apache-2.0
"""NEM12, the Australian meter data file, interval by interval: what one meter imported and exported.

Registers whose suffix begins with E are import, with B export; others are left aside. Times are Eastern Standard Time
all year. An interval that the file marks as not read (N) is none, and an estimate (E, S, F) is no measurement.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

EASTERN_STANDARD = timezone(timedelta(hours=10))
_WH = {"WH": 1.0, "KWH": 1_000.0, "MWH": 1_000_000.0}
_MEASURED = ("A", "V")
MOST_LINES = 2_000_000


class Interval(NamedTuple):
    """What an interval held, in Wh; `measured` is False for estimates and substitutes."""

    nmi: str
    start_s: int
    length_min: int
    import_wh: float
    export_wh: float
    measured: bool


class NotNem12(Exception):
    """The file is malformed: `line` and what is wrong there."""

    def __init__(self, line: int, problem: str) -> None:
        self.line, self.problem = line, problem
        super().__init__(f"line {line}: {problem}")


class _Values(NamedTuple):
    nmi: str
    is_export: bool
    length_min: int
    start_s: int
    wh: list[float]
    flags: list[str]


def is_nem12(first_line: str) -> bool:
    """Whether a file begins as NEM12 does."""
    return [part.strip().strip('"').upper() for part in first_line.split(",")[:2]] == ["100", "NEM12"]


def intervals(lines: Iterable[str]) -> list[Interval]:
    """All intervals of a file, by meter and time; NotNem12."""
    found: dict[tuple[str, int, int], list[tuple[bool, float, str]]] = {}
    for values in _days(lines):
        for place, (energy_wh, flag) in enumerate(zip(values.wh, values.flags, strict=True)):
            start_s = values.start_s + place * values.length_min * 60
            key = (values.nmi, start_s, values.length_min)
            found.setdefault(key, []).append((values.is_export, energy_wh, flag))
    return [
        Interval(
            nmi,
            start_s,
            length_min,
            sum(energy for is_export, energy, _ in parts if not is_export),
            sum(energy for is_export, energy, _ in parts if is_export),
            all(flag in _MEASURED for _, _, flag in parts),
        )
        for (nmi, start_s, length_min), parts in sorted(found.items())
        if all(flag != "N" for _, _, flag in parts)
    ]


def _days(lines: Iterable[str]) -> Iterator[_Values]:
    head: Sequence[str] | None = None
    day: _Values | None = None
    is_open, line = False, 0
    for line, fields in enumerate(csv.reader(lines), 1):
        if line > MOST_LINES:
            raise NotNem12(line, f"more than {MOST_LINES} lines")
        kind = fields[0].strip() if fields else ""
        if not kind:
            continue
        if kind == "400":
            if day is not None:
                _mark(line, fields, day)
            continue
        if day is not None:
            yield day
            day = None
        if kind == "100":
            is_open, head = True, None
        elif not is_open:
            raise NotNem12(line, f"a record {kind[:10]!r} before the 100 record")
        elif kind == "200":
            head = _head(line, fields)
        elif kind == "300":
            if head is None:
                raise NotNem12(line, "a 300 record before any 200 record")
            day = _day(line, fields, head)
        elif kind == "900":
            is_open = False
        elif kind != "500":
            raise NotNem12(line, f"record {kind[:10]!r} is none of 100, 200, 300, 400, 500, 900")
    if is_open or line == 0:
        raise NotNem12(line, "no 900 record at the end: the file is cut off")


def _head(line: int, fields: Sequence[str]) -> Sequence[str]:
    if len(fields) < 9:
        raise NotNem12(line, f"a 200 record of {len(fields)} fields; 9 are needed")
    if fields[7].strip().upper() not in _WH and fields[4].strip().upper()[:1] in ("E", "B"):
        raise NotNem12(line, f"unit {fields[7][:10]!r} is none of Wh, kWh, MWh")
    if fields[8].strip() not in ("5", "15", "30"):
        raise NotNem12(line, f"interval length {fields[8][:10]!r} is none of 5, 15, 30 minutes")
    return [part.strip() for part in fields]


def _day(line: int, fields: Sequence[str], head: Sequence[str]) -> _Values | None:
    suffix, length_min = head[4].upper(), int(head[8])
    if suffix[:1] not in ("E", "B"):
        return None
    count = 1_440 // length_min
    if len(fields) < count + 3:
        raise NotNem12(line, f"{max(0, len(fields) - 3)} of {count} intervals: the record is cut off")
    try:
        day = datetime.strptime(fields[1].strip(), "%Y%m%d").replace(tzinfo=EASTERN_STANDARD)
        factor = _WH[head[7].upper()]
        values = [float(text) * factor for text in fields[2 : 2 + count]]
    except ValueError as error:
        raise NotNem12(line, str(error)) from error
    if any(not 0 <= value < 1e9 for value in values):
        raise NotNem12(line, "an interval's energy is negative, or is none")
    flag = fields[2 + count].strip().upper()[:1]
    if flag not in ("A", "E", "F", "N", "S", "V"):
        raise NotNem12(line, f"quality flag {flag!r} is none of A, E, F, N, S, V")
    start_s = int(day.timestamp())
    return _Values(head[1], suffix.startswith("B"), length_min, start_s, values, [flag] * count)


def _mark(line: int, fields: Sequence[str], day: _Values) -> None:
    """A 400 record says the quality of some intervals of the 300 record before it."""
    try:
        first, last, flag = int(fields[1]), int(fields[2]), fields[3].strip().upper()[:1]
    except (IndexError, ValueError):
        raise NotNem12(line, "a 400 record without its intervals and flag") from None
    if not 1 <= first <= last <= len(day.flags) or flag not in ("A", "E", "F", "N", "S", "V"):
        raise NotNem12(
            line, f"a 400 record of intervals {first} to {last} of {len(day.flags)}, flag {flag!r}"
        )
    day.flags[first - 1 : last] = [flag] * (last - first + 1)
