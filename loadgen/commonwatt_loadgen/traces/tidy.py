# SPDX-License-Identifier: Apache-2.0
"""A plain tidy table, CSV or Parquet: one row per home and interval.

Columns `home`, `time` (start of the interval, ISO 8601; with an offset it is turned into local time), `use_wh` or
`use_kwh`, and optionally `generation_wh` or `generation_kwh`. How long a home's intervals are, 1 minute to 1 hour, is
told by its times.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from commonwatt_loadgen.traces.assemble import Assembly
from commonwatt_loadgen.traces.checks import TraceError
from commonwatt_loadgen.traces.intervals import LARGEST, MISSING, Table, add_homes
from commonwatt_loadgen.traces.opening import Decimals, up_to_header

_MILLI_PER_UNIT = {"wh": 1_000.0, "kwh": 1_000_000.0}
_REGISTERS = {"use": "general", "generation": "generation"}
_EARLIEST_S, _LATEST_S = -70 * 365 * 86_400, 230 * 365 * 86_400  # the years 1900 to 2199, about
_ROWS_AT_ONCE = 100_000
_WITH_OFFSET = re.compile(r".*\d[T ]\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)", re.DOTALL)


@dataclass(frozen=True)
class _Columns:
    """Where a table's columns stand; registers by name with their place and mWh per unit."""

    count: int
    home: int
    time: int
    registers: dict[str, tuple[int, float]]


@dataclass
class _Reading:
    """What has been read of a table so far: rows in pieces, homes by their first row."""

    path: Path
    assembly: Assembly
    columns: _Columns
    homes: dict[str, int] = field(default_factory=dict)
    has_offsets: bool | None = None
    codes: list[npt.NDArray[np.int32]] = field(default_factory=list)
    minutes: list[npt.NDArray[np.int32]] = field(default_factory=list)
    milli: dict[str, list[npt.NDArray[np.int32]]] = field(default_factory=dict)


def is_header(fields: list[str]) -> bool:
    """Whether a line's fields are the header of this layout."""
    return {"home", "time"} <= set(_lowered(fields))


def read_tidy_csv(path: Path, rows: Iterator[tuple[int, list[str]]], decimals: Decimals) -> Assembly:
    """Read a CSV file from its numbered rows.

    Raises:
        TraceError: a column is missing, a time or a number is malformed, a row is cut off.
    """
    header_line, header = up_to_header(path, rows, is_header)
    reading = _begun(path, header_line, header)
    first_line = header_line + 1
    while piece := [fields for _, fields in islice(rows, _ROWS_AT_ONCE)]:
        _even(path, first_line, piece, reading.columns.count)
        columns = list(zip(*piece, strict=True))
        values = {}
        for name, (place, milli) in reading.columns.registers.items():
            values[name] = _numbers(path, first_line, header[place], columns[place], decimals) * milli
        _take(reading, first_line, columns[reading.columns.home], columns[reading.columns.time], values)
        first_line += len(piece)
    return _assembled(reading, header_line + 1)


def read_tidy_parquet(path: Path) -> Assembly:
    """Read a Parquet file; its rows count as lines.

    Raises:
        TraceError: Parquet support is not installed, or the table is not as described.
    """
    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise TraceError(path, 0, "Parquet needs pyarrow: install commonwatt-loadgen[parquet]") from error
    except FileNotFoundError as error:
        raise TraceError(path, 0, "no such file") from error
    except (OSError, ValueError) as error:
        raise TraceError(path, 0, f"unreadable as Parquet: {error}") from error
    reading = _begun(path, 1, [str(name) for name in table.columns])
    values = {}
    for name, (place, milli) in reading.columns.registers.items():
        texts = table.iloc[:, place].astype(str).replace({"nan": "", "None": "", "<NA>": ""})
        values[name] = _numbers(path, 1, str(table.columns[place]), list(texts), Decimals(",")) * milli
    homes = list(table.iloc[:, reading.columns.home].fillna("").astype(str))
    times = table.iloc[:, reading.columns.time]
    _take(reading, 1, homes, [str(time) for time in times.astype(object)], values)
    return _assembled(reading, 1)


def _lowered(names: Iterable[str]) -> list[str]:
    return [name.strip().lower() for name in names]


def _begun(path: Path, line: int, header: Sequence[str]) -> _Reading:
    """Find the columns; every one that is unknown is reported."""
    assembly = Assembly(path, f"{path.name}, intervals of each home")
    names = _lowered(header)
    while names and not names[-1]:
        names.pop()
    registers: dict[str, tuple[int, float]] = {}
    for place, name in enumerate(names):
        quantity, _, unit = name.partition("_")
        if quantity in _REGISTERS and unit in _MILLI_PER_UNIT:
            if _REGISTERS[quantity] in registers:
                raise TraceError(path, line, f"column {name!r} is the second one of {quantity}")
            registers[_REGISTERS[quantity]] = (place, _MILLI_PER_UNIT[unit])
        elif name in ("home", "time") and names.count(name) > 1:
            raise TraceError(path, line, f"column {name!r} comes twice")
        elif name not in ("home", "time"):
            assembly.report(line, "unknown_column", f"column {header[place]!r} is unknown", "ignored")
    if not {"home", "time"} <= set(names) or "general" not in registers:
        wanted = "home, time and use_wh or use_kwh"
        raise TraceError(path, line, f"columns {wanted} are needed; found {', '.join(header)}")
    columns = _Columns(len(names), names.index("home"), names.index("time"), registers)
    return _Reading(path, assembly, columns, milli={name: [] for name in registers})


def _even(path: Path, first_line: int, piece: list[list[str]], count: int) -> None:
    """Give every row its columns: blank rows empty ones, others without what is empty beyond them."""
    for at, fields in enumerate(piece):
        if len(fields) != count:
            if not any(map(str.strip, fields)):
                piece[at] = [""] * count
            elif len(fields) < count:
                raise TraceError(
                    path, first_line + at, f"{len(fields)} of {count} fields: the row is cut off"
                )
            elif any(map(str.strip, fields[count:])):
                raise TraceError(path, first_line + at, f"{len(fields)} fields; the header has {count}")
            else:
                piece[at] = fields[:count]


def _numbers(
    path: Path, first_line: int, name: str, texts: Sequence[str], decimals: Decimals
) -> npt.NDArray[np.float64]:
    try:
        return decimals.numbers(texts)
    except ValueError:
        for at, text in enumerate(texts):
            try:
                decimals.numbers([text])
            except ValueError as error:
                message = f"{name.strip()} is not a number: {error}"
                raise TraceError(path, first_line + at, message) from error
        raise


def _take(
    reading: _Reading,
    first_line: int,
    homes: Sequence[str],
    times: Sequence[str],
    values: dict[str, npt.NDArray[np.float64]],
) -> None:
    """Keep a piece of the table in few bytes a row; a blank row keeps its place, so that places tell lines."""
    places, names = _distinct(homes)
    names = [name.strip() for name in names]
    known = np.array([reading.homes.setdefault(name, len(reading.homes)) if name else -1 for name in names])
    codes = known[places].astype(np.int32)
    blank = codes < 0
    if blank.any():
        stray = blank & np.array([bool(time.strip()) for time in times])
        for column in values.values():
            stray |= blank & ~np.isnan(column)
        if stray.any():
            raise TraceError(reading.path, first_line + int(stray.argmax()), "home is missing")
    reading.codes.append(codes)
    reading.minutes.append(_minutes(reading, first_line, times, blank))
    for name, column in values.items():
        whole = np.rint(np.clip(np.nan_to_num(column, posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST))
        reading.milli[name].append(np.where(np.isnan(column), MISSING, whole).astype(np.int32))


def _distinct(texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Texts as places in a list of the distinct ones: many rows share a home or a time."""
    places, distinct = pd.factorize(np.array(texts, dtype=object))
    return places, list(distinct)


def _minutes(
    reading: _Reading, first_line: int, times: Sequence[str], blank: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int32]:
    """Times as minutes since 1970, in UTC where they have offsets, else as they stand."""
    places, distinct = _distinct(times)
    texts = [text.strip() for text in distinct]
    with_offset = np.array([_WITH_OFFSET.fullmatch(text) is not None for text in texts])[places]
    parsed = pd.to_datetime(pd.Series(texts), errors="coerce", format="ISO8601", utc=True)
    seconds = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    out_of_range = (seconds < _EARLIEST_S) | (seconds >= _LATEST_S)
    malformed = (parsed.isna().to_numpy() | (seconds % 60 != 0) | out_of_range)[places] & ~blank
    if malformed.any():
        at = int(malformed.argmax())
        message = f"home or time is missing or malformed: {times[at]!r} (ISO 8601, whole minutes)"
        raise TraceError(reading.path, first_line + at, message)
    if reading.has_offsets is None and not blank.all():
        reading.has_offsets = bool(with_offset[~blank][0])
    different = (with_offset != reading.has_offsets) & ~blank
    if different.any():
        at = int(different.argmax())
        which = "no offset, unlike" if reading.has_offsets else "an offset, unlike"
        raise TraceError(reading.path, first_line + at, f"time {times[at]!r} has {which} those before it")
    return np.where(blank, 0, (seconds // 60)[places]).astype(np.int32)


def _assembled(reading: _Reading, first_line: int) -> Assembly:
    if not reading.homes:
        raise TraceError(reading.path, 0, "holds no readings")

    def joined(pieces: list[Any]) -> Any:
        whole = np.concatenate(pieces)
        pieces.clear()  # half of the memory
        return whole

    table = Table(
        homes=list(reading.homes),
        codes=joined(reading.codes),
        minutes=joined(reading.minutes),
        milli={name: joined(pieces) for name, pieces in reading.milli.items()},
        in_utc=bool(reading.has_offsets),
        first_line=first_line,
    )
    add_homes(reading.assembly, table)
    return reading.assembly
