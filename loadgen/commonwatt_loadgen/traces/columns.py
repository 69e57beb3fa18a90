# SPDX-License-Identifier: Apache-2.0
"""Which column of a table holds what: a row per home and time, or a column per home.

A mapping reads `home=LCLid,time=tstp,use_kwh=energy(kWh/hh)`. Keys are `home`, `time` (start of an interval) or `end`,
`date` where it stands beside the time, `format`, `time_in`, and quantities with their unit as `use_kwh` or `net_w`.
A `*` in a quantity's column stands for the home's name; `#2` is the second column of a file without a header.
Without `home` and `*`, each file is one home, named after the file.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from commonwatt_loadgen.traces.instants import Instants
from commonwatt_loadgen.traces.quantities import QUANTITIES, Quantity, quantity_of
from commonwatt_loadgen.traces.zones import zone_of

_OTHER_KEYS = ("home", "time", "end", "date", "format", "time_in")


class ColumnsError(ValueError):
    """A mapping makes no sense, or a header lacks a column that it names."""


@dataclass(frozen=True)
class Columns:
    """A mapping of columns' names; `time` is the end of each interval where `is_end`."""

    time: str
    quantities: tuple[tuple[Quantity, str], ...]
    home: str | None = None
    date: str | None = None
    is_end: bool = False
    written_as: str | None = None
    time_in: str | None = None

    @property
    def has_header(self) -> bool:
        """Whether columns are named, not numbered."""
        return not self.time.startswith("#")

    @property
    def instants(self) -> Instants:
        """How the times are written."""
        always_in: ZoneInfo | None = zone_of(self.time_in) if self.time_in else None
        return Instants(self.written_as, always_in)


@dataclass(frozen=True)
class Places:
    """Where a table's columns stand. Each value has its home's name where a column is one home's, else None."""

    count: int
    time: int
    date: int | None
    home: int | None
    values: tuple[tuple[str | None, Quantity, int], ...]


def columns_of(text: str) -> Columns:
    """The mapping that a text says.

    Raises:
        ColumnsError: it says none.
    """
    single: dict[str, str] = {}
    quantities: list[tuple[Quantity, str]] = []
    for pair in next(csv.reader([_unquoted_values(text)], skipinitialspace=True), []):
        key, mark, column = (part.strip() for part in pair.partition("="))
        key = key.lower()
        if not mark or not column:
            raise ColumnsError(f"--columns: {pair!r} is not KEY=COLUMN, as in home=LCLid")
        quantity = quantity_of(key)
        if quantity is not None:
            quantities.append((quantity, column))
        elif key not in _OTHER_KEYS:
            raise ColumnsError(
                f"--columns: {key!r} is none of {', '.join(_OTHER_KEYS)}, nor one of {', '.join(QUANTITIES)} with "
                f"its unit, as use_kwh, use_wh, generation_kw or net_w"
            )
        elif key in single:
            raise ColumnsError(f"--columns: {key} comes twice")
        else:
            single[key] = column
    if ("time" in single) == ("end" in single):
        raise ColumnsError("--columns: time=COLUMN (start of an interval) or end=COLUMN is needed, not both")
    if not quantities:
        raise ColumnsError("--columns: a quantity with its unit is needed, as use_kwh=COLUMN")
    columns = Columns(
        time=single.get("time") or single["end"],
        quantities=tuple(quantities),
        home=single.get("home"),
        date=single.get("date"),
        is_end="end" in single,
        written_as=single.get("format"),
        time_in=single.get("time_in"),
    )
    _check(columns)
    return columns


def _unquoted_values(text: str) -> str:
    """`key="a, b"` as the CSV field `"key=a, b"`."""
    out, pair, quoted = [], "", False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            out.append(pair)
            pair = ""
        else:
            pair += letter
    out.append(pair)
    return ",".join(f'"{one.strip()}"' for one in out if one.strip())


def _check(columns: Columns) -> None:
    named = [name for name in (columns.time, columns.date, columns.home) if name]
    named += [name for _, name in columns.quantities]
    if len({name.startswith("#") for name in named}) > 1:
        raise ColumnsError("--columns: columns are named, or all numbered, as #1")
    stars = ["*" in name for _, name in columns.quantities]
    if any(name.count("*") > 1 for name in named):
        raise ColumnsError("--columns: one * in a column's name stands for the home")
    if columns.home and any(stars):
        raise ColumnsError("--columns: home=COLUMN and a * for the home exclude each other")
    if any(stars) and not all(stars):
        raise ColumnsError("--columns: a * is wanted in each quantity, as each home has columns of its own")
    if columns.time_in:
        zone_of(columns.time_in)
    for name in named:
        if name.startswith("#") and not (name[1:].isdecimal() and 1 <= int(name[1:]) <= 100_000):
            raise ColumnsError(f"--columns: {name} is no column's number, as #1")


def places_of(columns: Columns, header: Sequence[str]) -> Places:
    """Where in a header (or in the first row, for numbered columns) the columns stand.

    Raises:
        ColumnsError: one is missing, or comes twice.
    """
    names = [name.strip().lower() for name in header]
    while names and not names[-1]:
        names.pop()

    def place(column: str) -> int:
        if column.startswith("#"):
            number = int(column[1:]) - 1
            if number >= len(names):
                raise ColumnsError(f"there is no column {column}: a row has {len(names)}")
            return number
        found = [at for at, name in enumerate(names) if name == column.lower()]
        if len(found) != 1:
            many = "comes twice" if found else "is missing"
            raise ColumnsError(f"column {column!r} {many}; found {', '.join(header)[:500]}")
        return found[0]

    time, date, home = (place(name) if name else None for name in (columns.time, columns.date, columns.home))
    assert time is not None
    taken = {time, date, home}
    values: list[tuple[str | None, Quantity, int]] = []
    for quantity, column in columns.quantities:
        if "*" not in column:
            values.append((None, quantity, place(column)))
            continue
        before, _, after = column.lower().partition("*")
        matches = [
            (at, header[at].strip()[len(before) : len(names[at]) - len(after)])
            for at, name in enumerate(names)
            if at not in taken and name.startswith(before) and name.endswith(after)
        ]
        matches = [(at, name) for at, name in matches if name]
        if not matches:
            raise ColumnsError(f"no column is like {column!r}; found {', '.join(header)[:500]}")
        values += [(name, quantity, at) for at, name in matches]
    return Places(len(names), time, date, home, tuple(values))
