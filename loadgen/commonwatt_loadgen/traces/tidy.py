"""A plain tidy table, CSV or Parquet: one row per home and half hour.

Columns `home`, `time` (start of the half hour, ISO 8601; with an offset it is turned into local time),
`use_wh` or `use_kwh`, and optionally `generation_wh` or `generation_kwh`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from commonwatt_loadgen.traces.assemble import LOCAL_TIME, Assembly
from commonwatt_loadgen.traces.checks import TraceError
from commonwatt_loadgen.traces.sources import SLOT_MINUTES, SLOTS_PER_DAY

_KWH_PER_UNIT = {"wh": 0.001, "kwh": 1.0}
_REGISTERS = {"use": "general", "generation": "generation"}
_ROWS_AT_ONCE = 200_000


def is_header(fields: list[str]) -> bool:
    """Whether a line's fields are the header of this layout."""
    return {"home", "time"} <= {name.strip().lower() for name in fields}


def read_tidy_csv(path: Path) -> Assembly:
    """Read a CSV file in pieces of bounded size.

    Raises:
        TraceError: a column is missing, a time or a number is malformed, a row is cut off.
    """
    try:
        with pd.read_csv(path, dtype=str, chunksize=_ROWS_AT_ONCE, skip_blank_lines=False) as pieces:
            return _assembled(path, pieces)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise TraceError(path, 0, f"unreadable: {error}") from error


def read_tidy_parquet(path: Path) -> Assembly:
    """Read a Parquet file.

    Raises:
        TraceError: Parquet support is not installed, or the table is not as described.
    """
    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise TraceError(path, 0, "Parquet needs pyarrow: install commonwatt-loadgen[parquet]") from error
    except (OSError, ValueError) as error:
        raise TraceError(path, 0, f"unreadable as Parquet: {error}") from error
    return _assembled(path, [table])


def _assembled(path: Path, pieces: Iterable[pd.DataFrame]) -> Assembly:
    assembly = Assembly(path, f"{path.name}, half hours of each home")
    days: dict[tuple[str, str, int], np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    lines: dict[tuple[str, str, int], int] = {}
    first_line = 2
    for number, piece in enumerate(pieces):
        if number == 0:
            columns = _columns(assembly, [str(name) for name in piece.columns])
        for line, home, day, slot, register, kwh in _readings(path, piece, columns, first_line):
            key = (home, register, day)
            slots = days.setdefault(key, np.full(SLOTS_PER_DAY, np.nan))
            lines.setdefault(key, line)
            if np.isnan(slots[slot]):
                slots[slot] = kwh
            else:
                place = f"{home} {register} at {slot // 2}:{slot % 2 * 30:02d}"
                assembly.report(line, "repeated_half_hour", f"{place} again", "added to the first")
                slots[slot] += kwh
        first_line += len(piece)
    for (home, register, day), slots in days.items():
        date = pd.Timestamp(day, unit="D").date()
        assembly.add_day(home, register, date, slots, lines[home, register, day])
    return assembly


def _columns(assembly: Assembly, names: list[str]) -> dict[str, tuple[str, float]]:
    """Column name -> (register, kWh per unit), with every other column but home and time reported."""
    found: dict[str, tuple[str, float]] = {}
    for name in names:
        quantity, _, unit = name.strip().lower().partition("_")
        if quantity in _REGISTERS and unit in _KWH_PER_UNIT:
            found[name] = (_REGISTERS[quantity], _KWH_PER_UNIT[unit])
        elif name not in ("home", "time"):
            assembly.report(1, "unknown_column", f"column {name!r} is unknown", "ignored")
    missing = [name for name in ("home", "time") if name not in names]
    if missing or not any(register == "general" for register, _ in found.values()):
        wanted = "home, time and use_wh or use_kwh"
        raise TraceError(assembly.path, 1, f"columns {wanted} are needed; found {', '.join(names)}")
    return found


def _readings(
    path: Path, piece: pd.DataFrame, columns: dict[str, tuple[str, float]], first_line: int
) -> Iterator[tuple[int, str, int, int, str, float]]:
    times = pd.to_datetime(piece["time"], errors="coerce", format="ISO8601")
    bad = times.isna() | piece["home"].isna()
    if bad.any():
        at = int(bad.to_numpy().argmax())
        raise TraceError(
            path, first_line + at, f"home or time is missing or malformed: {piece['time'].iloc[at]!r}"
        )
    if times.dt.tz is not None:
        times = times.dt.tz_convert(LOCAL_TIME).dt.tz_localize(None)
    minutes = times.to_numpy().astype("datetime64[m]").astype(np.int64)
    homes = piece["home"].astype(str).to_numpy()
    for name, (register, kwh_per_unit) in columns.items():
        values = pd.to_numeric(piece[name], errors="coerce").to_numpy(dtype=float)
        wrong = np.isnan(values) & piece[name].notna().to_numpy()
        if wrong.any():
            at = int(wrong.argmax())
            raise TraceError(path, first_line + at, f"{name} is not a number: {piece[name].iloc[at]!r}")
        for at, (home, minute, value) in enumerate(zip(homes, minutes, values, strict=True)):
            if not np.isnan(value):
                day, within = divmod(int(minute), 1440)
                yield first_line + at, str(home), day, within // SLOT_MINUTES, register, value * kwh_per_unit
