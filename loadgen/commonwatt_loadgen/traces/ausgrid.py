"""Ausgrid's solar home electricity files, in the layouts of all three years.

With or without a title row and a `Row Quality` column, any line ends, dates day first (`1/07/2012`,
`1-Jul-10`). A label such as `0:30` ends its half hour, and the last column, `0:00`, is 23:30-24:00 of the
same date. GC is general consumption, CL controlled load, GG gross generation, all in kWh.
"""

import csv
from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TextIO

import numpy as np

from commonwatt_loadgen.traces.assemble import Assembly, numbers
from commonwatt_loadgen.traces.checks import TraceError
from commonwatt_loadgen.traces.sources import SLOTS_PER_DAY

_LEADING = ["customer", "generator capacity", "postcode", "consumption category", "date"]
_LABELS = [f"{minute // 60 % 24}:{minute % 60:02d}" for minute in range(30, 1441, 30)]
_REGISTERS = {"GC": "general", "CL": "controlled", "GG": "generation"}
_DATE_FORMATS = ("%d/%m/%Y", "%d-%b-%y", "%d-%b-%Y", "%d/%m/%y")


def is_header(fields: list[str]) -> bool:
    """Whether a line's fields are the header of this layout."""
    return [name.strip().lower() for name in fields[:5]] == _LEADING


def read_ausgrid(path: Path, file: TextIO) -> Assembly:
    """Read a whole file, row by row.

    Raises:
        TraceError: the header or a row is not of this layout, or the file ends inside a row.
    """
    assembly = Assembly(path, f"{path.name}, in the layout of Ausgrid's solar home electricity data")
    rows = _numbered(path, file)
    header_line, header = next(((line, fields) for line, fields in rows if is_header(fields)), (0, []))
    if not header:
        raise TraceError(path, 1, "no header `Customer,Generator Capacity,...`: not in Ausgrid's layout")
    width = _check_header(assembly, header_line, header)
    for line, fields in rows:
        if not any(fields):
            continue
        if len(fields) < width:
            raise TraceError(path, line, f"{len(fields)} of {len(header)} fields: the row is cut off")
        _add_row(assembly, line, fields)
    return assembly


def _numbered(path: Path, file: TextIO) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file)
    try:
        for fields in reader:
            yield reader.line_num, fields
    except (csv.Error, UnicodeDecodeError) as error:
        raise TraceError(path, reader.line_num + 1, f"unreadable: {error}") from error


def _check_header(assembly: Assembly, line: int, header: list[str]) -> int:
    """Check the half-hour labels and return how many fields a row must have."""
    width = len(_LEADING) + SLOTS_PER_DAY
    labels = [name.strip().removeprefix("0") or "0" for name in header[5:width]]
    wanted = [label.removeprefix("0") for label in _LABELS]
    if labels != wanted:
        different = next(
            (n for n, pair in enumerate(zip(labels, wanted, strict=False)) if pair[0] != pair[1]), None
        )
        at = (
            f"column {different + 6} is not {_LABELS[different]}"
            if different is not None
            else "columns are missing"
        )
        raise TraceError(assembly.path, line, f"48 half hours from 0:30 to 0:00 are expected; {at}")
    for name in header[width:]:
        if name.strip() and name.strip().lower() != "row quality":
            assembly.report(line, "unknown_column", f"column {name.strip()!r} is unknown", "ignored")
    return width


def _add_row(assembly: Assembly, line: int, fields: list[str]) -> None:
    customer, capacity, _, category, day_text = (text.strip() for text in fields[:5])
    register = _REGISTERS.get(category.upper())
    if register is None:
        raise TraceError(assembly.path, line, f"consumption category {category!r} is none of CL, GC, GG")
    day = _day(day_text)
    if day is None:
        raise TraceError(
            assembly.path, line, f"date {day_text!r} is not day first, as in 1/07/2012 or 1-Jul-12"
        )
    values = fields[5 : 5 + SLOTS_PER_DAY]
    try:
        kwh = numbers(values)
        capacity_w = round(float(capacity or 0) * 1000)
    except ValueError as error:
        raise TraceError(assembly.path, line, f"not a number: {error}") from error
    kwh[np.isinf(kwh)] = np.nan
    if register == "generation":
        assembly.set_capacity(customer, capacity_w)
    assembly.add_day(customer, register, day, kwh, line)


@lru_cache(maxsize=4096)
def _day(text: str) -> date | None:
    for layout in _DATE_FORMATS:
        try:
            return datetime.strptime(text, layout).date()
        except ValueError:
            continue
    return None
