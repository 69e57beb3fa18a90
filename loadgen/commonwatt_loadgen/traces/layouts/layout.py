# SPDX-License-Identifier: Apache-2.0
"""What a layout of trace files is: how it is recognised, and how its files are read."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from commonwatt_loadgen.traces.columns import Columns
from commonwatt_loadgen.traces.meter_rows import MeterRows
from commonwatt_loadgen.traces.packed import Part

DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Layout:
    """A layout by its name in `--layout`.

    `columns` of a table tells what its header (or, without one, its first row) means; None: the file is not of this
    layout. `home_of` names the home of a file without homes in it. Other files are recognised from their first lines
    by
    `matches`, which gives what `read` needs to know beside the file and the number before its first line.
    `zone` is that of the homes; `meters` is `net` or `gross` where all files of the layout are so.
    """

    name: str
    zone: str
    meters: str | None = None
    columns: Callable[[Sequence[str], str], Columns | None] | None = None
    home_of: Callable[[str], str] | None = None
    matches: Callable[[Sequence[str]], str | None] | None = None
    read: Callable[[MeterRows, Part, str, int], None] | None = None


def split_lines(lines: Sequence[str], delimiters: str = DELIMITERS) -> Iterator[tuple[int, str, list[str]]]:
    """Each line from 1 on with each delimiter and the fields that it parts."""
    for number, line in enumerate(lines, 1):
        for delimiter in delimiters:
            try:
                yield number, delimiter, next(csv.reader([line], delimiter=delimiter), [])
            except csv.Error:
                continue  # no table has such a line


def delimiter_of(lines: Sequence[str], is_header: Callable[[list[str]], bool]) -> str | None:
    """What parts the columns of the line that is the header, None if none is."""
    return next((delimiter for _, delimiter, fields in split_lines(lines) if is_header(fields)), None)


def stem_of(name: str) -> str:
    """A file's name without its last ending."""
    return name.rpartition(".")[0] or name
