# SPDX-License-Identifier: Apache-2.0
"""The ordered blocks of one channel in one append-only file.

Each record is the block's length and CRC-32 (two big-endian 32-bit integers) and the serialized block. A block is
on disk (fdatasync) before anybody is given it. A process killed while writing leaves a torn last record: it is cut
off when the file is opened, and as nobody was given that block, nothing is lost. Damage anywhere else is refused.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

RECORD_HEAD = struct.Struct(">II")
CACHED_BLOCKS = 64
UNWRITTEN = bytes(16)  # what a power cut leaves where it came before the bytes: no damage, nobody had them


class StoreDamaged(Exception):
    """A block file holds something other than the blocks that were written; the message says where."""


class BlockStore:
    """Blocks 0..height-1. Not for use by several threads at once, except that `append` may run in one."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Opens the file, or creates it unless `read_only`. Raises StoreDamaged, OSError.

        `repaired_bytes` are those of a last record that is passed over; `last_is_damaged` says that it was whole once.
        """
        self.path = path
        self.repaired_bytes = 0
        self.last_is_damaged = False
        if read_only:
            self._descriptor = os.open(path, os.O_RDONLY)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._offsets: list[tuple[int, int]] = []
        self._cache: OrderedDict[int, Any] = OrderedDict()
        try:
            self._end = self._recover()
        except StoreDamaged:
            os.close(self._descriptor)
            raise

    @property
    def height(self) -> int:
        return len(self._offsets)

    def append(self, block: Any) -> None:
        """Write block number `height` durably. Raises OSError (a full disk), and then the file is as before."""
        if block.header.number != self.height:
            raise ValueError(f"block {block.header.number} cannot follow block {self.height - 1}")
        encoded = block.SerializeToString()
        record = memoryview(RECORD_HEAD.pack(len(encoded), zlib.crc32(encoded)) + encoded)
        try:
            os.ftruncate(self._descriptor, self._end)  # a torn record may be longer than this one
            written = 0
            while written < len(record):
                written += os.pwrite(self._descriptor, record[written:], self._end + written)
            _synchronize(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._offsets.append((self._end + RECORD_HEAD.size, len(encoded)))
        self._end += len(record)
        self.last_is_damaged = False
        self._remember(block)

    def block(self, number: int) -> Any:
        """A `common.Block`, shared with other readers: copy it before changing it. Raises IndexError."""
        cached = self._cache.get(number)
        if cached is not None:
            return cached
        if not 0 <= number < self.height:
            raise IndexError(f"there is no block number {number} in the ledger")
        return self._remember(common_pb2.Block.FromString(self.encoded_block(number)))

    @property
    def end(self) -> int:
        """Where the last good record ends, in bytes from the file's start."""
        return self._end

    def encoded_block(self, number: int) -> bytes:
        offset, length = self._offsets[number]
        return os.pread(self._descriptor, length, offset)

    def close(self) -> None:
        os.close(self._descriptor)

    def _remember(self, block: Any) -> Any:
        self._cache[block.header.number] = block
        if len(self._cache) > CACHED_BLOCKS:
            self._cache.popitem(last=False)
        return block

    def _recover(self) -> int:
        size = os.fstat(self._descriptor).st_size
        offset = 0
        while offset < size:
            head = os.pread(self._descriptor, RECORD_HEAD.size, offset)
            length, checksum = RECORD_HEAD.unpack(head) if len(head) == RECORD_HEAD.size else (size, 0)
            end = offset + RECORD_HEAD.size + length
            encoded = os.pread(self._descriptor, length, offset + RECORD_HEAD.size) if end <= size else b""
            if end > size or zlib.crc32(encoded) != checksum:
                rest = os.pread(self._descriptor, size - offset, offset)[RECORD_HEAD.size :]
                if end < size or (end > size and _is_whole(rest)):
                    raise StoreDamaged(
                        f"{self.path}: the record of block {self.height} at byte {offset} does not match its "
                        "checksum; restore the file, or delete it to let the orderer take the blocks back from the "
                        "peers beside it"
                    )
                self.repaired_bytes = size - offset
                self.last_is_damaged = end == size and UNWRITTEN not in encoded
                break
            self._demand_number(encoded, offset)
            self._offsets.append((offset + RECORD_HEAD.size, length))
            offset = end
        return offset

    def _demand_number(self, encoded: bytes, offset: int) -> None:
        try:
            number = common_pb2.Block.FromString(encoded).header.number
        except DecodeError as error:
            raise StoreDamaged(f"{self.path}: not a block at byte {offset}: {error}") from error
        if number != self.height:
            raise StoreDamaged(f"{self.path}: block {number} at byte {offset} where {self.height} belongs")


def _synchronize(descriptor: int) -> None:
    synchronize = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
    synchronize(descriptor)


def _is_whole(rest: bytes) -> bool:
    """Whether a serialized block's header, data and metadata all lie within `rest`, if it begins with a block."""
    position = 0
    for field in (1, 2, 3):
        if position >= len(rest) or rest[position] != field << 3 | 2:
            return False
        length = shift = 0
        while True:
            position += 1
            if position >= len(rest) or shift > 28:
                return False
            length |= (rest[position] & 0x7F) << shift
            shift += 7
            if rest[position] < 0x80:
                break
        position += 1 + length
    return position <= len(rest)
