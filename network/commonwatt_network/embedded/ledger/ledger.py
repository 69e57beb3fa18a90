# SPDX-License-Identifier: Apache-2.0
"""The ledger of one channel at one peer: append a validated block, read blocks, transactions and history."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.ledger.database import (
    ANEW,
    WRITE_SETS,
    LedgerDamaged,
    explain_failure,
    in_one_transaction,
    open_database,
)
from commonwatt_network.embedded.ledger.packing import packed, unpacked
from commonwatt_network.embedded.ledger.private import (
    ExpiringKey,
    MissingWrite,
    PrivateNotes,
    PrivateUpdates,
    PrivateWrite,
)
from commonwatt_network.embedded.ledger.snapshot_files import SnapshotDamaged
from commonwatt_network.embedded.ledger.state import Location, State, StateView, Updates
from commonwatt_network.embedded.ledger.write_sets import WriteSets

UNKNOWN_CODE = 254  # NOT_VALIDATED: a snapshot names transactions without what became of them


@dataclass(frozen=True)
class CommittedTransaction:
    """Where a transaction is, and its TxValidationCode."""

    block_number: int
    position: int
    code: int


@dataclass(frozen=True)
class Base:
    """What a ledger knows of the blocks before its first, where it begins with a snapshot.

    `config` is the serialized ConfigEnvelope in force, of block `config_block`; `collections` are a snapshot's records.
    """

    height: int
    block_hash: bytes
    previous_hash: bytes
    commit_hash: bytes
    config: bytes
    config_block: int
    collections: bytes


@dataclass(frozen=True)
class BlockCommit:
    """A validated block with all that it changes.

    `transactions` are (transaction id, position, code) of the block's transactions that have an id and are
    no duplicates. `history` are the public keys written by each valid transaction, with its position.
    """

    block: Any
    block_hash: bytes
    transactions: Sequence[tuple[str, int, int]]
    updates: Updates
    history: Sequence[tuple[Location, int]] = ()
    private: PrivateUpdates = field(default_factory=PrivateUpdates)
    is_config: bool = False
    commit_hash: bytes = b""


class Ledger:
    """One channel's ledger. All methods are synchronous and cheap, except reads of old blocks."""

    def __init__(self, path: Path) -> None:
        """Open or create the ledger; an incomplete last block cannot exist, a damaged one is refused."""
        self.path = path
        self.database = open_database(path)
        try:
            self._read()
        except sqlite3.DatabaseError as error:
            self.database.close()
            raise explain_failure(path, error) from error
        except BaseException:
            self.database.close()
            raise

    def _read(self) -> None:
        self.state = State(self.database)
        last = self.database.execute(
            "select number, hash, content from blocks order by number desc limit 1"
        ).fetchone()
        self.height: int = self.first_number
        self.last_hash: bytes = self._fact("base_hash") or b""
        self.previous_hash: bytes = self._fact("base_previous_hash") or b""
        self.commit_hash: bytes = self.base_commit_hash
        if last is not None:
            self._check_last_block(*last)
        self.private = PrivateNotes(self.database)
        self.write_sets = WriteSets(self.path.with_name(WRITE_SETS), self.height)
        self._forget_logs = True  # a process that was killed may have left purged values in them

    def _check_last_block(self, number: int, block_hash: bytes, content: bytes) -> None:
        try:
            block = common_pb2.Block.FromString(unpacked(content))
        except DecodeError:
            block = common_pb2.Block()
        if (
            block.header.number != number
            or sha256(b"".join(block.data.data)).digest() != block.header.data_hash
        ):
            raise LedgerDamaged(
                f"{self.path}: block {number} does not have the contents that its header names; {ANEW}"
            )
        self.height, self.last_hash, self.previous_hash = number + 1, block_hash, block.header.previous_hash
        slots = block.metadata.metadata
        if len(slots) > common_pb2.COMMIT_HASH:
            self.commit_hash = common_pb2.Metadata.FromString(slots[common_pb2.COMMIT_HASH]).value

    def close(self) -> None:
        self.database.close()
        self.write_sets.close()

    def gather(self) -> bool:
        """Put everything into the files proper, so that they can be copied; False where a reader still needs a log."""
        (busy, *_) = self.database.execute("pragma wal_checkpoint(truncate)").fetchone()
        return self.write_sets.gather() and not busy

    def start_with(self, base: Base, state: Updates, txids: Iterable[str]) -> None:
        """Begin an empty ledger with a snapshot's state instead of blocks, or not at all. Raises sqlite3.Error."""
        database = self.database
        with in_one_transaction(database):
            self.state.write(state)
            database.executemany(
                "insert or ignore into transactions values (?, ?, ?, ?)",
                ((txid, base.height - 1, position, UNKNOWN_CODE) for position, txid in enumerate(txids)),
            )
            facts = {
                "base_height": base.height.to_bytes(8, "big"),
                "base_hash": base.block_hash,
                "base_previous_hash": base.previous_hash,
                "base_commit_hash": base.commit_hash,
                "base_config": base.config,
                "config_block": base.config_block.to_bytes(8, "big"),
                "base_collections": base.collections,
            }
            database.executemany("insert into facts values (?, ?)", facts.items())
        self.height, self.last_hash, self.previous_hash = base.height, base.block_hash, base.previous_hash
        self.commit_hash = base.commit_hash

    @property
    def first_number(self) -> int:
        """The number of the first block that it has or will have: above 0 where it began with a snapshot."""
        return int.from_bytes(self._fact("base_height") or b"", "big")

    def base_configuration(self) -> Any:
        """The `common.Config` that a ledger began with, if it began with a snapshot. Raises SnapshotDamaged."""
        try:
            return configtx_pb2.ConfigEnvelope.FromString(self.base_config).config
        except DecodeError as error:
            raise SnapshotDamaged(f"{self.path}: the configuration cannot be read: {error}") from error

    @property
    def base_config(self) -> bytes:
        """The ConfigEnvelope that the ledger began with, where it began with a snapshot; else empty."""
        return self._fact("base_config") or b""

    @property
    def base_collections(self) -> bytes:
        """The collections' history that the ledger began with, as the snapshot held it."""
        return self._fact("base_collections") or b""

    @property
    def base_commit_hash(self) -> bytes:
        """The commit hash that the ledger began with, where it began with a snapshot; else empty."""
        return self._fact("base_commit_hash") or b""

    def transaction_ids(self) -> list[str]:
        return [row[0] for row in self.database.execute("select txid from transactions")]

    def _fact(self, name: str) -> bytes | None:
        row = self.database.execute("select value from facts where name = ?", (name,)).fetchone()
        return row[0] if row else None

    def view(self) -> StateView:
        """The state as of now, unmoved by the blocks that follow."""
        return self.state.view(self.height)

    def append(self, commit: BlockCommit) -> None:
        """Write a block and all that follows from it, or nothing. Raises sqlite3.Error (for one, a full disk)."""
        block = commit.block
        number = block.header.number
        if number != self.height:
            raise ValueError(f"{self.path}: block {number} cannot follow block {self.height - 1}")
        database = self.database
        self.write_sets.write(number, commit.private)
        with in_one_transaction(database):
            database.execute(
                "insert into blocks values (?, ?, ?)",
                (number, commit.block_hash, packed(block.SerializeToString())),
            )
            database.executemany(
                "insert or ignore into transactions values (?, ?, ?, ?)",
                [(txid, number, position, code) for txid, position, code in commit.transactions],
            )
            self.state.write(commit.updates)
            if commit.history:
                database.executemany(
                    "insert or ignore into history values (?, ?, ?, ?)",
                    [(*location, number, position) for location, position in commit.history],
                )
            self.private.write(number, commit.private)
            if commit.is_config:
                database.execute(
                    "insert or replace into facts values ('config_block', ?)", (number.to_bytes(8, "big"),)
                )
        self.height = number + 1
        self.previous_hash, self.last_hash = block.header.previous_hash, commit.block_hash
        self.commit_hash = commit.commit_hash
        self._forget_logs |= bool(commit.private.purged)
        if self._forget_logs:
            self._forget_logs = not self.gather()

    def settle_missing(
        self, place: MissingWrite, write: PrivateWrite, expiring: Sequence[ExpiringKey], standing: Updates
    ) -> None:
        """Add a write set that was missing when its block came, and its values that stand; nothing of it if it expired.

        Raises sqlite3.Error, and then it is missing still.
        """
        expired = write.expires_at is not None and write.expires_at < self.height
        if not expired:
            self.write_sets.add_missing(place, write)
        with in_one_transaction(self.database):
            self.private.settle_missing(place, () if expired else expiring)
            if not expired:
                self.state.write(standing)

    def want(self, namespace: str, collection: str) -> None:
        """Count as missing what was written to a collection before this peer was to hold it. Raises sqlite3.Error."""
        with in_one_transaction(self.database):
            self.private.want(namespace, collection)

    def keep_transient(self, txid: str, content: bytes) -> None:
        """Keep an endorsed transaction's private writes until its block comes. Raises sqlite3.Error."""
        self.write_sets.keep_transient(txid, content, self.height)

    def block_bytes(self, number: int) -> bytes | None:
        row = self.database.execute("select content from blocks where number = ?", (number,)).fetchone()
        return unpacked(row[0]) if row else None

    def block(self, number: int) -> Any | None:
        content = self.block_bytes(number)
        return None if content is None else common_pb2.Block.FromString(content)

    def block_number_by_hash(self, block_hash: bytes) -> int | None:
        row = self.database.execute("select number from blocks where hash = ?", (block_hash,)).fetchone()
        return row[0] if row else None

    def hash_before(self, height: int) -> bytes | None:
        """The hash of block `height` - 1; None where there is no such block, or a snapshot hides it."""
        if height and height == self.first_number:
            return self._fact("base_hash")
        row = self.database.execute("select hash from blocks where number = ?", (height - 1,)).fetchone()
        return row[0] if row else None

    def config_block_number(self) -> int:
        return int.from_bytes(self._fact("config_block") or b"", "big")

    def transaction(self, txid: str) -> CommittedTransaction | None:
        row = self.database.execute(
            "select block, position, code from transactions where txid = ?", (txid,)
        ).fetchone()
        return CommittedTransaction(*row) if row else None

    def history(self, namespace: str, key: bytes) -> Iterator[tuple[int, int]]:
        """(block, position) of each valid transaction that wrote the key, newest first."""
        yield from self.database.execute(
            "select block, position from history where namespace = ? and key = ? order by block desc, position desc",
            (namespace, key),
        ).fetchall()
