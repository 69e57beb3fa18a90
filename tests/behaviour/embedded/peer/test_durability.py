# SPDX-License-Identifier: Apache-2.0
"""Nothing that was reported committed is lost: a process killed under load, torn and damaged ledger files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import sys
from pathlib import Path

import pytest
from commonwatt_client import ClientError, Contract
from commonwatt_network.embedded.channels.blocks import header_hash
from commonwatt_network.embedded.ledger import Ledger, LedgerDamaged
from commonwatt_network.embedded.ledger.packing import packed
from commonwatt_network.embedded.process import EmbeddedNetwork
from commonwatt_network.testing import TestNetwork, run_embedded_network

KILLS = 3
CHANNEL, WAL = "newtown", "ledger.sqlite-wal"


async def _write_until_cut_off(
    kv: Contract, label: str, committed: list[str], reached: asyncio.Event
) -> None:
    enough = len(committed) + random.randint(1, 30)
    for number in range(10_000):
        key = f"{label}-{number}"
        try:
            await kv.submit_transaction("put", key, key)
        except ClientError:
            return
        committed.append(key)
        if len(committed) >= enough:
            reached.set()


async def test_a_killed_process_loses_nothing_that_it_reported(ledger: TestNetwork) -> None:
    """The network of the fixture is stopped; a process of its own goes on with its folders, and is killed again and
    again, at moments that nobody chose.
    """
    configuration = ledger.nodes.layout.configuration / "embedded" / "embedded.json"
    ready = ledger.nodes.layout.configuration / "embedded" / "ready.json"
    await ledger.network.stop()
    committed: list[str] = []
    for turn in range(KILLS + 1):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "commonwatt_network.embedded", str(configuration)
        )
        try:
            async with asyncio.timeout(20):
                while not ready.exists():
                    assert process.returncode is None
                    await asyncio.sleep(0.02)
            async with ledger.connect("newtown") as gateway:
                kv = gateway.get_network("newtown").get_contract("kv")
                for key in committed:
                    assert await kv.evaluate_transaction("get", key) == key.encode()
                if turn == KILLS:
                    break
                reached = asyncio.Event()
                writers = [
                    asyncio.create_task(_write_until_cut_off(kv, f"{turn}-{writer}", committed, reached))
                    for writer in range(8)
                ]
                async with asyncio.timeout(30):
                    await reached.wait()
                await asyncio.sleep(random.uniform(0, 0.02))
                os.kill(process.pid, signal.SIGKILL)
                await asyncio.wait_for(asyncio.gather(*writers), 60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            ready.unlink(missing_ok=True)
    heights = set()
    for name in ("peer0.newtown", "peer0.grid"):
        kept = Ledger(ledger.nodes.layout.ledgers / name / "channels" / "newtown" / "ledger.sqlite")
        rows = kept.database.execute("select * from state order by namespace, key").fetchall()
        public = [row for row in rows if "$$p" not in row[0]]
        assert kept.commit_hash
        heights.add((kept.height, kept.last_hash, kept.commit_hash, hash(tuple(public))))
        kept.close()
    assert len(heights) == 1


async def test_a_peer_whose_last_blocks_are_torn_off_fetches_them_again(
    ledger: TestNetwork, tmp_path: Path
) -> None:
    """What a power cut may leave of the peer's write-ahead log: every cut is a whole ledger of fewer blocks."""
    directory = ledger.nodes.layout.ledgers / "peer0.grid" / "channels" / CHANNEL
    whole = tmp_path / "whole"
    shutil.copytree(directory, whole)  # as it lies there while the peer runs
    other = ledger.peer("peer0.newtown").channels[CHANNEL].ledger
    hashes = [b""] + [header_hash(other.block(number).header) for number in range(other.height)]
    config = ledger.network.config
    await ledger.network.stop()
    size = (whole / WAL).stat().st_size
    heights = []
    for cut in (0, 17, size // 3, size // 2, size * 3 // 4, size - 5_000, size - 1):
        torn = tmp_path / f"torn{cut}"
        shutil.copytree(whole, torn)
        os.truncate(torn / WAL, cut)
        kept = Ledger(torn / "ledger.sqlite")
        heights.append(kept.height)
        assert kept.last_hash == hashes[kept.height]
        kept.close()
    assert heights == sorted(heights)
    assert heights[0] < heights[-1] < len(hashes)

    shutil.rmtree(directory)
    shutil.copytree(whole, directory)
    os.truncate(directory / WAL, size * 3 // 4)
    again = EmbeddedNetwork(config)
    await again.start()
    try:
        peer = next(peer for peer in again.peers if peer.config.name == "peer0.grid")
        async with asyncio.timeout(10):
            await peer.channels[CHANNEL].wait_for_height(len(hashes) - 1)
        again_kept = peer.channels[CHANNEL].ledger
        assert (again_kept.last_hash, again_kept.commit_hash) == (hashes[-1], other.commit_hash)
    finally:
        await again.stop()


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"something else entirely, longer than a header of SQLite " * 40)
    with pytest.raises(LedgerDamaged, match="not a readable ledger .* delete the file"):
        Ledger(path)


async def test_a_last_block_with_other_contents_is_refused(tmp_path: Path) -> None:
    async with run_embedded_network(tmp_path) as network:
        path = network.nodes.layout.ledgers / "peer0.grid" / "channels" / "newtown" / "ledger.sqlite"
    damaged = Ledger(path)
    block = damaged.block(damaged.height - 1)
    assert block is not None
    block.data.data[0] = b"another transaction"
    damaged.database.execute("update blocks set content = ?", (packed(block.SerializeToString()),))
    damaged.close()
    with pytest.raises(LedgerDamaged, match="does not have the contents that its header names"):
        Ledger(path)


async def test_calls_over_the_limit_are_refused_as_by_a_real_peer(tmp_path: Path) -> None:
    async with run_embedded_network(tmp_path, settings={"gateway_concurrency_limit": 1}) as network:
        async with network.connect("newtown") as gateway:
            contract = gateway.get_network("newtown").get_contract("qscc")
            calls = [contract.evaluate_transaction("GetChainInfo", "newtown") for _ in range(20)]
            results = await asyncio.gather(*calls, return_exceptions=True)
        refused = [str(result) for result in results if isinstance(result, ClientError)]
        for text in refused:
            assert "too many requests for /gateway.Gateway, exceeding concurrency limit (1)" in text
        assert len(refused) < len(results)
