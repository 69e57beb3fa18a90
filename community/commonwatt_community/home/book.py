# SPDX-License-Identifier: Apache-2.0
"""A home's book: an SQLite database of what its meter counted, on disk before it is sent, and of what came of it.

The messages themselves stand in the journal; together they say after any crash what is left to do.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.exit_codes import CommandError

from ..meters.counted import Counted, Raw
from ..meters.cutting import Cut

_VERSION = 1
_TABLES = """
create table counts (at_s real primary key, import_total_wh real not null, export_total_wh real not null,
    battery_wh integer, raw_import_wh real, raw_export_wh real, follows integer not null) without rowid;
create table cuts (period integer primary key, length_min integer not null, import_wh integer not null,
    export_wh integer not null, import_total_wh integer, export_total_wh integer,
    battery_before_wh integer, battery_wh integer);
create table outcomes (digest text primary key, kind text not null, period integer not null, result text not null)
    without rowid;
create table trades (period integer primary key, bought_wh integer not null, sold_wh integer not null,
    price_uaud_per_kwh integer, code text not null, reason text not null);
create table notes (name text primary key, value text not null) without rowid;
"""
_KEPT_COUNTS_S = 2 * 86_400


class BookFailed(CommandError):
    """The book can be read or written no more, as on a full disk; only entries of the book were sent."""


class Trade(NamedTuple):
    """What a home's bid for a period came to; the reason is the line by which the agent explained the bid."""

    period: int
    bought_wh: int
    sold_wh: int
    price_uaud_per_kwh: int | None
    code: str
    reason: str


class Book:
    """The database, of mode 0600. ConfigurationError for a file that is none; later BookFailed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._open()
        except OSError as error:
            raise ConfigurationError(f"the book {path} cannot be opened: {error.strerror}") from error
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"the book {path} cannot be used: {error}; restore it from a backup, or move it away: then the home "
                "counts anew from what its meter shows"
            ) from error

    def _open(self) -> None:
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = full")
        [version] = self._database.execute("pragma user_version").fetchone()
        if version not in (0, _VERSION):
            raise ConfigurationError(
                f"the book {self._path} is of version {version}; this program reads {_VERSION}"
            )
        if version == 0:
            self._database.executescript(f"begin; {_TABLES} pragma user_version = {_VERSION}; commit;")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    # What the meter counted

    def add(self, counted: Counted, cuts: list[Cut]) -> None:
        """Keep a count and the periods that it ends, together. They are on disk when this returns."""
        raw = counted.raw or (None, None)
        with self._kept(), self._database:
            self._database.execute("begin immediate")
            self._database.execute(
                "insert or replace into counts values (?, ?, ?, ?, ?, ?, ?)",
                (*counted[:4], *raw, counted.follows),
            )
            for cut in cuts:
                self._database.execute(
                    "insert or ignore into cuts values (?, ?, ?, ?, ?, ?, ?, ?)",
                    (cut.period.id, cut.period.length_min, *cut[1:]),
                )
            if cuts:
                self._database.execute("delete from counts where at_s < ?", (counted.at_s - _KEPT_COUNTS_S,))

    def last_count(self) -> Counted | None:
        """The count from which the meter goes on."""
        row = self._one("select * from counts order by at_s desc limit 1")
        return None if row is None else _counted(row)

    def counts_since(self, at_s: float) -> list[Counted]:
        """Counts from a time on, with the one before it."""
        rows = self._rows(
            "select * from counts where at_s >= coalesce((select max(at_s) from counts where at_s <= ?), 0) "
            "order by at_s",
            at_s,
        )
        return [_counted(row) for row in rows]

    def last_cut(self) -> Cut | None:
        """The latest period that is counted."""
        row = self._one("select * from cuts order by period desc limit 1")
        return None if row is None else _cut(row)

    def cuts_since(self, period: int) -> Iterator[Cut]:
        """Counted periods from one on, in order."""
        for row in self._rows("select * from cuts where period >= ? order by period", period):
            yield _cut(row)

    # What became of messages

    def close(self, digest: str, kind: str, period: int, result: str) -> None:
        """Note the last word on a message: ``written``, or the code by which it was refused for good."""
        self._write("insert or replace into outcomes values (?, ?, ?, ?)", digest, kind, period, result)

    def outcome(self, digest: str) -> str | None:
        """The last word on a message; None while there is none."""
        row = self._one("select result from outcomes where digest = ?", digest)
        return None if row is None else str(row[0])

    def count_outcomes(self) -> dict[tuple[str, str], int]:
        """How many messages of a kind came to a result."""
        rows = self._rows("select kind, result, count(*) from outcomes group by kind, result")
        return {(kind, result): number for kind, result, number in rows}

    # What came of bids

    def add_trade(self, trade: Trade) -> None:
        """Keep what a bid came to."""
        self._write("insert or replace into trades values (?, ?, ?, ?, ?, ?)", *trade)

    def trades_since(self, period: int) -> list[Trade]:
        """What bids came to from a period on, in order."""
        return [
            Trade(*row)
            for row in self._rows("select * from trades where period >= ? order by period", period)
        ]

    # Notes

    def note(self, name: str, value: str) -> None:
        """Remember a value under a name."""
        self._write("insert or replace into notes values (?, ?)", name, value)

    def noted(self, name: str) -> str | None:
        """What was noted last."""
        row = self._one("select value from notes where name = ?", name)
        return None if row is None else str(row[0])

    def _write(self, statement: str, *values: object) -> None:
        with self._kept(), closing(self._database.execute(statement, values)):
            pass

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise BookFailed(
                f"the book {self._path} cannot be used: {error}; free the disk and start again"
            ) from error

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        with self._kept(), closing(self._database.execute(query, values)) as cursor:
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._kept(), closing(self._database.execute(query, values)) as cursor:
            return cursor.fetchall()


def _counted(row: tuple[Any, ...]) -> Counted:
    at_s, import_wh, export_wh, battery_wh, raw_import_wh, raw_export_wh, follows = row
    raw = None if raw_import_wh is None else Raw(raw_import_wh, raw_export_wh)
    return Counted(at_s, import_wh, export_wh, battery_wh, raw, bool(follows))


def _cut(row: tuple[Any, ...]) -> Cut:
    period, length_min, *rest = row
    return Cut(Period(period, length_min), *rest)
