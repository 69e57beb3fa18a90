# SPDX-License-Identifier: Apache-2.0
"""Ledgers of nodes that ended while they made their databases."""

from pathlib import Path

import pytest
from commonwatt_network.programs.unfinished import remove_unfinished


def made(ledger: Path, *files: str) -> Path:
    for file in files:
        (ledger / file).parent.mkdir(parents=True, exist_ok=True)
        (ledger / file).touch()
    return ledger


def test_a_database_that_was_never_finished_goes_with_its_empty_ledger(tmp_path: Path) -> None:
    ledger = made(tmp_path / "peer0", "ledgersData/fileLock/LOCK", "ledgersData/fileLock/LOG")
    assert remove_unfinished(ledger)
    assert not ledger.exists()


@pytest.mark.parametrize(
    "files",
    [
        ("fileLock/LOCK", "fileLock/CURRENT"),
        ("fileLock/LOCK", "fileLock/CURRENT", "index/LOCK", "chains/newtown/blockfile_000000"),
        ("index/LOCK", "chains/newtown/blockfile_000000"),
        ("peer0.sqlite",),
    ],
)
def test_a_ledger_that_is_whole_or_holds_a_block_stays(tmp_path: Path, files: tuple[str, ...]) -> None:
    ledger = made(tmp_path / "peer0", *files)
    assert not remove_unfinished(ledger)
    assert all((ledger / file).exists() for file in files)


def test_a_node_that_never_ran(tmp_path: Path) -> None:
    assert not remove_unfinished(tmp_path / "peer0")
