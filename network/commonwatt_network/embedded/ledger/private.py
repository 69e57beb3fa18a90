# SPDX-License-Identifier: Apache-2.0
"""What a ledger notes of private data beside their values: what is missing, what was purged, what expires when."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from commonwatt_network.embedded.ledger.state import Location, hashed_namespace, private_namespace
from commonwatt_network.embedded.ledger.values import Version


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
    that this peer is not to hold. `purged` are (position, chaincode, collection, hash of the key).
    """

    writes: list[PrivateWrite] = field(default_factory=list)
    expiring: list[ExpiringKey] = field(default_factory=list)
    missing: list[tuple[int, str, str]] = field(default_factory=list)
    others: list[tuple[int, str, str]] = field(default_factory=list)
    purged: list[tuple[int, str, str, bytes]] = field(default_factory=list)
    committed_txids: list[str] = field(default_factory=list)


class PrivateNotes:
    """Written within the ledger's own transactions."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def write(self, block_number: int, updates: PrivateUpdates) -> None:
        database = self._database
        self._add_expiring(block_number, updates.expiring)
        self.miss((block_number, *missing) for missing in updates.missing)
        if updates.others:
            database.executemany(
                "insert or ignore into others_private_writes values (?, ?, ?, ?)",
                [(namespace, collection, block_number, n) for n, namespace, collection in updates.others],
            )
        for position, namespace, collection, key_hash in updates.purged:
            if self._lacks_any(namespace, collection):
                self.note_purged([(namespace, collection, key_hash, block_number, position)])
        database.execute("delete from private_expiry where expires_at <= ?", (block_number,))

    def miss(self, places: Iterable[tuple[int, int, str, str]]) -> None:
        """Note write sets (block, position, chaincode, collection) that this peer should hold and does not have."""
        self._database.executemany("insert or ignore into missing_private_writes values (?, ?, ?, ?)", places)

    def note_purged(self, keys: Iterable[tuple[str, str, bytes, int, int]]) -> None:
        """Note keys (chaincode, collection, hash, block, position) that a write set may not bring back."""
        self._database.executemany("insert or ignore into purged_keys values (?, ?, ?, ?, ?)", keys)

    def _add_expiring(self, block: int, expiring: Sequence[ExpiringKey]) -> None:
        if expiring:
            self._database.executemany(
                "insert or replace into private_expiry values (?, ?, ?, ?, ?, ?, ?)",
                [
                    (e.expires_at, e.namespace, e.collection, e.key_hash, e.key, block, e.position)
                    for e in expiring
                ],
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

    def settle_missing(self, place: MissingWrite, expiring: Sequence[ExpiringKey] = ()) -> None:
        """A write set that was missing has come, or has expired: it is missing no more."""
        self._add_expiring(place.block, expiring)
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
