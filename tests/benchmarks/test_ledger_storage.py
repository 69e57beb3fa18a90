# SPDX-License-Identifier: Apache-2.0
"""What storing a block costs: SQLite in WAL mode, which the embedded network uses, beside LMDB.

Where every block is synced both take about as long (2.4 and 3.1 ms on 2 cores shared with other work), and SQLite comes
with Python, needs no map size, and holds what LMDB would need further trees for. LMDB's part runs where
it is installed: `uv run --with lmdb pytest tests/benchmarks/test_ledger_storage.py -s`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commonwatt_network.embedded.ledger.database import open_database

BLOCKS, WRITES = 1_000, 30  # ten transactions of three writes each
VALUE = os.urandom(200)


def report(name: str, store: Callable[[int], None]) -> None:
    began = time.perf_counter()
    for block in range(BLOCKS):
        store(block)
    print(f"\n{name}: {(time.perf_counter() - began) / BLOCKS * 1000:.2f} ms per block of {WRITES} writes")


@pytest.mark.parametrize("synchronous", ["normal", "full"])
def test_sqlite(tmp_path: Path, synchronous: str) -> None:
    database = open_database(tmp_path / "ledger.sqlite")
    database.execute(f"pragma synchronous = {synchronous}")
    database.execute("create table trial (key text primary key, value blob not null) without rowid")

    def store(block: int) -> None:
        rows = [(f"{block % 100}.{row}", VALUE) for row in range(WRITES)]
        database.execute("begin")
        database.executemany("insert or replace into trial values (?, ?)", rows)
        database.execute("commit")

    report(f"SQLite, WAL, synchronous={synchronous}", store)
    database.close()


@pytest.mark.parametrize("sync", [False, True])
def test_lmdb(tmp_path: Path, sync: bool) -> None:
    lmdb = pytest.importorskip("lmdb", reason="lmdb is not installed; it is measured for comparison alone")
    environment = lmdb.open(str(tmp_path), map_size=1 << 28, sync=sync)

    def store(block: int) -> None:
        with environment.begin(write=True) as transaction:
            for row in range(WRITES):
                transaction.put(f"{block % 100}.{row}".encode(), VALUE)

    report(f"LMDB, sync={sync}", store)
    environment.close()
