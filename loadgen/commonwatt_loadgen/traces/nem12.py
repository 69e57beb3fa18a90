"""NEM12, the Australian meter data file: records 100, 200, 300, 400, 500 and 900.

Registers whose suffix begins with E are use (E1 general, others controlled load), with B generation sent
out. Interval lengths of 5, 15 and 30 minutes are summed to half hours. NEM12 is in Eastern Standard Time
all year and is taken so.
"""

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

import numpy as np

from commonwatt_loadgen.traces.assemble import Assembly, numbers
from commonwatt_loadgen.traces.checks import TraceError
from commonwatt_loadgen.traces.sources import SLOTS_PER_DAY

_KWH_PER_UNIT = {"KWH": 1.0, "WH": 0.001, "MWH": 1000.0}


@dataclass(frozen=True)
class _Stream:
    home: str
    register: str
    per_half_hour: int
    kwh_per_unit: float


def read_nem12(path: Path, file: TextIO) -> Assembly:
    """Read a whole file, record by record.

    Raises:
        TraceError: a record is malformed, or the file ends without its 900 record.
    """
    assembly = Assembly(path, f"{path.name}, NEM12 meter data")
    stream: _Stream | None = None
    ended = False
    line = 0
    for line, fields in enumerate(csv.reader(file), 1):
        kind = fields[0].strip() if fields else ""
        if kind == "200":
            stream = _stream(assembly, line, fields)
        elif kind == "300":
            if stream is None:
                raise TraceError(path, line, "a 300 record before any 200 record")
            _add_day(assembly, line, fields, stream)
        elif kind == "900":
            ended = True
        elif kind not in ("100", "400", "500", ""):
            raise TraceError(path, line, f"record indicator {kind!r} is none of 100, 200, 300, 400, 500, 900")
    if not ended:
        raise TraceError(path, line, "no 900 record at the end: the file is cut off")
    return assembly


def _stream(assembly: Assembly, line: int, fields: list[str]) -> _Stream | None:
    if len(fields) < 9:
        raise TraceError(assembly.path, line, f"a 200 record of {len(fields)} fields; 9 are needed")
    suffix, unit, minutes = fields[4].strip().upper(), fields[7].strip().upper(), fields[8].strip()
    if minutes not in ("5", "15", "30"):
        raise TraceError(assembly.path, line, f"interval length {minutes!r} is none of 5, 15, 30 minutes")
    if unit not in _KWH_PER_UNIT:
        raise TraceError(assembly.path, line, f"unit {unit!r} is none of Wh, kWh, MWh")
    registers = {"E": "general" if suffix in ("E", "E1") else "controlled", "B": "generation"}
    register = registers.get(suffix[:1], "")
    if not register:
        assembly.report(line, "unknown_register", f"register {suffix!r} is neither E nor B", "ignored")
    return _Stream(fields[1].strip(), register, 30 // int(minutes), _KWH_PER_UNIT[unit])


def _add_day(assembly: Assembly, line: int, fields: list[str], stream: _Stream) -> None:
    count = SLOTS_PER_DAY * stream.per_half_hour
    if len(fields) < 2 + count + 1:
        raise TraceError(
            assembly.path, line, f"{max(0, len(fields) - 3)} of {count} intervals: the record is cut off"
        )
    try:
        day = datetime.strptime(fields[1].strip(), "%Y%m%d").date()
        values = numbers(fields[2 : 2 + count])
    except ValueError as error:
        raise TraceError(assembly.path, line, f"{error}") from error
    if fields[2 + count].strip().upper().startswith("N"):
        values[:] = np.nan  # quality N: no reading
    if stream.register:
        half_hours = values.reshape(SLOTS_PER_DAY, stream.per_half_hour).sum(axis=1) * stream.kwh_per_unit
        assembly.add_day(stream.home, stream.register, day, half_hours, line)
