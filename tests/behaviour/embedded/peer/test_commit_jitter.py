# SPDX-License-Identifier: Apache-2.0
"""Peers commit at different times, as on machines of their own: who reads too early elsewhere notices it in a test."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest
from commonwatt_client import Contract, Gateway
from commonwatt_network.testing import TestNetwork, run_embedded_network

from .conftest import CHAINCODE, kv_of

CHANNEL = "newtown"
ROUNDS = 12
AT_MOST = 200
"""Rounds until an early read is noticed: on a busy machine the answer may take longer than a peer is behind."""


async def network_with(tmp_path: Path, jitter_ms: int | None, rounds: int = ROUNDS) -> None:
    """What an application does, as it is often written: submit at one organisation, read at another at once."""
    async with run_embedded_network(tmp_path / "network", commit_jitter_ms=jitter_ms) as network:
        await network.deploy("kv", [sys.executable, str(CHAINCODE)], guard=False)
        async with network.connect("newtown") as seller, network.connect("grid") as buyer:
            for number in range(rounds):
                await kv_of(seller).submit_transaction("put", "k", str(number))
                assert await kv_of(buyer).evaluate_transaction("get", "k") == str(number).encode()


async def test_an_application_that_reads_too_early_elsewhere_fails_by_default(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        await network_with(tmp_path, None, AT_MOST)


async def test_it_would_not_be_noticed_where_peers_commit_in_step(tmp_path: Path) -> None:
    await network_with(tmp_path, 0)


async def submitted_and_read(seller: Contract, buyers: Gateway, number: int) -> bytes:
    outcome = await seller.submit("put", arguments=["k", str(number)])
    await buyers.new_commit_for(CHANNEL, outcome.transaction_id).status()  # until the buyer's own peer has it
    return await kv_of(buyers).evaluate_transaction("get", "k")


async def test_an_application_that_waits_for_its_own_peer_passes(ledger: TestNetwork) -> None:
    async with ledger.connect("newtown") as seller, ledger.connect("grid") as buyer:
        for number in range(ROUNDS):
            assert await submitted_and_read(kv_of(seller), buyer, number) == str(number).encode()


async def test_blocks_in_a_queue_are_not_delayed_one_after_another(tmp_path: Path) -> None:
    async with run_embedded_network(tmp_path / "network", commit_jitter_ms=400) as network:
        await network.deploy("kv", [sys.executable, str(CHAINCODE)], guard=False)
        async with network.connect("newtown") as gateway:
            kv = kv_of(gateway)
            height = network.peer("peer0.newtown").channels[CHANNEL].height
            endorsed = [
                await kv.new_proposal("put", arguments=[f"k{number}", "v"]).endorse() for number in range(20)
            ]
            pending = []
            for transaction in endorsed:
                pending.append(await transaction.submit())
                await asyncio.sleep(0.06)  # a block each
            began_s = time.perf_counter()
            await asyncio.gather(*(commit.status() for commit in pending))
            took_s = time.perf_counter() - began_s
        blocks = network.peer("peer0.newtown").channels[CHANNEL].height - height
        assert blocks >= 15
        assert took_s < 1.5  # in series the last would come 2.8 s after it was submitted


async def test_a_snapshot_has_every_block_of_every_peer(ledger: TestNetwork) -> None:
    async with ledger.connect("newtown") as gateway:
        for number in range(5):
            await kv_of(gateway).submit_transaction("put", "k", str(number))
            ledger.snapshot()
            heights = {peer.channels[CHANNEL].height for peer in ledger.network.peers}
            assert len(heights) == 1
        await kv_of(gateway).submit_transaction("put", "k", "last")
        assert await kv_of(gateway).evaluate_transaction("get", "k") == b"last"
