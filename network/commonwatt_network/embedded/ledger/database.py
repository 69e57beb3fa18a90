# SPDX-License-Identifier: Apache-2.0
"""The SQLite file of one ledger: schema, durability settings, and refusal of damaged files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commonwatt_network.embedded.ledger.packing import packed

WRITE_SETS = "private.sqlite"
FORMAT = 3
OLDEST_WRITE_SETS = 1  # they outlive their ledger, so each version of the program reads the older files

SCHEMA = """
create table blocks (
    number integer primary key, hash blob not null unique, content blob not null);
create table transactions (
    txid text primary key, block integer not null, position integer not null, code integer not null
) without rowid;
create table state (
    namespace text not null, key blob not null, value blob not null, metadata blob not null,
    block integer not null, position integer not null, primary key (namespace, key)
) without rowid;
create index state_metadata on state (namespace) where metadata <> x'';
create table history (
    namespace text not null, key blob not null, block integer not null, position integer not null,
    primary key (namespace, key, block, position)
) without rowid;
create table private_expiry (
    expires_at integer not null, namespace text not null, collection text not null, key_hash blob not null,
    key blob, block integer not null, position integer not null,
    primary key (expires_at, namespace, collection, key_hash, block, position)
) without rowid;
create table missing_private_writes (
    block integer not null, position integer not null, namespace text not null, collection text not null,
    primary key (block, position, namespace, collection)
) without rowid;
create table others_private_writes (
    namespace text not null, collection text not null, block integer not null, position integer not null,
    primary key (namespace, collection, block, position)
) without rowid;
create table purged_keys (
    namespace text not null, collection text not null, key_hash blob not null,
    block integer not null, position integer not null,
    primary key (namespace, collection, key_hash, block, position)
) without rowid;
create table facts (name text primary key, value blob not null) without rowid;
"""

WRITE_SETS_SCHEMA = """
create table private_writes (
    block integer not null, position integer not null, namespace text not null, collection text not null,
    rwset blob not null, expires_at integer, primary key (block, position, namespace, collection)
) without rowid;
create index private_writes_by_expiry on private_writes (expires_at) where expires_at is not null;
create table transient_writes (
    txid text not null, content blob not null, received_at integer not null, primary key (txid, content)
) without rowid;
create table facts (name text primary key, value blob not null) without rowid;
"""
# Former formats kept write sets as they were, and beside them copies of tables that the ledger has.
WRITE_SETS_TO_3 = """
update private_writes set rwset = packed(rwset);
drop table private_expiry;
drop table missing_private_writes;
drop table if exists others_private_writes;
drop table if exists purged_keys;
create table facts (name text primary key, value blob not null) without rowid;
insert into facts values ('whole', x'01');
"""

ANEW = "delete the file to let this peer fetch the channel anew"
REFILLED = (
    "delete the file: this peer fills it anew from the ledger beside it and from the other members' peers"
)

_CIRCUMSTANCES = {
    sqlite3.SQLITE_FULL: "free space on its disk",
    sqlite3.SQLITE_READONLY: "let this user write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "let this user write the file and its folder",
    sqlite3.SQLITE_PERM: "let this user write the file and its folder",
    sqlite3.SQLITE_AUTH: "let this user write the file and its folder",
    sqlite3.SQLITE_BUSY: "stop the other process that uses it",
    sqlite3.SQLITE_LOCKED: "stop the other process that uses it",
    sqlite3.SQLITE_IOERR: "see the system's log: the disk fails, or is full",
}


class LedgerDamaged(Exception):
    """The ledger's file is unusable, or not as this peer wrote it; the message says what to do."""


def explain_failure(path: Path, error: sqlite3.Error, remedy: str = ANEW) -> LedgerDamaged:
    """A failure of SQLite in words; `remedy` is for a file whose contents are wrong."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    circumstance = _CIRCUMSTANCES.get(code)
    if circumstance is not None:
        return LedgerDamaged(f"{path}: cannot be used now ({error}): {circumstance}")
    return LedgerDamaged(f"{path}: not a readable ledger ({error}); {remedy}")


def open_database(path: Path) -> sqlite3.Connection:
    """The ledger database at `path`, created where absent. Raises LedgerDamaged."""
    return _open(path, SCHEMA, FORMAT, ANEW)


def open_write_sets(path: Path) -> sqlite3.Connection:
    """The database of private write sets at `path`, created where absent. Raises LedgerDamaged."""
    return _open(path, WRITE_SETS_SCHEMA, OLDEST_WRITE_SETS, REFILLED)


@contextmanager
def in_one_transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of what is written within, or nothing. Raises sqlite3.Error."""
    database.execute("begin immediate")
    try:
        yield
        database.execute("commit")
    except BaseException:
        if database.in_transaction:
            database.execute("rollback")
        raise


@contextmanager
def waiting_for_disk(database: sqlite3.Connection) -> Iterator[None]:
    """What is committed within is on the disk afterwards."""
    database.execute("pragma synchronous = full")
    try:
        yield
    finally:
        database.execute("pragma synchronous = normal")


def _open(path: Path, schema: str, oldest: int, remedy: str) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    except sqlite3.Error as error:
        raise explain_failure(path, error, remedy) from error
    try:
        _prepare(database, path, schema, oldest, remedy)
    except sqlite3.Error as error:
        database.close()
        raise explain_failure(path, error, remedy) from error
    except LedgerDamaged:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path, schema: str, oldest: int, remedy: str) -> None:
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = normal")
    database.execute("pragma secure_delete = on")  # what is purged must not stay in pages that are free
    # Kibibytes: one ledger's share of the process's memory. Hashes of keys are written all over the tree.
    database.execute("pragma cache_size = -16000")
    database.execute("pragma wal_autocheckpoint = 1000")
    (found,) = database.execute("pragma user_version").fetchone()
    if found == 0:
        database.executescript(f"begin; {schema} pragma user_version = {FORMAT}; commit;")
    elif oldest <= found < FORMAT:
        database.create_function("packed", 1, packed, deterministic=True)
        database.executescript(f"begin; {WRITE_SETS_TO_3} pragma user_version = {FORMAT}; commit;")
    elif 0 < found < oldest:
        raise LedgerDamaged(
            f"{path}: in format {found}, which an earlier version of the program wrote; this one writes format "
            f"{FORMAT} and reads no older ledger; {remedy} (its private data are in {WRITE_SETS} beside it: keep that)"
        )
    elif found != FORMAT:
        raise LedgerDamaged(
            f"{path}: in format {found}, which this version of the program does not know: it was written by "
            f"a later version, or damaged; {remedy}"
        )
