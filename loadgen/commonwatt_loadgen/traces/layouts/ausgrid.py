# SPDX-License-Identifier: Apache-2.0
"""Ausgrid's solar home electricity files, in the layouts of all three years.

With or without a title row and a `Row Quality` column, columns in any order, any line ends, dates day first
(`1/07/2012`, `1-Jul-10`). A label such as `0:30` ends its half hour, and the last column, `0:00`, is 23:30-24:00 of the
same date. GC is general consumption, CL controlled load, GG gross generation, all in kWh.
"""

from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime
from functools import lru_cache

import numpy as np
from commonwatt_community.hems.energy import SLOTS_PER_DAY

from commonwatt_loadgen.traces.assemble import Assembly
from commonwatt_loadgen.traces.layouts.layout import Layout, delimiter_of
from commonwatt_loadgen.traces.meter_rows import MeterRows
from commonwatt_loadgen.traces.opening import Decimals, rows, up_to_header
from commonwatt_loadgen.traces.packed import Part

_LEADING = ["customer", "generator capacity", "postcode", "consumption category", "date"]
_LABELS = [f"{minute // 60 % 24}:{minute % 60:02d}" for minute in range(30, 1441, 30)]
_REGISTERS = {"GC": "general", "CL": "controlled", "GG": "generation"}
_LARGEST_KW = 10_000  # far above any home's
_DATE_FORMATS = ("%d/%m/%Y", "%d-%b-%y", "%d-%b-%Y", "%d/%m/%y")


def is_header(fields: list[str]) -> bool:
    """Whether a line's fields are the header of this layout."""
    return set(_LEADING) <= {name.strip().lower() for name in fields}


def delimiter(lines: Sequence[str]) -> str | None:
    """What parts the columns, if a line is the header of this layout."""
    return delimiter_of(lines, is_header)


def read_ausgrid(kept: MeterRows, part: Part, delimiter: str, base: int) -> None:
    """Read a whole file.

    Raises:
        TraceError: the header or a row is not of this layout, or the file ends inside a row.
    """
    assembly, decimals = kept.assembly, Decimals(delimiter)
    assembly.lengths_min[30] += 1
    with closing(rows(part, delimiter, base)) as numbered:
        header_line, header = up_to_header(part, numbered, is_header)
        places = _places(assembly, header_line, header)
        in_order = places == list(range(len(places)))
        for line, fields in numbered:
            if len(fields) <= max(places):
                if not any(map(str.strip, fields)):
                    continue
                raise assembly.error(line, f"{len(fields)} of {len(header)} fields: the row is cut off")
            wanted = fields if in_order else [fields[place] for place in places]
            if any(map(str.strip, wanted)):
                _add_row(assembly, line, wanted, decimals)


def _places(assembly: Assembly, line: int, header: list[str]) -> list[int]:
    """Where in a row the leading fields and the 48 half hours stand."""
    labels = [name.strip().lower() for name in header]
    labels = [label[1:] if len(label) == 5 and label.startswith("0") else label for label in labels]
    wanted = [*_LEADING, *_LABELS]
    for name in wanted:
        if labels.count(name) != 1:
            many = "is missing" if name not in labels else "comes twice"
            raise assembly.error(line, f"48 half hours from 0:30 to 0:00 are expected; column {name} {many}")
    for place, label in enumerate(labels):
        if label and label not in wanted and label != "row quality":
            name = header[place].strip()
            assembly.report(line, "unknown_column", f"column {name!r} is unknown", "ignored")
    return [labels.index(name) for name in wanted]


def _add_row(assembly: Assembly, line: int, fields: list[str], decimals: Decimals) -> None:
    customer, capacity, _, category, day_text = (text.strip() for text in fields[:5])
    register = _REGISTERS.get(category.upper())
    if register is None:
        raise assembly.error(line, f"consumption category {category!r} is none of CL, GC, GG")
    day = _day(day_text)
    if day is None:
        raise assembly.error(line, f"date {day_text!r} is not day first, as in 1/07/2012 or 1-Jul-12")
    try:
        kwh = decimals.numbers(fields[5 : 5 + SLOTS_PER_DAY])
        capacity_w = _capacity_w(decimals.plain([capacity])[0])
    except ValueError as error:
        raise assembly.error(line, f"not a number: {error}") from error
    if capacity_w is None:
        raise assembly.error(line, f"generator capacity {capacity!r} is not within 0 to {_LARGEST_KW:,} kW")
    kwh[np.isinf(kwh)] = np.nan
    if register == "generation":
        assembly.set_capacity(customer, capacity_w)
    held = assembly.register(customer, register, is_generation=register == "generation")
    assembly.add_day(held, day, kwh, line)


@lru_cache(maxsize=4096)
def _capacity_w(text: str) -> int | None:
    """A PV system's size, 0 where none is stated, None where there is no such size."""
    capacity_kw = float(text or 0)
    return round(capacity_kw * 1000) if 0 <= capacity_kw <= _LARGEST_KW else None


@lru_cache(maxsize=4096)
def _day(text: str) -> date | None:
    for layout in _DATE_FORMATS:
        try:
            return datetime.strptime(text, layout).date()
        except ValueError:
            continue
    return None


LAYOUT = Layout("ausgrid-solar-home", "Australia/Sydney", "gross", matches=delimiter, read=read_ausgrid)
