# SPDX-License-Identifier: Apache-2.0
"""What a range query read, for the phantom check: the reads themselves, or a Merkle summary of many.

Up to 50 reads are listed. From 51 on they are hashed in groups of 51; groups of 51 hashes are hashed again, and
so on, until one level holds at most 50 hashes (Fabric's `RangeQueryResultsHelper`).
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

MAX_DEGREE = 50


class RangeReads:
    """The reads of one range query in the order of its results."""

    def __init__(self, max_degree: int = MAX_DEGREE) -> None:
        self._max_degree = max_degree
        self._pending: list[Any] = []
        self._levels: dict[int, list[bytes]] = {}
        self._max_level = 1

    def add(self, read: Any) -> None:
        """Take the next result's KVRead."""
        self._pending.append(read)
        if len(self._pending) > self._max_degree:
            self._hash_pending()

    def _hash_pending(self) -> None:
        digest = sha256(kv.QueryReads(kv_reads=self._pending).SerializeToString()).digest()
        self._pending = []
        level = 1
        self._levels.setdefault(level, []).append(digest)
        while len(hashes := self._levels[level]) > self._max_degree:
            del self._levels[level]
            level += 1
            self._levels.setdefault(level, []).append(sha256(b"".join(hashes)).digest())
            self._max_level = max(self._max_level, level)

    def _complete(self) -> None:
        level = 1
        while level < self._max_level:
            hashes = self._levels.pop(level, [])
            level += 1
            if hashes:
                combined = hashes[0] if len(hashes) == 1 else sha256(b"".join(hashes)).digest()
                self._levels.setdefault(level, []).append(combined)
        if len(top := self._levels[self._max_level]) > self._max_degree:
            del self._levels[self._max_level]
            self._max_level += 1
            self._levels[self._max_level] = [sha256(b"".join(top)).digest()]

    def into(self, info: Any) -> None:
        """Write the outcome into a RangeQueryInfo: `raw_reads`, `reads_merkle_hashes`, or neither if empty."""
        if not self._levels:
            if self._pending:
                info.raw_reads.kv_reads.extend(self._pending)
            return
        if self._pending:
            self._hash_pending()
        self._complete()
        summary = info.reads_merkle_hashes
        summary.max_degree = self._max_degree
        summary.max_level = self._max_level
        summary.max_level_hashes.extend(self._levels[self._max_level])
