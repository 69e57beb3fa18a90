"""Private data of one channel: committed private write sets, what expires when, and what waits for its block."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from hashlib import sha256

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from commonwatt_network.embedded.ledger.state import Location, hashed_namespace, private_namespace
from commonwatt_network.embedded.ledger.values import Version

TRANSIENT_RETENTION_BLOCKS = 1000  # as `transientstoreMaxBlockRetention` of a real peer


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
        for namespace, collection, key_hash in updates.purged:
            self._purge(namespace, collection, key_hash)
        if updates.committed_txids:
            database.executemany(
                "delete from transient_writes where txid = ?", [(txid,) for txid in updates.committed_txids]
            )
        self._expire(block_number)

    def _purge(self, namespace: str, collection: str, key_hash: bytes) -> None:
        """Take a purged key out of every write set that was stored before."""
        rows = self._database.execute(
            "select block, position, rwset from private_writes where namespace = ? and collection = ?",
            (namespace, collection),
        ).fetchall()
        for block, position, encoded in rows:
            rwset = kv.KVRWSet.FromString(encoded)
            kept = [write for write in rwset.writes if sha256(write.key.encode()).digest() != key_hash]
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
