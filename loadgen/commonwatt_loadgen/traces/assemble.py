"""From rows of metered half hours to a checked set of traces; every repair is made, and listed, here.

Repairs: a missing, negative or absurd half hour takes the value of the same half hour on the nearest other
day of the same register (0 in the hour that daylight saving leaves out); a missing day takes the nearest
day's values; a repeated day keeps the first row; a home that does not cover the file's usual days, or whose
PV made nothing, is left out.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from commonwatt_loadgen.traces.checks import Problem, TraceError, counted
from commonwatt_loadgen.traces.sources import SLOT_MINUTES, SLOTS_PER_DAY, HalfHourly, TraceSet

LOCAL_TIME = ZoneInfo("Australia/Sydney")
ABSURD_KWH = 50.0  # in half an hour: 100 kW, far above any household connection
_MISSING = -1

Slots = npt.NDArray[np.float64]


@lru_cache(maxsize=4096)
def skipped_slots(day: date) -> range:
    """The half hours of a local day that daylight saving leaves out, if it begins that day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=LOCAL_TIME)
    offset = midnight.utcoffset()
    evening = midnight.replace(hour=23).utcoffset()
    if offset is None or evening is None or evening <= offset:
        return range(0)
    return range(4, 4 + (evening - offset) // timedelta(minutes=SLOT_MINUTES))  # 2:00 to 3:00 in Sydney


@dataclass
class _Register:
    """One stream of metered energy of one home: its days packed one after the other, as they came.

    A file may hold millions of days, so a day takes little more than its 48 half hours of four bytes.
    """

    places: dict[date, int] = field(default_factory=dict)
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    packed: bytearray = field(default_factory=bytearray)

    def add(self, day: date, milli: npt.NDArray[np.int32], line: int) -> None:
        self.places[day] = len(self.lines)
        self.lines.append(line)
        self.packed += milli.tobytes()

    def line_of(self, day: date) -> int:
        return self.lines[self.places[day]]

    def table(self) -> npt.NDArray[np.int32]:
        """Days x 48 half hours in mWh, in the order of the file."""
        return np.frombuffer(self.packed, dtype=np.int32).reshape(-1, SLOTS_PER_DAY)


class Assembly:
    """Collects days of half hours of many homes and makes traces of them.

    Registers are `general`, `controlled` (both use) and `generation`.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self.source = source
        self.problems: list[Problem] = []
        self._registers: dict[tuple[str, str], _Register] = {}
        self._capacity_w: dict[str, int] = {}

    def report(self, line: int, code: str, message: str, repair: str) -> None:
        self.problems.append(Problem(self.path.name, line, code, message, repair))

    def add_day(self, home: str, register: str, day: date, kwh: Slots, line: int) -> None:
        """Add one day of 48 half hours in kWh (NaN where missing) found at `line`."""
        held = self._registers.setdefault((home, register), _Register())
        if day in held.places:
            first = held.line_of(day)
            self.report(
                line, "duplicated_day", f"{home} {register} {day} again (first on line {first})", "first kept"
            )
            return
        if kwh.min() >= 0 and kwh.max() <= ABSURD_KWH:  # neither where anything is missing
            held.add(day, np.rint(kwh * 1_000_000).astype(np.int32), line)
        else:
            held.add(day, self._checked(home, register, day, kwh, line), line)

    def set_capacity(self, home: str, capacity_w: int) -> None:
        """State the size of a home's PV system; without it generation is taken as it is."""
        self._capacity_w[home] = capacity_w

    def _checked(self, home: str, register: str, day: date, kwh: Slots, line: int) -> npt.NDArray[np.int32]:
        skipped = [slot for slot in skipped_slots(day) if np.isnan(kwh[slot])]
        if skipped:
            self.report(
                line, "daylight_saving", f"{home} {register} {day} lacks the hour left out", "taken as 0"
            )
            kwh[skipped] = 0.0
        for code, wrong in (
            ("missing_half_hour", np.isnan(kwh)),
            ("negative_value", kwh < 0),
            ("absurd_value", kwh > ABSURD_KWH),
        ):
            count = int(wrong.sum())
            if count:
                slot = int(np.argmax(wrong))
                what = {"missing_half_hour": "missing"}.get(code, f"{kwh[slot]:g} kWh")
                place = f"{slot // 2}:{slot % 2 * 30:02d}"
                message = f"{home} {register} {day}: {count} half hours, the first at {place} ({what})"
                self.report(line, code, message, "taken from the nearest day")
                kwh[wrong] = np.nan
        milli = np.where(np.isnan(kwh), _MISSING, np.rint(np.nan_to_num(kwh) * 1_000_000))
        return milli.astype(np.int32)

    def finish(self, pv_w: int, strict: bool) -> TraceSet:
        """Repair what needs it and return the traces.

        Raises:
            TraceError: nothing usable is left, or `strict` and anything at all was found.
        """
        first, last = self._usual_days()
        usage: dict[str, HalfHourly] = {}
        generation: dict[str, HalfHourly] = {}
        for home in list(dict.fromkeys(name for name, _ in self._registers)):
            slots = self._filled(home, "general", first, last)
            if slots is not None:
                controlled = self._filled(home, "controlled", first, last)
                usage[home] = HalfHourly(slots if controlled is None else slots + controlled)
            made = self._filled(home, "generation", first, last)
            if made is not None and made.sum() > 0:
                capacity_w = self._capacity_w.get(home, 0) or pv_w
                generation[home] = HalfHourly(made).scaled(pv_w, capacity_w)
            elif made is not None:
                self.report(
                    0, "no_generation", f"{home}: its PV made nothing", "not used as a generation type"
                )
        if strict and self.problems:
            counts = ", ".join(f"{count} {code}" for code, count in counted(self.problems).items())
            raise TraceError(self.path, 0, f"refused by --strict: {counts}; first: {self.problems[0]}")
        if not usage:
            raise TraceError(self.path, 0, "holds no home with a complete usage trace")
        days = (last - first).days + 1
        return TraceSet(usage, generation, pv_w, self.source, first, days)

    def _usual_days(self) -> tuple[date, date]:
        """First and last day that most registers cover."""
        if not self._registers:
            raise TraceError(self.path, 0, "holds no readings")
        spans = Counter((min(held.places), max(held.places)) for held in self._registers.values())
        return min(spans.items(), key=lambda item: (-item[1], item[0]))[0]

    def _filled(self, home: str, register: str, first: date, last: date) -> npt.NDArray[np.int64] | None:
        held = self._registers.pop((home, register), None)  # its memory is wanted for the trace
        if held is None:
            return None
        if min(held.places) > first or max(held.places) < last:
            line = held.line_of(min(held.places))
            self.report(
                line, "incomplete_home", f"{home} {register} does not cover {first} to {last}", "left out"
            )
            return None
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        places = np.array([held.places.get(day, _MISSING) for day in days])
        rows = held.table()[places]
        for number in np.nonzero(places == _MISSING)[0]:
            self.report(
                0, "missing_day", f"{home} {register} {days[number]} is missing", "taken from the nearest day"
            )
            rows[number] = _MISSING
        return self._fill(rows)

    @staticmethod
    def _fill(table: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """Fill missing half hours (days x 48) from the nearest day that has them, the earlier one on a tie;
        else 0.
        """
        for day, slot in zip(*np.nonzero(table == _MISSING), strict=True):
            column = table[:, slot]
            donors = (column[near] for near in _nearest(int(day), len(column)) if column[near] >= 0)
            table[day, slot] = next(donors, 0)
        return table.reshape(-1).astype(np.int64)


def numbers(texts: Sequence[str]) -> Slots:
    """Numbers of a row, NaN where a field is empty.

    Raises:
        ValueError: a field is no number.
    """
    try:
        return np.array([*map(float, texts)])
    except ValueError:
        return np.array([float(text) if text.strip() else np.nan for text in texts])


def _nearest(day: int, count: int) -> Iterator[int]:
    for distance in range(1, count):
        for near in (day - distance, day + distance):
            if 0 <= near < count:
                yield near
