# SPDX-License-Identifier: Apache-2.0
"""Read trace files of any layout: recognised from their first lines, named, or told column by column."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from commonwatt_loadgen.traces.assemble import Assembly
from commonwatt_loadgen.traces.checks import Problem, TraceError
from commonwatt_loadgen.traces.columns import Columns, ColumnsError, columns_of, places_of
from commonwatt_loadgen.traces.intervals import add_homes
from commonwatt_loadgen.traces.layouts import LAYOUTS, Layout, tidy
from commonwatt_loadgen.traces.layouts.layout import DELIMITERS, split_lines, stem_of
from commonwatt_loadgen.traces.meter_rows import MeterRows
from commonwatt_loadgen.traces.opening import read_opening
from commonwatt_loadgen.traces.packed import Part, parts_of
from commonwatt_loadgen.traces.plugin_kind import layout_names, layout_of, layouts
from commonwatt_loadgen.traces.quantities import NET_METERS
from commonwatt_loadgen.traces.sources import TraceSet
from commonwatt_loadgen.traces.tables import open_parquet, read_csv, read_parquet
from commonwatt_loadgen.traces.zones import ZoneError, zone_of

_PARQUET = b"PAR1"
_METERS = ("net", "gross")
_WITHOUT_ZONE = "UTC"  # times without offset have no daylight saving there


@dataclass(frozen=True)
class ReadAs:
    """How a user says that files are to be read; None leaves it to the files.

    `layout`: a name of LAYOUTS, or of a plug-in; `columns`: a mapping as `columns_of` takes it; `zone`: the homes' time
    zone; `meters`: `net` or `gross`.
    """

    layout: str | None = None
    columns: str | None = None
    zone: str | None = None
    meters: str | None = None

    def check(self) -> None:
        """Raise ValueError for what no file could be read as."""
        if self.layout is not None and self.layout not in layout_names():
            raise ValueError(f"--layout {self.layout}: is none of {', '.join(layout_names())}")
        if self.layout is not None and self.columns is not None:
            raise ValueError("--layout and --columns exclude each other")
        if self.meters is not None and self.meters not in _METERS:
            raise ValueError(f"--meters {self.meters}: is neither net nor gross")
        if self.columns is not None:
            columns_of(self.columns)
        if self.zone is not None:
            try:
                zone_of(self.zone)
            except ZoneError as error:
                raise ValueError(f"--zone: {error}") from error


@dataclass(frozen=True)
class _Recognised:
    """A file's layout, and what its reader needs to know: the delimiter, the header's line, its columns."""

    layout: Layout
    how: str
    header_line: int = 0
    columns: Columns | None = None


def load_traces(
    path: Path, *, pv_w: int = 5000, strict: bool = False, read_as: ReadAs | None = None
) -> tuple[TraceSet, list[Problem]]:
    """Traces from a file, an archive or a folder, generation scaled to systems of `pv_w` W, and what was found wrong.

    Raises:
        TraceError: the file is absent, of no known layout, cut off or malformed, or `strict` and not
        flawless.
    """
    assembly = read_assembly(path, read_as or ReadAs())
    traces = assembly.finish(pv_w, strict)
    return traces, assembly.problems


def read_assembly(path: Path, read_as: ReadAs) -> Assembly:
    """What all files of a path hold, before anything is repaired.

    Raises:
        TraceError: as `load_traces`.
    """
    try:
        read_as.check()
    except ValueError as error:
        raise TraceError(path, 0, str(error)) from error
    parts = parts_of(path)
    candidates = _candidates(read_as)
    layout, recognised, unknown = _recognised_parts(parts, candidates)
    zone = zone_of(read_as.zone or layout.zone)
    assembly = Assembly(path, f"{path.name}, layout {layout.name}.", zone)
    for part, why in unknown:
        base = assembly.begin_file(str(part))
        assembly.report(base + 1, "unknown_file", why, "ignored")
    kept = MeterRows(assembly)
    for part, found in recognised:
        _read(kept, part, found)
    meters = read_as.meters or layout.meters
    if kept.rows:
        table = kept.table()
        if table.in_utc and read_as.columns is not None and read_as.zone is None:
            message = "its times have an offset: say where the homes are by --zone, as --zone Europe/London"
            raise TraceError(path, 0, message)
        add_homes(assembly, table, meters)
    elif meters == "net":
        assembly.source += f" {NET_METERS}"
    return assembly


def _candidates(read_as: ReadAs) -> list[Layout]:
    if read_as.columns is not None:
        columns = columns_of(read_as.columns)
        return [Layout("columns", _WITHOUT_ZONE, columns=lambda header, _: _fitting(columns, header))]
    return [layout_of(read_as.layout)] if read_as.layout else list(layouts().values())


def _fitting(columns: Columns, header: Sequence[str]) -> Columns | None:
    try:
        places_of(columns, header)
    except ColumnsError:
        return None
    return columns


def _recognised_parts(
    parts: Iterable[Part], candidates: list[Layout]
) -> tuple[Layout, list[tuple[Part, _Recognised]], list[tuple[Part, str]]]:
    """The one layout of all files, the files of it, and the others with what is wrong with them.

    Raises:
        TraceError: no file has a layout that is known.
    """
    recognised: list[tuple[Part, _Recognised]] = []
    unknown: list[tuple[Part, str]] = []
    first_error: TraceError | None = None
    for part in parts:
        try:
            found = _recognise(part, candidates)
        except TraceError as error:
            first_error = first_error or error
            unknown.append((part, "is of another layout, or of none"))
            continue
        recognised.append((part, found))
        candidates = [found.layout]
    if not recognised:
        assert first_error is not None
        raise first_error
    return recognised[0][1].layout, recognised, unknown


def _recognise(part: Part, candidates: list[Layout]) -> _Recognised:
    with part.open() as file:
        is_parquet = file.read(len(_PARQUET)) == _PARQUET
    if is_parquet or part.name.lower().endswith((".parquet", ".pq")):
        header = [str(name) for name in open_parquet(part).schema_arrow.names]
        for layout in candidates:
            columns = _columns(part, 1, layout, header)
            if columns is not None:
                return _Recognised(layout, "parquet", 1, columns)
        raise _none_of(part, candidates, header)
    lines = read_opening(part)
    for layout in candidates:
        if layout.matches is not None and (how := layout.matches(lines)) is not None:
            return _Recognised(layout, how)
        if layout.columns is None:
            continue
        for number, delimiter, fields in split_lines(lines):
            columns = _columns(part, number, layout, fields)
            if columns is not None:
                return _Recognised(layout, delimiter, number if columns.has_header else 0, columns)
    raise _none_of(part, candidates, _likely_header(lines))


def _columns(part: Part, line: int, layout: Layout, header: Sequence[str]) -> Columns | None:
    if layout.columns is None:
        return None
    try:
        return layout.columns(header, part.name)
    except ColumnsError as error:
        raise TraceError(str(part), line, str(error)) from error


def _likely_header(lines: Sequence[str]) -> list[str]:
    """The first line that is not blank, by the delimiter that parts most of it."""
    first = next(line for line in lines if line.strip())
    return max((fields for _, _, fields in split_lines([first], DELIMITERS)), key=len, default=[])


def _none_of(part: Part, candidates: list[Layout], header: Sequence[str]) -> TraceError:
    found = ", ".join(header)[:300]
    if len(candidates) == 1 and candidates[0].name == "columns":
        return TraceError(str(part), 1, f"has not the columns that --columns names; found {found}")
    if len(candidates) == 1:
        return TraceError(str(part), 1, f"is not of the layout {candidates[0].name}; found {found}")
    names = ", ".join(layout.name for layout in candidates)
    return TraceError(
        str(part),
        1,
        f"none of the known layouts ({names}); say what its columns are by "
        f"--columns home=...,time=...,use_kwh=...; found {found}",
    )


def _read(kept: MeterRows, part: Part, found: _Recognised) -> None:
    base = kept.assembly.begin_file(str(part))
    if found.columns is None:
        reader: Callable[[MeterRows, Part, str, int], None] | None = found.layout.read
        assert reader is not None
        reader(kept, part, found.how, base)
        return
    home = (found.layout.home_of or stem_of)(part.name)
    if found.how == "parquet":
        read_parquet(kept, part, found.columns, home, base)
    else:
        if found.layout is LAYOUTS["tidy"]:
            _report_unknown_columns(kept, part, found, base)
        read_csv(kept, part, found.columns, found.header_line, found.how, home, base)


def _report_unknown_columns(kept: MeterRows, part: Part, found: _Recognised, base: int) -> None:
    line = read_opening(part)[found.header_line - 1]
    _, _, header = next(split_lines([line], found.how))
    for name in tidy.unknown_columns(header):
        kept.assembly.report(
            base + found.header_line, "unknown_column", f"column {name!r} is unknown", "ignored"
        )
