# SPDX-License-Identifier: Apache-2.0
"""Rows of home, time and energy as files hold them, kept in few bytes until all are read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from commonwatt_loadgen.traces.assemble import Assembly
from commonwatt_loadgen.traces.instants import Instants, TimeError, distinct_of
from commonwatt_loadgen.traces.quantities import LARGEST, MISSING, Quantity

Floats = npt.NDArray[np.float64]
Values = Sequence[tuple[Quantity, Floats]]  # in the quantity's unit; several of one quantity are added


@dataclass(frozen=True)
class Piece:
    """Rows that were read together: the place of the first among all, and the line of it and of those after it.

    Where a line has several homes, their rows follow one another, each home's as long as there are lines.
    """

    first_row: int
    first_line: int
    lines: int


@dataclass(frozen=True)
class Table:
    """All rows: the home's place in `homes` (-1 for a row that does not count), minutes since 1970, and values by
    quantity. These are in mWh, or in mW for those in `powers` (MISSING where there is none).
    """

    homes: list[str]
    codes: npt.NDArray[np.int32]
    minutes: npt.NDArray[np.int32]
    milli: dict[str, npt.NDArray[np.int32]]
    powers: frozenset[str]
    pieces: list[Piece]
    in_utc: bool
    is_end: bool

    def lines_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The line of each row."""
        firsts = np.array([piece.first_row for piece in self.pieces])
        places = np.searchsorted(firsts, rows, side="right") - 1
        within = rows - firsts[places]
        first_lines = np.array([piece.first_line for piece in self.pieces])
        counts = np.array([max(1, piece.lines) for piece in self.pieces])
        lines: npt.NDArray[np.int64] = first_lines[places] + within % counts[places]
        return lines


class MeterRows:
    """Collects rows of all files of one path; their times all have an offset, or none has."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self.is_end = False
        self._homes: dict[str, int] = {}
        self._in_utc: bool | None = None
        self._powers: dict[str, bool] = {}
        self._rows = 0
        self._pieces: list[Piece] = []
        self._codes: list[npt.NDArray[np.int32]] = []
        self._minutes: list[npt.NDArray[np.int32]] = []
        self._milli: dict[str, list[npt.NDArray[np.int32]]] = {}

    def add(
        self,
        first_line: int,
        homes: Sequence[str] | str,
        times: Sequence[str],
        values: Values,
        instants: Instants,
    ) -> None:
        """Take rows of texts, one a line from `first_line` on; a blank one keeps its place, so that places tell lines.

        Raises:
            TraceError: a home or a time is missing or malformed.
        """
        codes = self._codes_of(homes, len(times))
        minutes, broken = self._minutes_of(first_line, times, codes < 0, _empty(values, len(times)), instants)
        codes[broken] = -1  # neither a time nor a value
        self.keep(Piece(self._rows, first_line, len(times)), codes, minutes, values)

    def add_wide(
        self, first_line: int, by_home: Mapping[str, Values], times: Sequence[str], instants: Instants
    ) -> None:
        """Take rows that hold values of many homes each.

        Raises:
            TraceError: a time is missing or malformed.
        """
        count = len(times)
        everything = [one for values in by_home.values() for one in values]
        blank = np.array([not time.strip() for time in times]) & _empty(everything, count)
        minutes, broken = self._minutes_of(first_line, times, blank, _empty(everything, count), instants)
        codes = np.repeat(np.array([self.code(home) for home in by_home], dtype=np.int32), count)
        codes[np.tile(broken | blank, len(by_home))] = -1
        nothing = np.full(count, np.nan)
        most = Counter[Quantity]()
        for values in by_home.values():
            most |= Counter(quantity for quantity, _ in values)
        columns: list[tuple[Quantity, Floats]] = []
        for quantity, times_given in most.items():
            for number in range(times_given):
                own = ([column for one, column in values if one == quantity] for values in by_home.values())
                stacked = [given[number] if number < len(given) else nothing for given in own]
                columns.append((quantity, np.concatenate(stacked)))
        self.keep(Piece(self._rows, first_line, count), codes, np.tile(minutes, len(by_home)), columns)

    def _minutes_of(
        self,
        first_line: int,
        times: Sequence[str],
        blank: npt.NDArray[np.bool_],
        empty: npt.NDArray[np.bool_],
        instants: Instants,
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """Times in minutes, and which rows have neither a time of whole minutes nor any value."""
        try:
            minutes, in_utc, broken = instants.minutes(times, blank)
        except TimeError as error:
            raise self.assembly.error(first_line + error.row, str(error)) from error
        stray = broken & ~empty
        if stray.any():
            row = int(stray.argmax())
            message = f"home or time is missing or malformed: {times[row]!r} ({instants.wanted})"
            raise self.assembly.error(first_line + row, message)
        if blank.any():
            stray = blank & (~empty | np.array([bool(time.strip()) for time in times]))
            if stray.any():
                raise self.assembly.error(first_line + int(stray.argmax()), "home is missing")
        self._agree(in_utc, times, broken | blank, first_line)
        return minutes, broken

    def code(self, home: str) -> int:
        """A home's place among all homes."""
        return self._homes.setdefault(home, len(self._homes))

    def keep(
        self,
        piece: Piece,
        codes: npt.NDArray[np.int32],
        minutes: npt.NDArray[np.int32],
        values: Values,
    ) -> None:
        """Keep rows whose homes and times are known."""
        for quantity, _ in values:
            before = self._powers.setdefault(quantity.name, quantity.is_power)
            if before != quantity.is_power:
                message = f"{quantity.name} is a power here and an energy before"
                raise self.assembly.error(piece.first_line, message)
        for name in self._powers:
            if name not in self._milli:
                self._milli[name] = [np.full(self._rows, MISSING, dtype=np.int32)]
            columns = [column * one.milli_per_unit for one, column in values if one.name == name]
            self._milli[name].append(_whole(columns, len(codes)))
        self._pieces.append(piece)
        self._codes.append(codes)
        self._minutes.append(minutes)
        self._rows += len(codes)

    def keep_in_utc(
        self, piece: Piece, codes: npt.NDArray[np.int32], minutes: npt.NDArray[np.int64], values: Values
    ) -> None:
        """Keep rows whose homes are known, and their times in UTC."""
        self._in_utc = True
        self.keep(piece, codes, minutes.astype(np.int32), values)

    def add_instants(
        self, first_line: int, home: str, minutes: npt.NDArray[np.int64], values: Values
    ) -> None:
        """Take rows of one home whose times are known in UTC; all are told at `first_line`."""
        codes = np.full(len(minutes), self.code(home), dtype=np.int32)
        self.keep_in_utc(Piece(self._rows, first_line, 1), codes, minutes, values)

    @property
    def rows(self) -> int:
        """How many there are."""
        return self._rows

    def table(self) -> Table:
        """All rows; the pieces are given up, as together they take the same memory again."""

        def joined(pieces: list[Any]) -> Any:
            whole = np.concatenate(pieces)
            pieces.clear()
            return whole

        return Table(
            homes=list(self._homes),
            codes=joined(self._codes),
            minutes=joined(self._minutes),
            milli={name: joined(pieces) for name, pieces in self._milli.items()},
            powers=frozenset(name for name, is_power in self._powers.items() if is_power),
            pieces=self._pieces,
            in_utc=bool(self._in_utc),
            is_end=self.is_end,
        )

    def _codes_of(self, homes: Sequence[str] | str, count: int) -> npt.NDArray[np.int32]:
        if isinstance(homes, str):
            return np.full(count, self.code(homes), dtype=np.int32)
        places, names = distinct_of(homes)
        known = [self.code(name) if name else -1 for name in map(str.strip, names)]
        return np.array(known, dtype=np.int32)[places]

    def _agree(
        self,
        in_utc: npt.NDArray[np.bool_],
        times: Sequence[str],
        aside: npt.NDArray[np.bool_],
        first_line: int,
    ) -> None:
        """Refuse times with an offset among times without."""
        counting = ~aside
        if self._in_utc is None and counting.any():
            self._in_utc = bool(in_utc[counting][0])
        different = (in_utc != self._in_utc) & counting
        if different.any():
            at = int(different.argmax())
            which = "no offset, unlike" if self._in_utc else "an offset, unlike"
            raise self.assembly.error(first_line + at, f"time {times[at]!r} has {which} those before it")


def _empty(values: Values, count: int) -> npt.NDArray[np.bool_]:
    """Which rows have no value at all."""
    empty = np.ones(count, dtype=bool)
    for _, column in values:
        empty &= np.isnan(column)
    return empty


def _whole(columns: Sequence[Floats], count: int) -> npt.NDArray[np.int32]:
    """Columns together as whole numbers; what one of them lacks, the others may have."""
    if not columns:
        return np.full(count, MISSING, dtype=np.int32)
    total = columns[0]
    for column in columns[1:]:
        total = np.where(np.isnan(total), column, total + np.nan_to_num(column))
    whole = np.rint(np.clip(np.nan_to_num(total, posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST))
    return np.where(np.isnan(total), MISSING, whole).astype(np.int32)
