# SPDX-License-Identifier: Apache-2.0
"""The Irish CER smart metering trial: `meter code kWh` in half hours, 2009 and 2010, without a header.

The code's first three digits are the day (1 is 1 January 2009), the last two the half hour (1 is 0:00 to 0:30), as the
trial's manifest says. On the day when daylight saving ends there are 50. On the day when it begins codes go on to 46,
or leave out those of the missing hour.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from commonwatt_loadgen.traces.assemble import skipped_slots
from commonwatt_loadgen.traces.layouts.layout import Layout
from commonwatt_loadgen.traces.meter_rows import MeterRows, Piece
from commonwatt_loadgen.traces.opening import rows
from commonwatt_loadgen.traces.packed import Part
from commonwatt_loadgen.traces.quantities import Quantity

_ROW = re.compile(r"\d{4,6} \d{5} -?\d+(\.\d+)?")
_BEFORE_DAY_1 = date(2008, 12, 31)
_EPOCH = date(1970, 1, 1)
_SLOTS, _MOST_SLOTS = 48, 50
_DUBLIN = ZoneInfo("Europe/Dublin")
_KWH = Quantity("use", 1e6, False)
_ROWS_AT_ONCE = 100_000

Ints = npt.NDArray[np.int64]


def is_trial(lines: Sequence[str]) -> str | None:
    """Whether first lines are of this layout."""
    present = [line.strip() for line in lines if line.strip()]
    return " " if present and all(map(_ROW.fullmatch, present)) else None


def read_trial(kept: MeterRows, part: Part, delimiter: str, base: int) -> None:
    """Read a whole file.

    Raises:
        TraceError: a row is not of this layout.
    """
    numbered = rows(part, delimiter, base)
    first_line = base + 1
    while piece := list(islice(numbered, _ROWS_AT_ONCE)):
        present = [(line, [text for text in fields if text]) for line, fields in piece]
        present = [(line, fields) for line, fields in present if fields]
        for line, fields in present:
            if len(fields) != 3:
                raise kept.assembly.error(line, f"{len(fields)} of 3 fields: meter, code and kWh are wanted")
        _take(kept, first_line, present)
        first_line = piece[-1][0] + 1


def _take(kept: MeterRows, first_line: int, piece: list[tuple[int, list[str]]]) -> None:
    if not piece:
        return
    codes, kwh = np.zeros(len(piece), dtype=np.int64), np.zeros(len(piece))
    for place, (line, (_, code, value)) in enumerate(piece):
        try:
            codes[place], kwh[place] = int(code), float(value)
        except (ValueError, OverflowError) as error:
            raise kept.assembly.error(line, f"{code[:20]!r} {value[:20]!r} are no code and kWh") from error
        if len(code) != 5 or not 1 <= codes[place] % 100 <= _MOST_SLOTS or codes[place] < 100:
            message = f"code {code[:20]!r} is no day (3 digits) and half hour (01 to {_MOST_SLOTS})"
            raise kept.assembly.error(line, message)
    homes = np.array([kept.code(fields[0]) for _, fields in piece], dtype=np.int32)
    lines = [line for line, _ in piece]
    first = lines[0]
    count = len(piece) if lines[-1] - first + 1 == len(piece) else 1
    kept.keep_in_utc(Piece(kept.rows, first, count), homes, utc_minutes(codes), [(_KWH, kwh)])


def utc_minutes(codes: Ints) -> Ints:
    """When the half hours of codes begin, in minutes since 1970."""
    minutes = np.zeros(len(codes), dtype=np.int64)
    for number in np.unique(codes // 100):
        day = _BEFORE_DAY_1 + timedelta(days=int(number))
        midnight = datetime(day.year, day.month, day.day, tzinfo=_DUBLIN)
        begins = (day - _EPOCH) // timedelta(minutes=1) - (midnight.utcoffset() or timedelta()) // timedelta(
            minutes=1
        )
        of_day = codes // 100 == number
        slots = codes[of_day] % 100 - 1
        skipped = skipped_slots(day, _DUBLIN)
        if skipped and slots.max() >= _SLOTS - len(skipped):  # numbered by the clock
            slots = np.where(slots > skipped[0], slots - len(skipped), slots)
        minutes[of_day] = begins + slots * 30
    return minutes


LAYOUT = Layout("irish-cer", "Europe/Dublin", "gross", matches=is_trial, read=read_trial)
