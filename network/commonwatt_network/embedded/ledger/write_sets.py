# SPDX-License-Identifier: Apache-2.0
"""The private write sets of one channel, in a file of their own: those of committed blocks, and endorsed ones.

Blocks come again from the orderer; private data may be nowhere else. So a ledger whose file was damaged can be deleted
and fetched anew: its write sets are here, and each is checked against the hash in its block. Where this file is lost
instead, the values that stand are in the ledger's state.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from commonwatt_network.embedded.ledger.database import (
    REFILLED,
    explain_failure,
    in_one_transaction,
    open_write_sets,
    waiting_for_disk,
)
from commonwatt_network.embedded.ledger.packing import packed, unpacked
from commonwatt_network.embedded.ledger.private import MissingWrite, PrivateUpdates, PrivateWrite

TRANSIENT_RETENTION_BLOCKS = 20_000  # as `transientstoreMaxBlockRetention` of a real peer


class WriteSets:
    """A block's write sets wait for the disk here before the ledger has the block: no power cut leaves them behind."""

    def __init__(self, path: Path, ledger_height: int) -> None:
        """Opens the file, or creates it. Raises LedgerDamaged, sqlite3.Error."""
        self.path = path
        self.database = open_write_sets(path)
        try:
            if ledger_height == 0:
                self.fill(())
            whole = self.database.execute("select 1 from facts where name = 'whole'").fetchone()
        except sqlite3.DatabaseError as error:
            self.database.close()
            raise explain_failure(path, error, REFILLED) from error
        self.is_whole = whole is not None

    @property
    def is_empty(self) -> bool:
        tables = ("private_writes", "transient_writes")
        return not any(self.database.execute(f"select 1 from {table} limit 1").fetchone() for table in tables)  # noqa: S608

    def fill(self, writes: Iterable[tuple[int, PrivateWrite]]) -> None:
        """Add the write sets (block number, write set) of all blocks so far: the file is whole from now on."""
        with waiting_for_disk(self.database), in_one_transaction(self.database):
            for block, write in writes:
                self._add(block, [write])
            self.database.execute("insert or replace into facts values ('whole', x'01')")
        self.is_whole = True

    def write(self, block_number: int, updates: PrivateUpdates) -> None:
        """Take over what a block changes, before the ledger does: again does no harm. Raises sqlite3.Error."""
        database = self.database
        if not (updates.writes or updates.purged or updates.committed_txids or self._ends(block_number)):
            return
        waiting = waiting_for_disk(database) if updates.writes else nullcontext()
        with waiting, in_one_transaction(database):
            self._add(block_number, updates.writes)
            purged: dict[tuple[str, str], dict[bytes, int]] = {}
            for position, namespace, collection, key_hash in updates.purged:
                purged.setdefault((namespace, collection), {})[key_hash] = position
            for place, keys in purged.items():
                self._purge(*place, block_number, keys)
            database.executemany(
                "delete from transient_writes where txid = ?", [(txid,) for txid in updates.committed_txids]
            )
            database.execute("delete from private_writes where expires_at <= ?", (block_number,))
            if block_number % 100 == 0:
                database.execute(
                    "delete from transient_writes where received_at < ?",
                    (block_number - TRANSIENT_RETENTION_BLOCKS,),
                )

    def _ends(self, block_number: int) -> bool:
        """Whether anything may end with this block."""
        query = "select 1 from private_writes where expires_at <= ? limit 1"
        return block_number % 100 == 0 or self.database.execute(query, (block_number,)).fetchone() is not None

    def _add(self, block: int, writes: Sequence[PrivateWrite]) -> None:
        self.database.executemany(
            "insert or replace into private_writes values (?, ?, ?, ?, ?, ?)",
            [(block, w.position, w.namespace, w.collection, packed(w.rwset), w.expires_at) for w in writes],
        )

    def _purge(self, namespace: str, collection: str, number: int, keys: dict[bytes, int]) -> None:
        """Take keys out of every write set that stood before transaction `keys[hash of the key]` of block `number`."""
        rows = self.database.execute(
            "select block, position, rwset from private_writes where namespace = ? and collection = ?",
            (namespace, collection),
        )
        for block, position, stored in rows.fetchall():
            rwset = kv.KVRWSet.FromString(unpacked(stored))
            kept = []
            for write in rwset.writes:
                purged = keys.get(sha256(write.key.encode()).digest())
                if purged is None or (block, position) > (number, purged):
                    kept.append(write)
            if len(kept) < len(rwset.writes):
                rwset = kv.KVRWSet(writes=kept, metadata_writes=rwset.metadata_writes)
                self.database.execute(
                    "update private_writes set rwset = ? "
                    "where block = ? and position = ? and namespace = ? and collection = ?",
                    (packed(rwset.SerializeToString()), block, position, namespace, collection),
                )

    def add_missing(self, place: MissingWrite, write: PrivateWrite) -> None:
        """Keep a write set that was missing when its block came. Raises sqlite3.Error."""
        with waiting_for_disk(self.database), in_one_transaction(self.database):
            self._add(place.block, [write])

    def write_set(self, block: int, position: int, namespace: str, collection: str) -> bytes | None:
        """A transaction's committed writes to a collection (serialized KVRWSet), without keys purged since."""
        row = self.database.execute(
            "select rwset from private_writes where block = ? and position = ? and namespace = ? and collection = ?",
            (block, position, namespace, collection),
        ).fetchone()
        return unpacked(row[0]) if row else None

    def writes_of_block(self, block_number: int) -> list[PrivateWrite]:
        rows = self.database.execute(
            "select position, namespace, collection, rwset, expires_at from private_writes where block = ? "
            "order by position, namespace, collection",
            (block_number,),
        ).fetchall()
        return [
            PrivateWrite(position, namespace, collection, unpacked(stored), end)
            for position, namespace, collection, stored, end in rows
        ]

    def keep_transient(self, txid: str, content: bytes, height: int) -> None:
        """Keep an endorsed transaction's private writes until its block comes (serialized TxPvtReadWriteSet).

        Without waiting for the disk: after a power cut the other endorsers give them with the block.
        """
        self.database.execute(
            "insert or ignore into transient_writes values (?, ?, ?)", (txid, content, height)
        )

    def transient(self, txid: str) -> list[bytes]:
        """What `keep_transient` kept."""
        rows = self.database.execute(
            "select content from transient_writes where txid = ?", (txid,)
        ).fetchall()
        return [row[0] for row in rows]

    def gather(self) -> bool:
        """As `Ledger.gather`."""
        (busy, *_) = self.database.execute("pragma wal_checkpoint(truncate)").fetchone()
        return not busy

    def close(self) -> None:
        self.database.close()
