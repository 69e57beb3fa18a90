# SPDX-License-Identifier: Apache-2.0
"""What lies in embedded peers' files of private write sets: these are compressed, and a plain search misses it."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Collection, Iterable
from contextlib import closing
from pathlib import Path

WRITE_SETS = "private.sqlite"
PIECE = 24  # bytes: as good as never found by chance


def holds_any(file: Path, needles: Collection[bytes]) -> bool:
    """Whether the file has any of these bytes, as they are or in a write set."""
    contents = [file.read_bytes(), *(zlib.decompress(one) for one in _stored(file))]
    return any(needle in content for content in contents for needle in needles)


def pieces_of(files: Iterable[Path], needles: Collection[bytes]) -> set[bytes]:
    """The compressed bytes that say these needles now: what must be nowhere once they are erased."""
    found = set()
    for file in files:
        for stored in _stored(file):
            content = zlib.decompress(stored)
            for needle in needles:
                if needle in content:
                    begin = _where(stored, content.index(needle))
                    found.add(stored[begin : begin + PIECE])
    return found


def _where(stored: bytes, place: int) -> int:
    """Behind which of the stored bytes the content's byte `place` comes out."""
    unpacking, came = zlib.decompressobj(), 0
    for index in range(len(stored)):
        came += len(unpacking.decompress(stored[index : index + 1]))
        if came > place:
            return index
    raise AssertionError("the content ends before that")


def _stored(file: Path) -> list[bytes]:
    if file.name != WRITE_SETS:
        return []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return [row[0] for row in database.execute("select rwset from private_writes")]
