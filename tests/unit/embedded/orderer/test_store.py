# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.embedded.orderer.store import BlockStore, StoreDamaged
from fabric_protos.common import common_pb2

WRITER = """
import sys
from pathlib import Path
from fabric_protos.common import common_pb2
from commonwatt_network.embedded.orderer.store import BlockStore
store = BlockStore(Path(sys.argv[1]))
while True:
    number = store.height
    content = [bytes([number % 251]) * 5000]
    header, data = common_pb2.BlockHeader(number=number), common_pb2.BlockData(data=content)
    store.append(common_pb2.Block(header=header, data=data))
    print(number, flush=True)
"""


def block(number: int) -> Any:
    data = common_pb2.BlockData(data=[b"%d" % number * 10])
    return common_pb2.Block(header=common_pb2.BlockHeader(number=number), data=data)


def filled(path: Path, count: int) -> None:
    store = BlockStore(path)
    for number in range(count):
        store.append(block(number))
    store.close()


def test_blocks_come_back_after_reopening(tmp_path: Path) -> None:
    filled(tmp_path / "blocks", 100)
    store = BlockStore(tmp_path / "blocks")
    assert store.height == 100
    assert [store.block(number).data.data for number in range(100)] == [
        block(n).data.data for n in range(100)
    ]
    with pytest.raises(IndexError):
        store.block(100)
    with pytest.raises(ValueError, match="cannot follow"):
        store.append(block(7))
    store.close()


def test_a_tail_torn_at_any_byte_is_cut_off_and_writing_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "blocks"
    filled(path, 1)
    end_of_first = path.stat().st_size
    path.unlink()
    filled(path, 2)
    whole = path.read_bytes()
    for length in range(end_of_first + 1, len(whole)):
        path.write_bytes(whole[:length])
        store = BlockStore(path)
        assert (store.height, store.repaired_bytes) == (1, length - end_of_first)
        store.append(block(1))
        store.close()
        assert path.read_bytes() == whole


def test_a_last_record_of_zeros_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "blocks"
    filled(path, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + 8] + bytes(len(whole) - len(whole) // 2 - 8))
    store = BlockStore(path)
    assert store.height == 1
    store.close()


def test_damage_before_the_last_record_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "blocks"
    filled(path, 3)
    damaged = bytearray(path.read_bytes())
    damaged[20] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(StoreDamaged, match="block 0 at byte 0 does not match its checksum; restore the file"):
        BlockStore(path)
    assert path.read_bytes() == damaged


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "blocks"
    filled(path, 1)
    before = path.read_bytes()
    store = BlockStore(path)

    def half_then_full(descriptor: int, content: memoryview, offset: int) -> int:
        if offset > len(before):
            raise OSError(28, "No space left on device")
        return os_pwrite(descriptor, content[:10], offset)

    os_pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", half_then_full)
    with pytest.raises(OSError, match="No space left"):
        store.append(block(1))
    monkeypatch.undo()
    assert path.read_bytes() == before
    store.append(block(1))
    assert store.height == 2
    store.close()


def test_a_killed_writer_loses_no_block_that_it_told_of(tmp_path: Path) -> None:
    path = tmp_path / "blocks"
    told = -1
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(15):
                told = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            told = max([told, *map(int, writer.stdout.read().split())])
        store = BlockStore(path)
        assert store.height > told
        assert store.block(told).data.data == [bytes([told % 251]) * 5000]
        store.close()
