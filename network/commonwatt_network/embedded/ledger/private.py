# SPDX-License-Identifier: Apache-2.0
"""Private data of one channel: committed private write sets, what expires when, and what waits for its block."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from commonwatt_network.embedded.ledger.database import (
    REFILLED,
    explain_failure,
    in_one_transaction,
    open_private_copies,
)
from commonwatt_network.embedded.ledger.state import Location, hashed_namespace, private_namespace
from commonwatt_network.embedded.ledger.values import Version

PRIVATE_TABLES = (
    "private_writes",
    "private_expiry",
    "missing_private_writes",
    "others_private_writes",
    "purged_keys",
    "transient_writes",
)
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


class MissingWrite(NamedTuple):
    """Where a write set belongs that this peer does not have."""

    block: int
    position: int
    namespace: str
    collection: str


@dataclass(frozen=True)
class PrivateUpdates:
    """What one block changes of the private data beyond the state database.

    `missing` and `others` are the (position, chaincode, collection) of write sets that were not to be had, and of those
    that this peer is not to hold; `purged` are (position, chaincode, collection, hash of the key).
    """

    writes: list[PrivateWrite] = field(default_factory=list)
    expiring: list[ExpiringKey] = field(default_factory=list)
    missing: list[tuple[int, str, str]] = field(default_factory=list)
    others: list[tuple[int, str, str]] = field(default_factory=list)
    purged: list[tuple[int, str, str, bytes]] = field(default_factory=list)
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
        with in_one_transaction(other):
            for table in PRIVATE_TABLES:
                rows = self._database.execute(f"select * from {table}").fetchall()  # noqa: S608
                if rows:
                    places = ", ".join("?" * len(rows[0]))
                    other.executemany(f"insert into {table} values ({places})", rows)  # noqa: S608

    def write(self, block_number: int, updates: PrivateUpdates) -> None:
        database = self._database
        self._add(block_number, updates.writes, updates.expiring)
        if updates.missing:
            database.executemany(
                "insert or ignore into missing_private_writes values (?, ?, ?, ?)",
                [(block_number, *missing) for missing in updates.missing],
            )
        if updates.others:
            database.executemany(
                "insert or ignore into others_private_writes values (?, ?, ?, ?)",
                [(namespace, collection, block_number, n) for n, namespace, collection in updates.others],
            )
        purged: dict[tuple[str, str], dict[bytes, int]] = {}
        for position, namespace, collection, key_hash in updates.purged:
            purged.setdefault((namespace, collection), {})[key_hash] = position
        for place, keys in purged.items():
            self._purge(*place, block_number, keys)
            if self._lacks_any(*place):
                database.executemany(
                    "insert or ignore into purged_keys values (?, ?, ?, ?, ?)",
                    [(*place, key_hash, block_number, position) for key_hash, position in keys.items()],
                )
        if updates.committed_txids:
            database.executemany(
                "delete from transient_writes where txid = ?", [(txid,) for txid in updates.committed_txids]
            )
        self._expire(block_number)

    def _add(self, block: int, writes: Sequence[PrivateWrite], expiring: Sequence[ExpiringKey]) -> None:
        if writes:
            self._database.executemany(
                "insert or replace into private_writes values (?, ?, ?, ?, ?, ?)",
                [(block, w.position, w.namespace, w.collection, w.rwset, w.expires_at) for w in writes],
            )
        if expiring:
            self._database.executemany(
                "insert or replace into private_expiry values (?, ?, ?, ?, ?, ?, ?)",
                [
                    (e.expires_at, e.namespace, e.collection, e.key_hash, e.key, block, e.position)
                    for e in expiring
                ],
            )

    def _purge(self, namespace: str, collection: str, number: int, keys: dict[bytes, int]) -> None:
        """Take keys out of every write set that stood before transaction `keys[hash of the key]` of block `number`."""
        rows = self._database.execute(
            "select block, position, rwset from private_writes where namespace = ? and collection = ?",
            (namespace, collection),
        )
        for block, position, encoded in rows.fetchall():
            rwset = kv.KVRWSet.FromString(encoded)
            kept = []
            for write in rwset.writes:
                purged = keys.get(sha256(write.key.encode()).digest())
                if purged is None or (block, position) > (number, purged):
                    kept.append(write)
            if len(kept) < len(rwset.writes):
                rwset = kv.KVRWSet(writes=kept, metadata_writes=rwset.metadata_writes)
                self._database.execute(
                    "update private_writes set rwset = ? "
                    "where block = ? and position = ? and namespace = ? and collection = ?",
                    (rwset.SerializeToString(), block, position, namespace, collection),
                )

    # What is missing

    def missing_after(self, place: MissingWrite | None) -> MissingWrite | None:
        """The next write set that this peer should hold and does not have, in the order of the blocks."""
        row = self._database.execute(
            "select block, position, namespace, collection from missing_private_writes "
            "where (block, position, namespace, collection) > (?, ?, ?, ?) "
            "order by block, position, namespace, collection limit 1",
            place or (-1, 0, "", ""),
        ).fetchone()
        return MissingWrite(*row) if row else None

    def others_collections(self) -> list[tuple[str, str]]:
        """(chaincode, collection) of which there are write sets that this peer was not to hold."""
        found: list[tuple[str, str]] = []
        query = (
            "select namespace, collection from others_private_writes where (namespace, collection) > (?, ?) "
            "order by namespace, collection limit 1"
        )
        while row := self._database.execute(query, found[-1] if found else ("", "")).fetchone():
            found.append((row[0], row[1]))
        return found

    def want(self, namespace: str, collection: str) -> None:
        """From now on what others wrote to a collection is missing here."""
        place = (namespace, collection)
        self._database.execute(
            "insert or ignore into missing_private_writes select block, position, namespace, collection "
            "from others_private_writes where namespace = ? and collection = ?",
            place,
        )
        self._database.execute(
            "delete from others_private_writes where namespace = ? and collection = ?", place
        )

    def purged_since(self, place: MissingWrite) -> set[bytes]:
        """The hashes of a collection's keys that a later transaction has purged."""
        rows = self._database.execute(
            "select key_hash from purged_keys where namespace = ? and collection = ? and (block, position) > (?, ?)",
            (place.namespace, place.collection, place.block, place.position),
        )
        return {row[0] for row in rows}

    def settle_missing(
        self, place: MissingWrite, write: PrivateWrite | None, expiring: Sequence[ExpiringKey] = ()
    ) -> None:
        """Add a write set that was missing, or none where it has expired; it is missing no more."""
        self._add(place.block, [write] if write else [], expiring)
        self._database.execute(
            "delete from missing_private_writes where block = ? and position = ? and namespace = ? and collection = ?",
            place,
        )
        if not self._lacks_any(place.namespace, place.collection):
            self._database.execute(
                "delete from purged_keys where namespace = ? and collection = ?",
                (place.namespace, place.collection),
            )

    def _lacks_any(self, namespace: str, collection: str) -> bool:
        """Whether a write set of the collection may still come, with keys that were purged since."""
        tables = ("missing_private_writes", "others_private_writes")
        return any(
            self._database.execute(
                f"select 1 from {table} where namespace = ? and collection = ? limit 1",  # noqa: S608
                (namespace, collection),
            ).fetchone()
            for table in tables
        )

    # What expires

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
        with in_one_transaction(self.database):
            self.data.write(block_number, updates)

    def gather(self) -> bool:
        (busy, *_) = self.database.execute("pragma wal_checkpoint(truncate)").fetchone()
        return not busy

    def close(self) -> None:
        self.database.close()
