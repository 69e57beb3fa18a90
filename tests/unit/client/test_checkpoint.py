# SPDX-License-Identifier: Apache-2.0
"""Checkpoints survive what a process does not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commonwatt_client import ChaincodeEvent, ConfigurationError, FileCheckpointer, InMemoryCheckpointer

EVENT = ChaincodeEvent(7, "ab12", "market", "Trade", b"")


@pytest.mark.parametrize("make", [lambda path: InMemoryCheckpointer(), FileCheckpointer])
def test_positions(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    checkpointer = make(tmp_path / "events.checkpoint")
    assert (checkpointer.block_number, checkpointer.transaction_id) == (None, "")
    checkpointer.checkpoint_chaincode_event(EVENT)
    assert (checkpointer.block_number, checkpointer.transaction_id) == (7, "ab12")
    checkpointer.checkpoint_block(7)
    assert (checkpointer.block_number, checkpointer.transaction_id) == (8, "")
    checkpointer.checkpoint_transaction(9, "cd34")
    assert (checkpointer.block_number, checkpointer.transaction_id) == (9, "cd34")


def test_a_file_is_read_again(tmp_path: Path) -> None:
    FileCheckpointer(tmp_path / "c").checkpoint_chaincode_event(EVENT)
    again = FileCheckpointer(tmp_path / "c")
    assert (again.block_number, again.transaction_id) == (7, "ab12")
    assert [file.name for file in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"blockNumber": -1, "transactionId": ""}',
        '{"blockNumber": 18446744073709551615, "transactionId": ""}',
        '{"blockNumber": true, "transactionId": ""}',
        '{"blockNumber": 1, "transactionId": "\\ud800"}',
        "[" * 100_000,
    ],
)
def test_what_is_no_checkpoint_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="not a checkpoint file"):
        FileCheckpointer(file)
    assert file.read_text() == text


def test_a_failed_write_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpointer = FileCheckpointer(tmp_path / "c")
    checkpointer.checkpoint_block(1)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpointer.checkpoint_block(2)
    assert checkpointer.block_number == 2
    monkeypatch.undo()
    assert FileCheckpointer(tmp_path / "c").block_number == 2
    assert [file.name for file in tmp_path.iterdir()] == ["c"]


def test_kill_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "c"
    code = (
        "import sys; from commonwatt_client import FileCheckpointer\n"
        "c = FileCheckpointer(sys.argv[1])\n"
        "for n in range(10**9): c.checkpoint_transaction(n, f'{n:064x}')\n"
    )
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code, file])
        try:
            deadline = time.monotonic() + 30
            while not file.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=10)
        state = json.loads(file.read_text())
        assert state["transactionId"] == f"{state['blockNumber']:064x}"
        assert FileCheckpointer(file).block_number == state["blockNumber"]
