# SPDX-License-Identifier: Apache-2.0
"""Private data of one channel: committed private write sets, what expires when, and what waits for its block."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from commonwatt_network.embedded.ledger.database import REFILLED, explain_failure, open_private_copies
from commonwatt_network.embedded.ledger.state import Location, hashed_namespace, private_namespace
from commonwatt_network.embedded.ledger.values import Version

PRIVATE_TABLES = ("private_writes", "private_expiry", "missing_private_writes", "transient_writes")
TRANSIENT_RETENTION_BLOCKS = 20_000  # as `transientstoreMaxBlockRetention` of a real peer


@dataclass(frozen=True)
class PrivateWrite:
    """One transaction's writes to one collection (serialized KVRWSet); gone with block `expires_at`, if any."""

    position: int
    namespace: str
    collection: str
    rwset: bytes
    expires_at: int | None


@dataclass(frozen=True)
class ExpiringKey:
    """A key of a collection that is gone with block `expires_at`; `key` is None where only its hash is known."""

    expires_at: int
    namespace: str
    collection: str
    key_hash: bytes
    key: bytes | None
    position: int


@dataclass(frozen=True)
class PrivateUpdates:
    """What one block changes of the private data beyond the state database."""

    writes: list[PrivateWrite] = field(default_factory=list)
    expiring: list[ExpiringKey] = field(default_factory=list)
    missing: list[tuple[int, str, str]] = field(default_factory=list)
    purged: list[tuple[str, str, bytes]] = field(default_factory=list)
    committed_txids: list[str] = field(default_factory=list)


class PrivateData:
    """The private side of a ledger; written within the ledger's own transactions."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def holds_anything(self) -> bool:
        tables = ("private_writes", "transient_writes")
        return any(self._database.execute(f"select 1 from {table} limit 1").fetchone() for table in tables)  # noqa: S608

    def copy_to(self, other: sqlite3.Connection) -> None:
        """Put all rows into the same tables of another file."""
        other.execute("begin immediate")
        for table in PRIVATE_TABLES:
            rows = self._database.execute(f"select * from {table}").fetchall()  # noqa: S608
            if rows:
                places = ", ".join("?" * len(rows[0]))
                other.executemany(f"insert into {table} values ({places})", rows)  # noqa: S608
        other.execute("commit")

    def write(self, block_number: int, updates: PrivateUpdates) -> None:
        database = self._database
        if updates.writes:
            database.executemany(
                "insert or replace into private_writes values (?, ?, ?, ?, ?, ?)",
                [
                    (block_number, w.position, w.namespace, w.collection, w.rwset, w.expires_at)
                    for w in updates.writes
                ],
            )
        if updates.expiring:
            database.executemany(
                "insert or replace into private_expiry values (?, ?, ?, ?, ?, ?, ?)",
                [
                    (e.expires_at, e.namespace, e.collection, e.key_hash, e.key, block_number, e.position)
                    for e in updates.expiring
                ],
            )
        if updates.missing:
            database.executemany(
                "insert or ignore into missing_private_writes values (?, ?, ?, ?)",
                [(block_number, *missing) for missing in updates.missing],
            )
        purged: dict[tuple[str, str], set[bytes]] = {}
        for namespace, collection, key_hash in updates.purged:
            purged.setdefault((namespace, collection), set()).add(key_hash)
        for place, key_hashes in purged.items():
            self._purge(*place, key_hashes)
        if updates.committed_txids:
            database.executemany(
                "delete from transient_writes where txid = ?", [(txid,) for txid in updates.committed_txids]
            )
        self._expire(block_number)

    def _purge(self, namespace: str, collection: str, key_hashes: set[bytes]) -> None:
        """Take purged keys out of every write set that was stored before."""
        rows = self._database.execute(
            "select block, position, rwset from private_writes where namespace = ? and collection = ?",
            (namespace, collection),
        )
        for block, position, encoded in rows.fetchall():
            rwset = kv.KVRWSet.FromString(encoded)
            kept = [write for write in rwset.writes if sha256(write.key.encode()).digest() not in key_hashes]
            if len(kept) < len(rwset.writes):
                rwset = kv.KVRWSet(writes=kept, metadata_writes=rwset.metadata_writes)
                self._database.execute(
                    "update private_writes set rwset = ? "
                    "where block = ? and position = ? and namespace = ? and collection = ?",
                    (rwset.SerializeToString(), block, position, namespace, collection),
                )

    def due(self, block_number: int) -> list[tuple[Location, Version]]:
        """Keys and hashed keys that end with this block, if nothing has overwritten that version since."""
        rows = self._database.execute(
            "select namespace, collection, key_hash, key, block, position from private_expiry where expires_at <= ?",
            (block_number,),
        ).fetchall()
        due = []
        for namespace, collection, key_hash, key, block, position in rows:
            due.append(((hashed_namespace(namespace, collection), key_hash), Version(block, position)))
            if key is not None:
                due.append(((private_namespace(namespace, collection), key), Version(block, position)))
        return due

    def _expire(self, block_number: int) -> None:
        database = self._database
        database.execute("delete from private_expiry where expires_at <= ?", (block_number,))
        database.execute("delete from private_writes where expires_at <= ?", (block_number,))
        if block_number % 100 == 0:
            database.execute(
                "delete from transient_writes where received_at < ?",
                (block_number - TRANSIENT_RETENTION_BLOCKS,),
            )

    def keep_transient(self, txid: str, content: bytes, height: int) -> None:
        """Keep an endorsed transaction's private writes until its block comes (serialized TxPvtReadWriteSet)."""
        self._database.execute(
            "insert or ignore into transient_writes values (?, ?, ?)", (txid, content, height)
        )

    def write_set(self, block: int, position: int, namespace: str, collection: str) -> bytes | None:
        """A transaction's committed writes to a collection (serialized KVRWSet), without keys purged since."""
        row = self._database.execute(
            "select rwset from private_writes where block = ? and position = ? and namespace = ? and collection = ?",
            (block, position, namespace, collection),
        ).fetchone()
        return row[0] if row else None

    def transient(self, txid: str) -> list[bytes]:
        rows = self._database.execute(
            "select content from transient_writes where txid = ?", (txid,)
        ).fetchall()
        return [row[0] for row in rows]

    def writes_of_block(self, block_number: int) -> list[PrivateWrite]:
        rows = self._database.execute(
            "select position, namespace, collection, rwset, expires_at from private_writes where block = ? "
            "order by position, namespace, collection",
            (block_number,),
        ).fetchall()
        return [PrivateWrite(*row) for row in rows]


class PrivateCopies:
    """The private side of a ledger once more, in a file of its own.

    Blocks come again from the orderer; private data may be nowhere else. So a ledger whose file was damaged can be
    deleted and fetched anew: its write sets are here, and each is checked against the hash in its block.
    """

    def __init__(self, path: Path, original: PrivateData) -> None:
        """Opens the file; a new one is filled from the ledger. Raises LedgerDamaged, sqlite3.Error."""
        self.path = path
        new = not path.exists()
        self.database = open_private_copies(path)
        self.data = PrivateData(self.database)
        try:
            if new:
                original.copy_to(self.database)
            self.is_empty = not self.data.holds_anything()
        except sqlite3.DatabaseError as error:
            self.database.close()
            raise explain_failure(path, error, REFILLED) from error

    def write(self, block_number: int, updates: PrivateUpdates) -> None:
        """Take over what a block changes, before the ledger does: again does no harm. Raises sqlite3.Error."""
        self.database.execute("begin immediate")
        try:
            self.data.write(block_number, updates)
            self.database.execute("commit")
        except BaseException:
            if self.database.in_transaction:
                self.database.execute("rollback")
            raise

    def gather(self) -> bool:
        (busy, *_) = self.database.execute("pragma wal_checkpoint(truncate)").fetchone()
        return not busy

    def close(self) -> None:
        self.database.close()
