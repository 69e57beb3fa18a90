# SPDX-License-Identifier: Apache-2.0
"""The service's SQLite file: reads at once, writes by one thread that puts what came meanwhile into one commit."""

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commonwatt_client.errors import ConfigurationError

from .schema import SCHEMA, VERSION

Statement = tuple[str, Sequence[Any]]

_MOST_IN_A_COMMIT = 2_000
_BUSY_S = 10.0


class StoreFailed(OSError):
    """The file cannot be written, as where the disk is full: nothing of the write was kept."""


class Store:
    """One file of mode 0600, which one process holds at a time.

    Once `write` has returned, its rows are on disk, whatever happens next. ConfigurationError for a file that another
    process
    holds, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise ConfigurationError(f"another process serves from {path}; end it first") from None
        except OSError as error:
            raise ConfigurationError(
                f"the service's file {path} cannot be opened: {error.strerror}"
            ) from error
        try:
            self._writer = _opened(path)
            self._reader = _opened(path)
        except sqlite3.Error as error:
            os.close(self._lock)
            raise ConfigurationError(
                f"{path} is no file of this service ({error}); restore it from a backup, or move it away"
            ) from error
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="service-store", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, and let another process have the file."""
        self._queue.put(None)
        self._thread.join()
        self._reader.close()
        self._writer.close()
        os.close(self._lock)

    def one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a question."""
        row: sqlite3.Row | None = self._reader.execute(sql, values).fetchone()
        return row

    def all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Every row of a question."""
        return self._reader.execute(sql, values).fetchall()

    async def write(self, *statements: Statement) -> list[int]:
        """Have all statements written, or none; how many rows each one changed. StoreFailed."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[list[int]] = loop.create_future()
        self._queue.put((statements, written, loop))
        return await written

    def _write_all(self) -> None:
        ended = False
        while not ended:
            batch: list[_Write] = []
            one = self._queue.get()
            while one is not None:
                batch.append(one)
                if len(batch) == _MOST_IN_A_COMMIT:
                    break
                try:
                    one = self._queue.get_nowait()
                except queue.Empty:
                    break
            else:
                ended = True
            if batch:
                self._commit(batch)

    def _commit(self, batch: "list[_Write]") -> None:
        answers: list[list[int] | StoreFailed] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            answers.extend(self._applied(statements) for statements, _, _ in batch)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            answers = [StoreFailed(f"{self._path} cannot be written: {error}")] * len(batch)
        for (_, written, loop), answer in zip(batch, answers, strict=True):
            _tell(loop, written, answer)

    def _applied(self, statements: Sequence[Statement]) -> list[int] | StoreFailed:
        self._writer.execute("SAVEPOINT one")
        try:
            counts = [self._writer.execute(sql, values).rowcount for sql, values in statements]
        except sqlite3.IntegrityError as error:
            self._writer.execute("ROLLBACK TO one")
            self._writer.execute("RELEASE one")
            return StoreFailed(f"{self._path} refuses a row: {error}")
        self._writer.execute("RELEASE one")
        return counts


_Write = tuple[Sequence[Statement], "asyncio.Future[list[int]]", asyncio.AbstractEventLoop]


def back_up(path: Path, copy: Path) -> None:
    """Write a consistent copy of mode 0600 while the service runs. ConfigurationError; an existing file stays."""
    try:
        os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise ConfigurationError(f"the backup {copy} cannot be made: {error.strerror}") from error
    try:
        source = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        target = sqlite3.connect(copy)
        try:
            source.backup(target)
        finally:
            source.close()
            target.close()
    except sqlite3.Error as error:
        copy.unlink()
        raise ConfigurationError(f"{path} cannot be copied: {error}") from error


def _opened(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA secure_delete = ON")
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version == 0:
        database.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    elif version != VERSION:
        raise sqlite3.DatabaseError(f"its version is {version}, not {VERSION}")
    return database


def _tell(
    loop: asyncio.AbstractEventLoop, written: "asyncio.Future[list[int]]", answer: list[int] | StoreFailed
) -> None:
    def tell() -> None:
        if written.done():
            return
        if isinstance(answer, StoreFailed):
            written.set_exception(answer)
        else:
            written.set_result(answer)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:
        return  # the loop ended: nobody waits any more
