# SPDX-License-Identifier: Apache-2.0
"""The files that a path holds: itself, the files of a folder or of a zip archive; each is unpacked where it is packed.

Packed files are bounded before they are read: they may grow a hundredfold, or to 20 MB.
"""

import gzip
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, TYPE_CHECKING

from commonwatt_loadgen.traces.checks import TraceError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_FILES = 20_000
_UNPACKED_AT_LEAST = 20_000_000
_UNPACKED_PER_PACKED = 100  # metered homes pack to a tenth; hardly anything but a bomb grows a hundredfold
_UNREADABLE = (EOFError, OSError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError)
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
_OF_NO_INTEREST = ("__MACOSX", ".")  # beginnings of names that archivers and file managers leave


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


@dataclass(frozen=True)
class Part:
    """One file of trace data: on disk, or by its names within archives."""

    path: Path
    members: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's own name, without folders and `.gz`."""
        name = Path(self.members[-1]).name if self.members else self.path.name
        return name[:-3] if name.lower().endswith(".gz") else name

    def __str__(self) -> str:
        return ":".join([str(self.path), *self.members])

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The content, unpacked.

        Raises:
            TraceError: it cannot be read, or grows beyond its bound.
        """
        try:
            with ExitStack() as stack:
                yield self._unpacked(stack)
        except FileNotFoundError as error:
            raise TraceError(self.path, 0, "no such file") from error
        except TooLarge as error:
            most = _bound(self.path) // 10**6
            raise TraceError(str(self), 0, f"unpacks to more than {most} MB: refused") from error
        except _UNREADABLE as error:
            why = getattr(error, "strerror", None) or error
            raise TraceError(str(self), 0, f"cannot be read: {why}") from error

    def _unpacked(self, stack: ExitStack) -> IO[bytes]:
        stream: IO[bytes] = stack.enter_context(self.path.open("rb"))
        bound = _bound(self.path)
        for name in self.members:
            archive = stack.enter_context(zipfile.ZipFile(_seekable(stack, stream, bound)))
            member = stack.enter_context(archive.open(name))
            stream = BufferedReader(_Bounded(member, bound))
        if _magic(stream).startswith(_GZIP):
            unpacked = stack.enter_context(gzip.GzipFile(fileobj=stream))
            return BufferedReader(_Bounded(unpacked, bound))  # type: ignore[arg-type]
        return stream


def parts_of(path: Path) -> list[Part]:
    """Every file of a path, in the order of their names.

    Raises:
        TraceError: there is no such path, an archive cannot be read, or it holds too much.
    """
    if path.is_dir():
        files = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file() and not any(_left_over(name) for name in file.relative_to(path).parts)
        ]
    else:
        files = [path]
    parts = [part for file in files for part in _within(Part(file))]
    if len(parts) > MOST_FILES:
        raise TraceError(path, 0, f"holds more than {MOST_FILES:,} files: split it")
    if not parts:
        raise TraceError(path, 0, "holds no files")
    return parts


def _within(part: Part) -> Iterator[Part]:
    """The part itself, or what it holds where it is a zip archive: archives within one, and no deeper."""
    with part.open() as stream:
        if _magic(stream) != _ZIP:
            yield part
            return
        with ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(_seekable(stack, stream, _bound(part.path))))
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    names = [entry.filename for entry in entries if not any(map(_left_over, Path(entry.filename).parts))]
    if sum(entry.file_size for entry in entries) > _bound(part.path):
        raise TraceError(str(part), 0, f"unpacks to more than {_bound(part.path) // 10**6} MB: refused")
    if len(names) > MOST_FILES:
        raise TraceError(str(part), 0, f"holds more than {MOST_FILES:,} files: split it")
    for name in sorted(names):
        inner = Part(part.path, (*part.members, name))
        if name.lower().endswith(".zip") and len(inner.members) == 1:
            yield from _within(inner)
        else:
            yield inner


def _seekable(stack: ExitStack, stream: IO[bytes], bound: int) -> IO[bytes]:
    """A stream to go back and forth in, as reading an archive does: an archive within one is copied first."""
    if stream.seekable():
        stream.seek(0)
        return stream
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    size = 0
    while piece := stream.read(1 << 20):
        size += len(piece)
        if size > bound:
            raise TooLarge
        copy.write(piece)
    copy.seek(0)
    return copy


def _magic(stream: IO[bytes]) -> bytes:
    return stream.peek(4)[:4]  # type: ignore[attr-defined, no-any-return]


def _bound(path: Path) -> int:
    return max(_UNPACKED_AT_LEAST, path.stat().st_size * _UNPACKED_PER_PACKED)


def _left_over(name: str) -> bool:
    return name.startswith(_OF_NO_INTEREST) and name != ".."
