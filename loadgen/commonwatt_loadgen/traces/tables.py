# SPDX-License-Identifier: Apache-2.0
"""Tables, CSV or Parquet, whose columns are known: a row per home and time, or a row per time and a column per home."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from commonwatt_loadgen.traces.checks import TraceError
from commonwatt_loadgen.traces.columns import Columns, ColumnsError, Places, places_of
from commonwatt_loadgen.traces.csv_blocks import blocks, parsed
from commonwatt_loadgen.traces.instants import Instants
from commonwatt_loadgen.traces.meter_rows import MeterRows
from commonwatt_loadgen.traces.opening import Decimals, rows
from commonwatt_loadgen.traces.packed import Part

_ROWS_AT_ONCE = 100_000
_MOST_PARQUET_ROWS = 200_000_000
_NOTHING = ("null", "nan", "na", "n/a", "none", "")

Floats = npt.NDArray[np.float64]


def read_csv(
    kept: MeterRows, part: Part, columns: Columns, header_line: int, delimiter: str, home: str, base: int
) -> None:
    """Read a CSV file below its header (line 0: it has none); `home` is who a file without homes belongs to.

    Raises:
        TraceError: a time or a number is malformed, a row is cut off.
    """
    decimals = Decimals(delimiter)
    with closing(rows(part, delimiter, base)) as numbered:
        header = _header(part, numbered, header_line, base)
    places = _placed(kept, columns, header, base + header_line)
    reading = _Table(kept, places, columns.instants, header, home, decimals)
    texts = [at for at in (places.time, places.date, places.home) if at is not None]
    numbers = [at for _, _, at in places.values]
    if delimiter != ",":  # a decimal comma may be
        texts, numbers = [*texts, *numbers], []
    first_line = base + header_line + 1
    for block in blocks(part, header_line):
        if block is None:
            _read_rows(reading, part, delimiter, base, first_line)
            break
        whole = parsed(block, delimiter, places.count, texts, numbers)
        if whole is not None:
            reading.take(first_line, whole)
        else:
            reading.take_rows(first_line, list(csv.reader(block.decode().splitlines(), delimiter=delimiter)))
        first_line += block.count(b"\n")
    kept.is_end = columns.is_end


def _read_rows(reading: "_Table", part: Part, delimiter: str, base: int, first_line: int) -> None:
    """Read row by row from a line on."""
    with closing(rows(part, delimiter, base)) as numbered:
        below = (fields for line, fields in numbered if line >= first_line)
        while piece := list(islice(below, _ROWS_AT_ONCE)):
            reading.take_rows(first_line, piece)
            first_line += len(piece)


def read_parquet(kept: MeterRows, part: Part, columns: Columns, home: str, base: int) -> None:
    """Read a Parquet file; its rows count as lines.

    Raises:
        TraceError: Parquet support is not installed, or the table is not as described.
    """
    file = open_parquet(part)
    header = [str(name) for name in file.schema_arrow.names]
    places = _placed(kept, columns, header, base + 1)
    wanted = sorted({at for at in (places.time, places.date, places.home) if at is not None})
    wanted = sorted({*wanted, *(at for _, _, at in places.values)})
    reading = _Table(kept, places, columns.instants, header, home, Decimals(","))
    first_line = base + 1
    try:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[header[at] for at in wanted]):
            table: dict[int, Sequence[Any]] = {}
            for at, column in zip(wanted, batch.columns, strict=True):
                table[at] = _plain(column, is_value=any(at == place for _, _, place in places.values))
            reading.take(first_line, table)
            first_line += batch.num_rows
    except (OSError, ValueError, ArithmeticError, NotImplementedError) as error:
        raise TraceError(str(part), 0, f"unreadable as Parquet: {error}") from error
    kept.is_end = columns.is_end


def open_parquet(part: Part) -> Any:
    """A Parquet file, of which only the schema is read yet."""
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        message = "Parquet needs pyarrow: install commonwatt-loadgen[parquet]"
        raise TraceError(str(part), 0, message) from error
    with part.open() as stream:
        content = BytesIO(stream.read())
    try:
        file = ParquetFile(content)
    except (OSError, ValueError) as error:
        raise TraceError(str(part), 0, f"unreadable as Parquet: {error}") from error
    if file.metadata.num_rows > _MOST_PARQUET_ROWS:
        raise TraceError(str(part), 0, f"holds more than {_MOST_PARQUET_ROWS:,} rows: split it")
    return file


class _Table:
    """Takes pieces of a table, as columns by their place, until all are read."""

    def __init__(
        self,
        kept: MeterRows,
        places: Places,
        instants: Instants,
        header: Sequence[str],
        home: str,
        decimals: Decimals,
    ) -> None:
        self._kept = kept
        self._places = places
        self._instants = instants
        self._header = header
        self._home = home
        self._decimals = decimals

    def take_rows(self, first_line: int, piece: list[list[str]]) -> None:
        """Take rows as they come."""
        _even(self._kept, first_line, piece, self._places.count)
        self.take(first_line, list(zip(*piece, strict=True)))

    def take(self, first_line: int, columns: Any) -> None:
        """Take columns by their places."""
        places = self._places
        times = columns[places.time]
        if places.date is not None:
            times = [f"{day} {time}" for day, time in zip(columns[places.date], times, strict=True)]
        by_home: dict[str | None, list[tuple[Any, Floats]]] = {}
        for name, quantity, at in places.values:
            by_home.setdefault(name, []).append((quantity, self._numbers(first_line, at, columns[at])))
        if None in by_home:
            homes = self._home if places.home is None else columns[places.home]
            self._kept.add(first_line, homes, times, by_home[None], self._instants)
        else:
            named = {str(name): values for name, values in by_home.items()}
            self._kept.add_wide(first_line, named, times, self._instants)

    def _numbers(self, first_line: int, at: int, texts: Any) -> Floats:
        if isinstance(texts, np.ndarray):
            return texts.astype(np.float64)
        texts = list(texts)
        try:
            return self._decimals.numbers(texts)
        except ValueError:
            texts = ["" if text.strip().lower() in _NOTHING else text for text in texts]
        try:
            return self._decimals.numbers(texts)
        except ValueError:
            for row, text in enumerate(texts):
                try:
                    self._decimals.numbers([text])
                except ValueError as error:
                    message = f"{self._header[at].strip()} is not a number: {error}"
                    raise self._kept.assembly.error(first_line + row, message) from error
            raise


def _header(part: Part, numbered: Iterator[tuple[int, list[str]]], header_line: int, base: int) -> list[str]:
    """The header, or the first row in its place."""
    for line, fields in numbered:
        if line - base == max(1, header_line):
            return fields
        if line - base > header_line:
            break
    raise TraceError(str(part), 1, "its header stands within quotation marks that never end")


def _placed(kept: MeterRows, columns: Columns, header: Sequence[str], line: int) -> Places:
    try:
        return places_of(columns, header)
    except ColumnsError as error:
        raise kept.assembly.error(line, str(error)) from error


def _even(kept: MeterRows, first_line: int, piece: list[list[str]], count: int) -> None:
    """Give every row its columns: blank rows empty ones, others without what is empty beyond them."""
    for at, fields in enumerate(piece):
        if len(fields) != count:
            if not any(map(str.strip, fields)):
                piece[at] = [""] * count
            elif len(fields) < count:
                raise kept.assembly.error(
                    first_line + at, f"{len(fields)} of {count} fields: the row is cut off"
                )
            elif any(map(str.strip, fields[count:])):
                raise kept.assembly.error(first_line + at, f"{len(fields)} fields; the header has {count}")
            else:
                piece[at] = fields[:count]


def _plain(column: Any, *, is_value: bool) -> Any:
    """A column of Parquet as numbers, or as texts that are empty where it has nothing."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if is_value and (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
        return column.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
    if pyarrow.types.is_timestamp(kind):
        column = column.cast(pyarrow.timestamp("us", kind.tz))
    encoded = column.dictionary_encode()
    texts = [_text(value) for value in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    places, distinct = pd.factorize(np.array([*texts, ""], dtype=object))
    return pd.Categorical.from_codes(places[codes], categories=pd.Index(distinct))


def _text(value: Any) -> str:
    if not isinstance(value, datetime):
        return str(value)
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
