# SPDX-License-Identifier: Apache-2.0
"""Text of trace files: plain, or packed with zip or gzip; rows with their line numbers; decimal commas."""

import csv
import gzip
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO

import numpy as np
import numpy.typing as npt

from commonwatt_loadgen.traces.checks import TraceError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LONGEST_LINE = 100_000  # a day of one-minute readings is shorter
_UNPACKED_AT_LEAST = 20_000_000
_UNPACKED_PER_PACKED = 100  # metered homes pack to a tenth; hardly anything but a bomb grows a hundredfold
_UNREADABLE = (EOFError, OSError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError)


class TooLarge(Exception):
    """A packed file holds more than it may."""


class _Bounded(RawIOBase):
    """A stream of bytes that refuses to give more than it may."""

    def __init__(self, stream: IO[bytes], bound: int) -> None:
        self._stream = stream
        self._left = bound

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        data = self._stream.read(min(len(view), self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge
        view[: len(data)] = data
        return len(data)


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The content of a file, unpacked where it is packed, whatever its name says.

    Raises:
        TraceError: it cannot be read, holds more or fewer files than one, or grows beyond its bound.
    """
    bound = _UNPACKED_AT_LEAST
    try:
        bound = max(bound, path.stat().st_size * _UNPACKED_PER_PACKED)
        with path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            if magic.startswith(b"\x1f\x8b"):
                with gzip.open(file) as unpacked:
                    yield BufferedReader(_Bounded(unpacked, bound))  # type: ignore[arg-type]
            elif magic == b"PK\x03\x04":
                with zipfile.ZipFile(file) as archive, archive.open(_only_file(path, archive)) as unpacked:
                    yield BufferedReader(_Bounded(unpacked, bound))
            else:
                yield file
    except FileNotFoundError as error:
        raise TraceError(path, 0, "no such file") from error
    except TooLarge as error:
        raise TraceError(path, 0, f"unpacks to more than {bound // 10**6} MB: refused") from error
    except _UNREADABLE as error:
        raise TraceError(path, 0, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _only_file(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    files = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    if len(files) != 1:
        raise TraceError(path, 0, f"holds {len(files)} files; an archive of one is wanted: unpack it")
    return files[0]


def read_opening(path: Path, file: IO[bytes]) -> list[str]:
    """The first lines of a file, among which its header stands; the file is then read up to there.

    Raises:
        TraceError: the file is empty, its lines have no end, or it is not UTF-8 text.
    """
    data = file.read(LONGEST_LINE)
    whole = data.splitlines()  # at any line ends
    if len(data) == LONGEST_LINE:
        whole.pop()
        if not whole:
            raise TraceError(path, 1, f"a line of more than {LONGEST_LINE:,} bytes: not a table")
    lines: list[str] = []
    for number, line in enumerate(whole[:20], 1):
        try:
            lines.append(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise TraceError(path, number, f"is not UTF-8 text: {error.reason}") from error
    if not any(map(str.strip, lines)):
        raise TraceError(path, 1, "the file is empty")
    return lines


def rows(path: Path, delimiter: str) -> Generator[tuple[int, list[str]]]:
    """Every row of a CSV file with the number of its (last) line.

    Raises:
        TraceError: the file cannot be read, or holds something that is not UTF-8 text in CSV.
    """
    with open_bytes(path) as file:
        text: TextIO = TextIOWrapper(file, encoding="utf-8-sig", newline="")
        reader = csv.reader(text, delimiter=delimiter)
        try:
            for fields in reader:
                yield reader.line_num, fields
        except UnicodeDecodeError as error:
            raise TraceError(path, _first_undecodable(path), f"is not UTF-8 text: {error.reason}") from error
        except csv.Error as error:
            raise TraceError(path, reader.line_num + 1, f"is not CSV: {error}") from error


def up_to_header(
    path: Path, numbered: Iterator[tuple[int, list[str]]], is_header: Callable[[list[str]], bool]
) -> tuple[int, list[str]]:
    """The header and its line, with every row up to it taken.

    Raises:
        TraceError: the line that looks like one is part of a quoted text.
    """
    for line, fields in numbered:
        if is_header(fields):
            return line, fields
    raise TraceError(path, 1, "its header stands within quotation marks that never end")


def _first_undecodable(path: Path) -> int:
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 0


class Decimals:
    """How a file writes numbers: with a decimal point, or, where semicolons part its columns, with a comma.

    Which of both is told by the first number that has one; later ones must agree, lest 1.234 be taken for 1,234.
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
