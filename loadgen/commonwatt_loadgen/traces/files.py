# SPDX-License-Identifier: Apache-2.0
"""Read a trace file of any supported layout, found out from its first lines."""

import csv
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from commonwatt_loadgen.traces import ausgrid, nem12
from commonwatt_loadgen.traces.assemble import Assembly
from commonwatt_loadgen.traces.checks import Problem, TraceError
from commonwatt_loadgen.traces.opening import Decimals, open_bytes, read_opening, rows
from commonwatt_loadgen.traces.sources import TraceSet


def load_traces(path: Path, *, pv_w: int = 5000, strict: bool = False) -> tuple[TraceSet, list[Problem]]:
    """Traces from a file, generation scaled to systems of `pv_w` W, and everything that was found wrong.

    Raises:
        TraceError: the file is absent, of no known layout, cut off or malformed, or `strict` and not
        flawless.
    """
    assembly = _read(path)
    traces = assembly.finish(pv_w, strict)
    return traces, assembly.problems


def _read(path: Path) -> Assembly:
    if path.suffix.lower() in (".parquet", ".pq"):
        from commonwatt_loadgen.traces import tidy  # pandas takes a second to load; tidy files alone need it

        return tidy.read_tidy_parquet(path)
    with open_bytes(path) as file:
        opening = read_opening(path, file)
    for line in opening:
        for delimiter in ",;\t":
            fields = next(csv.reader([line], delimiter=delimiter), [])
            if reader := _reader_of(fields):
                with closing(rows(path, delimiter)) as numbered:
                    return reader(path, numbered, Decimals(delimiter))
    raise TraceError(path, 1, "none of the known layouts (Ausgrid, NEM12, tidy `home,time,use_wh`)")


def _reader_of(
    header: list[str],
) -> Callable[[Path, Iterator[tuple[int, list[str]]], Decimals], Assembly] | None:
    """What reads the layout of this header."""
    if ausgrid.is_header(header):
        return ausgrid.read_ausgrid
    if nem12.is_header(header):
        return nem12.read_nem12
    if {"home", "time"} <= {name.strip().lower() for name in header}:
        from commonwatt_loadgen.traces import tidy

        return tidy.read_tidy_csv
    return None
