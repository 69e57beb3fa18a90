"""The SQLite file of one ledger: schema, durability settings, and refusal of damaged files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

SCHEMA_VERSION = 1

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
create table private_writes (
    block integer not null, position integer not null, namespace text not null, collection text not null,
    rwset blob not null, expires_at integer, primary key (block, position, namespace, collection)
) without rowid;
create index private_writes_by_expiry on private_writes (expires_at) where expires_at is not null;
create table private_expiry (
    expires_at integer not null, namespace text not null, collection text not null, key_hash blob not null,
    key blob, block integer not null, position integer not null,
    primary key (expires_at, namespace, collection, key_hash, block, position)
) without rowid;
create table missing_private_writes (
    block integer not null, position integer not null, namespace text not null, collection text not null,
    primary key (block, position, namespace, collection)
) without rowid;
create table transient_writes (
    txid text not null, content blob not null, received_at integer not null, primary key (txid, content)
) without rowid;
create table facts (name text primary key, value blob not null) without rowid;
"""


class LedgerDamaged(Exception):
    """The ledger's file is not what this peer wrote; the message says what is wrong and what to do."""


def open_database(path: Path) -> sqlite3.Connection:
    """The ledger database at `path`, created where absent. Raises LedgerDamaged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = normal")
        database.execute("pragma cache_size = -4000")  # kibibytes: one ledger's share of the process's memory
        database.execute("pragma wal_autocheckpoint = 1000")
        (version,) = database.execute("pragma user_version").fetchone()
        if version == 0:
            database.executescript(f"begin; {SCHEMA} pragma user_version = {SCHEMA_VERSION}; commit;")
        elif version != SCHEMA_VERSION:
            raise LedgerDamaged(f"{path}: written by another version of this program (format {version})")
    except sqlite3.DatabaseError as error:
        raise LedgerDamaged(
            f"{path}: not a readable ledger ({error}); delete the file to let this peer fetch the channel anew"
        ) from error
    return database
