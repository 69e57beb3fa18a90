# SPDX-License-Identifier: Apache-2.0
"""Text of trace files: lines that end, rows with their line numbers, decimal commas."""

import csv
from collections.abc import Callable, Generator, Iterator, Sequence
from io import BufferedReader, RawIOBase, TextIOWrapper
from typing import IO, TYPE_CHECKING, TextIO

import numpy as np
import numpy.typing as npt

from commonwatt_loadgen.traces.checks import TraceError
from commonwatt_loadgen.traces.packed import Part

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LONGEST_LINE = 1_000_000  # a row of ten thousand homes is shorter
_HEAD_LINES = 20


class _Lines(RawIOBase):
    """A stream of bytes that refuses to give a line without end."""

    def __init__(self, stream: IO[bytes], label: str) -> None:
        self._stream = stream
        self._label = label
        self._line = 1
        self._length = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        data = self._stream.read(len(view))
        mark = b"\n" if b"\n" in data else b"\r"
        last = data.rfind(mark)
        self._length = len(data) - 1 - last if last >= 0 else self._length + len(data)
        self._line += data.count(mark)
        if self._length > LONGEST_LINE:
            raise TraceError(self._label, self._line, _endless())
        view[: len(data)] = data
        return len(data)


def _endless() -> str:
    return f"a line of more than {LONGEST_LINE:,} bytes: not a table"


def read_opening(part: Part) -> list[str]:
    """The first lines of a file, among which its header stands.

    Raises:
        TraceError: the file is empty, its lines have no end, or it is not UTF-8 text.
    """
    with part.open() as file:
        data = file.read(LONGEST_LINE)
    whole = data.splitlines()  # at any line ends
    if len(data) == LONGEST_LINE:
        whole.pop()
        if not whole:
            raise TraceError(str(part), 1, _endless())
    lines: list[str] = []
    for number, line in enumerate(whole[:_HEAD_LINES], 1):
        try:
            lines.append(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise TraceError(str(part), number, f"is not UTF-8 text: {error.reason}") from error
    if not any(map(str.strip, lines)):
        raise TraceError(str(part), 1, "the file is empty")
    return lines


def bounded_lines(part: Part, file: IO[bytes]) -> RawIOBase:
    """A file's bytes, whose lines are bounded."""
    return _Lines(file, str(part))


def rows(part: Part, delimiter: str, base: int) -> Generator[tuple[int, list[str]]]:
    """Every row of a CSV file with the number of its (last) line, counted from `base`.

    Raises:
        TraceError: the file cannot be read, or holds something that is not UTF-8 text in CSV.
    """
    with part.open() as file:
        text: TextIO = TextIOWrapper(
            BufferedReader(bounded_lines(part, file)), encoding="utf-8-sig", newline=""
        )
        reader = csv.reader(text, delimiter=delimiter)
        try:
            for fields in reader:
                yield base + reader.line_num, fields
        except UnicodeDecodeError as error:
            line = _first_undecodable(part)
            raise TraceError(str(part), line, f"is not UTF-8 text: {error.reason}") from error
        except csv.Error as error:
            raise TraceError(str(part), reader.line_num + 1, f"is not CSV: {error}") from error


def up_to_header(
    part: Part, numbered: Iterator[tuple[int, list[str]]], is_header: Callable[[list[str]], bool]
) -> tuple[int, list[str]]:
    """The header and its line, with every row up to it taken.

    Raises:
        TraceError: the line that looks like one is part of a quoted text.
    """
    for line, fields in numbered:
        if is_header(fields):
            return line, fields
    raise TraceError(str(part), 1, "its header stands within quotation marks that never end")


def _first_undecodable(part: Part) -> int:
    with part.open() as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 0


class Decimals:
    """How a file writes numbers: with a decimal point, or, where semicolons part its columns, with a comma.

    Which of both is told by the first number that has one; later ones must agree, so that 1.234 is never taken for
    1,234.
    """

    def __init__(self, delimiter: str) -> None:
        self._may_be_comma = delimiter != ","
        self._mark = "" if self._may_be_comma else "."

    def plain(self, texts: Sequence[str]) -> Sequence[str]:
        """Texts of numbers with a decimal point.

        Raises:
            ValueError: a number has another decimal mark than those before it.
        """
        if not self._may_be_comma:
            return texts
        together = ";".join(texts)
        for mark, other in ((",", "."), (".", ",")):
            if mark in together and not self._mark:
                self._mark = mark
            if mark in together and self._mark == other:
                found = next(text for text in texts if mark in text)
                raise ValueError(f"{found!r}, while others have a decimal {other!r}")
        return together.replace(",", ".").split(";") if texts else texts

    def numbers(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Numbers of a row or column, NaN where a field is empty.

        Raises:
            ValueError: a field is no number.
        """
        texts = self.plain(texts)
        try:
            return np.array([*map(float, texts)])
        except ValueError:
            return np.array([float(text) if text.strip() else np.nan for text in texts])
