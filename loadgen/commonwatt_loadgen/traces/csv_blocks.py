# SPDX-License-Identifier: Apache-2.0
"""CSV in blocks of whole lines, parsed at once where every line has its columns and none is quoted.

Most files are so, and are read many times as fast: by pyarrow where it is installed and understands every field, else
by pandas. A caller reads all others row by row, and so also tells what is wrong at which line.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from io import BufferedReader, BytesIO
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from commonwatt_loadgen.traces.opening import bounded_lines
from commonwatt_loadgen.traces.packed import Part

Column = pd.Categorical | npt.NDArray[np.float64]

BLOCK_BYTES = 4_000_000
_HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None
_NEWLINE = 10
_OF_NO_BLOCK = (b'"', b"\0")


def blocks(part: Part, header_line: int) -> Iterator[bytes | None]:
    """Blocks of whole lines below a header; None, and then no more, where the next one has quotes or is no UTF-8."""
    with part.open() as file:
        stream = BufferedReader(bounded_lines(part, file))
        if not all(_is_plain(stream.readline()) for _ in range(header_line)):
            yield None
            return
        while block := _whole_lines(stream):
            if not _is_plain(block):
                yield None
                return
            yield block if block.endswith(b"\n") else block + b"\n"


def parsed(
    block: bytes, delimiter: str, count: int, texts: Sequence[int], numbers: Sequence[int]
) -> dict[int, Column] | None:
    """The columns at the places wanted, None where a line has more or fewer than `count` or a number is none."""
    if not _is_even(block, delimiter, count):
        return None
    columns = _by_pyarrow(block, delimiter, count, texts, numbers)
    if columns is not None:
        return columns
    try:
        table = _table(
            block, delimiter, count, {**dict.fromkeys(texts, "category"), **dict.fromkeys(numbers, "float64")}
        )
        as_numbers = [at for at in texts if not pd.api.types.is_string_dtype(table[at].cat.categories.dtype)]
        if as_numbers:  # pandas takes 0012 for 12
            table[as_numbers] = _table(block, delimiter, count, dict.fromkeys(as_numbers, "object"))
    except ValueError:
        return None
    columns = {at: pd.Categorical(table[at]) for at in texts}
    return columns | {at: table[at].to_numpy() for at in numbers}


def _by_pyarrow(
    block: bytes, delimiter: str, count: int, texts: Sequence[int], numbers: Sequence[int]
) -> dict[int, Column] | None:
    """The columns, None where pyarrow is not installed or a number is not as it writes numbers."""
    if not _HAS_PYARROW:
        return None
    import pyarrow  # an extra
    from pyarrow import csv

    names = [str(at) for at in range(count)]
    kinds = {str(at): pyarrow.dictionary(pyarrow.int32(), pyarrow.string()) for at in texts}
    try:
        table = csv.read_csv(
            BytesIO(block),
            csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
            csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=kinds | {str(at): pyarrow.float64() for at in numbers},
                include_columns=[str(at) for at in sorted({*texts, *numbers})],
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    columns: dict[int, Column] = {at: _categorical(table.column(str(at)).combine_chunks()) for at in texts}
    return columns | {at: table.column(str(at)).to_numpy() for at in numbers}


def _categorical(column: Any) -> pd.Categorical:
    """A dictionary of pyarrow as pandas has it: its categories in order."""
    distinct = np.array(column.dictionary.to_pylist(), dtype=object)
    order = np.argsort(distinct, kind="stable")
    places = np.empty(len(order), dtype=np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    return pd.Categorical.from_codes(places[column.indices.to_numpy()], categories=pd.Index(distinct[order]))


def _table(block: bytes, delimiter: str, count: int, kinds: dict[int, str]) -> pd.DataFrame:
    return pd.read_csv(
        BytesIO(block),
        sep=delimiter,
        header=None,
        names=range(count),
        index_col=False,
        usecols=sorted(kinds),
        dtype=kinds,
        na_filter=False,
        skip_blank_lines=False,
        encoding="utf-8",
    )


def _whole_lines(stream: IO[bytes]) -> bytes:
    data = stream.read(BLOCK_BYTES)
    return data if data.endswith(b"\n") or not data else data + stream.readline()


def _is_plain(block: bytes) -> bool:
    if any(mark in block for mark in _OF_NO_BLOCK) or block.count(b"\r") != block.count(b"\r\n"):
        return False
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_even(block: bytes, delimiter: str, count: int) -> bool:
    letters = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(letters == _NEWLINE)
    marks = np.flatnonzero(letters == ord(delimiter))
    return bool((np.diff(np.searchsorted(marks, ends), prepend=0) == count - 1).all())
