# SPDX-License-Identifier: Apache-2.0
"""From rows of metered half hours to a checked set of traces; every repair is made, and listed, here.

Repairs: a missing, negative or absurd half hour takes that of the nearest other day of the same register, or 0 in the
hour that daylight saving leaves out. A missing day takes the nearest day's values. Of a day
that comes twice one row counts. A home that does not cover the days that serve most homes, or whose PV made nothing,
is left out.
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
from commonwatt_community.hems.energy import MINUTES_PER_DAY, SLOT_MINUTES, SLOTS_PER_DAY

from commonwatt_loadgen.traces.checks import Problem, TraceError, counted
from commonwatt_loadgen.traces.sources import HalfHourly, TraceSet

_LINES_PER_FILE = 1 << 40
ABSURD_KWH = 50.0  # in half an hour: 100 kW, far above any household connection
_MISSING = -1
_QUARTER_MIN = 15  # changes begin and end at quarters of an hour
_SPANS_TRIED = 1_000  # the most common ones; only as many different ones would need more

Slots = npt.NDArray[np.float64]


@lru_cache(maxsize=65536)
def skipped_slots(day: date, zone: ZoneInfo) -> tuple[int, ...]:
    """The half hours of a local day that daylight saving leaves out, if it begins that day."""
    return tuple(slot for slot, gained in _changes(day, zone) if gained > 0)


@lru_cache(maxsize=65536)
def repeated_slots(day: date, zone: ZoneInfo) -> tuple[int, ...]:
    """The half hours of a local day that come twice, if daylight saving ends that day."""
    return tuple(slot for slot, gained in _changes(day, zone) if gained < 0)


@lru_cache(maxsize=65536)
def odd_slots(day: date, zone: ZoneInfo) -> dict[int, int]:
    """The half hours of a local day that do not last 30 minutes, with the minutes that they last."""
    lasting: dict[int, int] = {}
    for quarter, gained in _changes(day, zone, _QUARTER_MIN):
        slot = quarter * _QUARTER_MIN // SLOT_MINUTES
        change = -_QUARTER_MIN if gained > 0 else _QUARTER_MIN
        lasting[slot] = lasting.get(slot, SLOT_MINUTES) + change
    return lasting


def comes_twice(at: datetime, zone: ZoneInfo) -> bool:
    """Whether a local time is one that comes twice, as daylight saving ends."""
    first, second = (at.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return first is not None and second is not None and first > second


def _changes(day: date, zone: ZoneInfo, step_min: int = SLOT_MINUTES) -> list[tuple[int, int]]:
    """Steps of a day whose offset is not one, with the minutes that the clock gains there."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    offsets = {
        (midnight + timedelta(minutes=at)).utcoffset() for at in (0, MINUTES_PER_DAY // 2, MINUTES_PER_DAY)
    }
    if len(offsets) == 1:
        return []
    changes = []
    for step in range(MINUTES_PER_DAY // step_min):
        at = midnight + timedelta(minutes=step * step_min)
        first, second = at.utcoffset(), at.replace(fold=1).utcoffset()
        if first is not None and second is not None and first != second:
            changes.append((step, (second - first) // timedelta(minutes=1)))
    return changes


@dataclass
class Register:
    """One stream of metered energy of one home: its days packed one after the other, as they came.

    A file may hold millions of days, so a day takes little more than its 48 half hours of four bytes.
    """

    home: str
    name: str
    is_generation: bool
    places: dict[date, int] = field(default_factory=dict)
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    updates: "array[int]" = field(default_factory=lambda: array("q"))
    packed: bytearray = field(default_factory=bytearray)

    def __str__(self) -> str:
        return f"{self.home} {self.name}"

    def add(self, day: date, milli: npt.NDArray[np.int32], line: int, updated: int) -> None:
        self.places[day] = len(self.lines)
        self.lines.append(line)
        self.updates.append(updated)
        self.packed += milli.tobytes()

    def add_all(
        self, days: Sequence[date], milli: npt.NDArray[np.int32], lines: npt.NDArray[np.int64]
    ) -> None:
        """Add days that it does not have, each found at its own line."""
        first = len(self.lines)
        self.places.update(zip(days, range(first, first + len(days)), strict=True))
        self.lines.extend(lines.tolist())
        self.updates.extend([0] * len(days))
        self.packed += milli.tobytes()

    @property
    def first(self) -> date:
        return min(self.places)

    @property
    def last(self) -> date:
        return max(self.places)

    def covers(self, first: date, last: date) -> bool:
        """Whether it reaches from one day to the other and has readings on at least half of the days between."""
        days = sum(first <= day <= last for day in self.places)
        return bool(days) and self.first <= first and last <= self.last and days * 2 > (last - first).days

    def line_of(self, day: date) -> int:
        return self.lines[self.places[day]]

    def table(self) -> npt.NDArray[np.int32]:
        """Days x 48 half hours in mWh, in the order of the file."""
        return np.frombuffer(self.packed, dtype=np.int32).reshape(-1, SLOTS_PER_DAY)


class Assembly:
    """Collects days of half hours of many homes and makes traces of them; a home's use is the sum of its
    registers of use, its generation likewise. Days are those of a time zone.

    A line is a number by which all files together are counted: `begin_file` says at which a file begins.
    """

    def __init__(self, path: Path, source: str, zone: ZoneInfo) -> None:
        self.path = path
        self.source = source
        self.zone = zone
        self.problems: list[Problem] = []
        self.lengths_min: Counter[int] = Counter()
        self._files: list[str] = []
        self._registers: dict[str, dict[str, Register]] = {}
        self._capacity_w: dict[str, int] = {}

    def begin_file(self, label: str) -> int:
        """Take another file; its first line is the one after the number returned."""
        self._files.append(label)
        return (len(self._files) - 1) * _LINES_PER_FILE

    def report(self, line: int, code: str, message: str, repair: str) -> None:
        file, own_line = self._place(line)
        name = Path(file).name if own_line else self.path.name
        self.problems.append(Problem(name, own_line, code, message, repair))

    def error(self, line: int, message: str) -> TraceError:
        """Why a file cannot be used, with its name and its own line."""
        return TraceError(*self._place(line), message)

    def told(self, line: int, beside: int) -> str:
        """A line in words, with its file where another line stands in another one."""
        file, own_line = self._place(line)
        return f"line {own_line}" + (f" of {Path(file).name}" if file != self._place(beside)[0] else "")

    def _place(self, line: int) -> tuple[str, int]:
        file, own_line = divmod(line, _LINES_PER_FILE)
        return (self._files[file] if own_line else str(self.path)), own_line

    def registers(self) -> Iterator[Register]:
        """All registers that hold a day."""
        for of_home in self._registers.values():
            yield from (register for register in of_home.values() if register.places)

    def register(self, home: str, name: str, *, is_generation: bool = False) -> Register:
        """A home's register of that name, a new one if there is none."""
        registers = self._registers.setdefault(home, {})
        if name not in registers:
            registers[name] = Register(home, name, is_generation)
        return registers[name]

    def add_day(
        self,
        register: Register,
        day: date,
        kwh: Slots,
        line: int,
        *,
        updated: int = 0,
        slot_lines: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Add one day of 48 half hours in kWh (NaN where missing) found at `line`, or each at its own of `slot_lines`.

        Where a day comes again, the row that was `updated` later counts, else the first.
        """
        place = register.places.get(day)
        if place is not None:
            later = updated > register.updates[place]
            repair = "the later update counts" if later else "first kept"
            message = f"{register} {day} again (first on {self.told(register.lines[place], line)})"
            self.report(line, "duplicated_day", message, repair)
            if not later:
                return
        if kwh.min() >= 0 and kwh.max() <= ABSURD_KWH:  # neither where anything is missing
            milli = np.rint(kwh * 1_000_000).astype(np.int32)
        else:
            lines = np.full(SLOTS_PER_DAY, line) if slot_lines is None else slot_lines
            milli = self._checked(register, day, kwh, lines.tolist())
        register.add(day, milli, line, updated)

    def add_days(
        self, register: Register, days: Sequence[date], kwh: Slots, slot_lines: npt.NDArray[np.int64]
    ) -> None:
        """Add days x 48 half hours in kWh, each found at its line; one at line 0 is told at its day's first.

        As `add_day` has it for each of them; those that are whole and plausible go together.
        """
        lines = np.where(slot_lines > 0, slot_lines, np.iinfo(np.int64).max).min(axis=1)
        slot_lines = np.where(slot_lines > 0, slot_lines, lines[:, None])
        plain = (kwh.min(axis=1) >= 0) & (kwh.max(axis=1) <= ABSURD_KWH)  # neither where anything is missing
        if not register.places.keys().isdisjoint(days):
            plain[:] = False
        milli = np.rint(np.where(plain[:, None], kwh, 0.0) * 1_000_000).astype(np.int32)
        begin = 0
        for place in [*np.flatnonzero(~plain).tolist(), len(days)]:
            register.add_all(days[begin:place], milli[begin:place], lines[begin:place])
            if place < len(days):
                own = slot_lines[place]
                self.add_day(register, days[place], kwh[place], int(lines[place]), slot_lines=own)
            begin = place + 1

    def set_capacity(self, home: str, capacity_w: int) -> None:
        """State the size of a home's PV system; without it generation is taken as it is."""
        self._capacity_w[home] = capacity_w

    def _checked(
        self, register: Register, day: date, kwh: Slots, lines: Sequence[int]
    ) -> npt.NDArray[np.int32]:
        skipped = [slot for slot in skipped_slots(day, self.zone) if np.isnan(kwh[slot])]
        if skipped:
            message = f"{register} {day} lacks the hour left out"
            self.report(lines[skipped[0]], "daylight_saving", message, "taken as 0")
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
                message = f"{register} {day}: {count} half hours, the first at {place} ({what})"
                self.report(lines[slot], code, message, "taken from the nearest day")
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
        for home in list(self._registers):
            registers = self._registers.pop(home).values()  # their memory is wanted for the traces
            used = self._summed([one for one in registers if not one.is_generation], first, last)
            if used is not None:
                usage[home] = HalfHourly(used)
            generating = [one for one in registers if one.is_generation]
            made = self._summed(generating, first, last)
            if made is not None and made.sum() > 0:
                capacity_w = self._capacity_w.get(home, 0) or pv_w
                generation[home] = HalfHourly(made).scaled(pv_w, capacity_w)
            elif made is not None:
                line = generating[0].line_of(generating[0].first)
                message = f"{home}: its PV made nothing"
                self.report(line, "no_generation", message, "not used as a generation type")
        if strict and self.problems:
            counts = ", ".join(f"{count} {code}" for code, count in counted(self.problems).items())
            raise TraceError(self.path, 0, f"refused by --strict: {counts}; first: {self.problems[0]}")
        if not usage:
            short = next((one for one in self.problems if one.code == "incomplete_home"), None)
            why = f": {short.message}" if short else ""
            raise TraceError(
                self._path_of(short),
                short.line if short else 0,
                f"holds no home with a complete usage trace{why}",
            )
        days = (last - first).days + 1
        return TraceSet(usage, generation, pv_w, self.source, first, days)

    def _path_of(self, problem: Problem | None) -> str:
        """The file that a problem was found in, by its whole name."""
        named = [label for label in self._files if problem and Path(label).name == problem.file]
        return named[0] if named else str(self.path)

    def _usual_days(self) -> tuple[date, date]:
        """First and last day of the home whose days serve most: those of all homes that cover them, summed."""
        homes = [
            [one for one in registers.values() if one.places and not one.is_generation]
            for registers in self._registers.values()
        ]
        homes = [registers for registers in homes if registers]
        if not homes:
            raise TraceError(self.path, 0, "holds no readings of use")
        spans = Counter((min(r.first for r in used), max(r.last for r in used)) for used in homes)
        covered = np.array(
            [
                (max(r.first for r in used).toordinal(), min(r.last for r in used).toordinal())
                for used in homes
            ]
        )
        held = np.array([min(len(r.places) for r in used) for used in homes])

        def served(span: tuple[date, date]) -> tuple[int, int, int]:
            first, last = span[0].toordinal(), span[1].toordinal()
            covers = (covered[:, 0] <= first) & (covered[:, 1] >= last)
            length = last - first + 1
            return int(np.minimum(held[covers], length).sum()), length, -first

        return max((span for span, _ in spans.most_common(_SPANS_TRIED)), key=served)

    def _summed(self, registers: Sequence[Register], first: date, last: date) -> npt.NDArray[np.int64] | None:
        """Half hours of registers together; None if there are none, or one of them does not cover the days."""
        short = [register for register in registers if not register.covers(first, last)]
        for register in short:
            message = f"{register} has {len(register.places)} days and does not cover {first} to {last}"
            line = register.line_of(register.first) if register.places else 0
            self.report(line, "incomplete_home", message, "its home's use or generation is left out")
        if short or not registers:
            return None
        total = self._filled(registers[0], first, last)
        for register in registers[1:]:
            total += self._filled(register, first, last)
        return total

    def _filled(self, register: Register, first: date, last: date) -> npt.NDArray[np.int64]:
        beyond = [day for day in register.places if not first <= day <= last]
        if beyond:
            message = f"{register}: {len(beyond)} days outside {first} to {last}"
            self.report(register.line_of(min(beyond)), "days_outside", message, "not used")
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        places = np.array([register.places.get(day, _MISSING) for day in days])
        rows = register.table()[places]
        for number in np.nonzero(places == _MISSING)[0]:
            message = f"{register} {days[number]} is missing"
            self.report(0, "missing_day", message, "taken from the nearest day")
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


def _nearest(day: int, count: int) -> Iterator[int]:
    for distance in range(1, count):
        for near in (day - distance, day + distance):
            if 0 <= near < count:
                yield near
