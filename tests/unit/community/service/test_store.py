# SPDX-License-Identifier: Apache-2.0
"""The service's file: written or not, never in part; held by one process; copied while it is written."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from commonwatt_client.errors import ConfigurationError
from commonwatt_community.service import audit_log
from commonwatt_community.service.forgetting import _TABLES
from commonwatt_community.service.schema import SCHEMA
from commonwatt_community.service.store import Store, StoreFailed, back_up


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "service.db")
    yield made
    made.close()


ADD = "INSERT INTO wishes VALUES (?, 0, '{}', 1)"


async def test_writes_are_whole_and_tell_what_they_changed(store: Store) -> None:
    counts = await asyncio.gather(*(store.write((ADD, (f"h-{n}",))) for n in range(50)))
    assert counts == [[1]] * 50
    with pytest.raises(StoreFailed):
        await store.write((ADD, ("h-50",)), (ADD, ("h-1",)))
    assert store.one("SELECT 1 FROM wishes WHERE home = 'h-50'") is None
    mixed = await asyncio.gather(
        store.write((ADD, ("h-51",))),
        store.write((ADD, ("h-1",))),
        store.write((ADD, ("h-52",))),
        return_exceptions=True,
    )
    assert [type(one) for one in mixed] == [list, StoreFailed, list]
    assert len(store.all("SELECT * FROM wishes")) == 52


async def test_a_failing_disk_fails_the_write_and_nothing_else(store: Store) -> None:
    store._writer.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreFailed):
        await store.write((ADD, ("h-1",)))
    store._writer.execute("PRAGMA query_only = OFF")
    assert await store.write((ADD, ("h-1",))) == [1]


async def test_one_process_holds_the_file(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="another process"):
        Store(tmp_path / "service.db")


def test_files_are_the_owners_alone_and_of_this_version(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "service.db"
    Store(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ConfigurationError, match="version"):
        Store(path)
    path.write_bytes(b"no database, but long enough to be looked at " * 40)
    with pytest.raises(ConfigurationError, match="backup"):
        Store(path)


async def test_a_backup_is_whole_and_replaces_nothing(store: Store, tmp_path: Path) -> None:
    await store.write((ADD, ("h-1",)))
    copy = tmp_path / "copy.db"
    back_up(tmp_path / "service.db", copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    restored = Store(copy)
    assert [row["home"] for row in restored.all("SELECT home FROM wishes")] == ["h-1"]
    restored.close()
    with pytest.raises(ConfigurationError, match="cannot be made"):
        back_up(tmp_path / "service.db", copy)
    with pytest.raises(ConfigurationError, match="cannot be copied"):
        back_up(tmp_path / "nowhere.db", tmp_path / "other.db")
    assert not (tmp_path / "other.db").exists()


async def test_the_audit_log_keeps_lines_for_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await audit_log.note(store, "home:h-1", "h-1", "192.0.2.1", "login", "done")
    await audit_log.drop_old(store)
    assert [row["action"] for row in store.all("SELECT * FROM audit_log")] == ["login"]
    monkeypatch.setattr(audit_log, "KEEP_S", -10)
    await audit_log.drop_old(store)
    assert store.all("SELECT * FROM audit_log") == []


def test_every_table_of_a_home_can_be_forgotten() -> None:

    tables = {
        part.split()[0]
        for part in SCHEMA.split("CREATE TABLE ")[1:]
        if " home TEXT" in part.split(") STRICT")[0]
    }
    assert tables == set(_TABLES)
