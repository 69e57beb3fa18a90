# SPDX-License-Identifier: Apache-2.0
"""The fixtures of `commonwatt_network.testing`: snapshots, clock, faults, and the determinism guard."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import Any

import pytest
from commonwatt_client import Contract, EndorseError, EvaluateError, Gateway, SubmitError
from commonwatt_network.testing import TestNetwork

from .conftest import CHAINCODE


def kv_of(gateway: Gateway) -> Contract:
    return gateway.get_network("newtown").get_contract("kv")


async def test_restoring_a_snapshot_takes_everything_back_and_the_network_goes_on(
    ledger: TestNetwork,
) -> None:
    async with ledger.connect("newtown") as gateway:
        kv = kv_of(gateway)
        await kv.submit_transaction("put", "k", "before")
        before = ledger.snapshot()
        height = ledger.peer("peer0.grid").channels["newtown"].height
        await kv.submit_transaction("put", "k", "after")
        began = time.perf_counter()
        await ledger.restore(before)
        assert time.perf_counter() - began < 2
        assert await kv.evaluate_transaction("get", "k") == b"before"
        assert ledger.peer("peer0.grid").channels["newtown"].height == height
        await kv.submit_transaction("put", "k", "again")
        assert await kv.evaluate_transaction("get", "k") == b"again"


async def test_the_guard_names_what_differs_between_two_runs(ledger: TestNetwork) -> None:
    prefix = "determinism guard: two runs of this proposal differ, so endorsers would disagree: "
    async with ledger.connect("newtown") as gateway:
        for transaction, difference in (
            ("stamp", r"kv: write of 'stamp': b'\d+' and b'\d+'"),
            ("scatter", r"kv: write of 'order': b'[a-z ]+' and b'[a-z ]+'"),
            ("today", r"result: b'\d{4}-\d\d-\d\d' and b'\d{4}-\d\d-\d\d'"),
        ):
            with pytest.raises(EndorseError) as refused:
                await kv_of(gateway).submit_transaction(transaction)
            message = refused.value.details[0].message
            assert re.search(re.escape(prefix) + difference, message), message


async def test_every_chaincode_is_guarded_unless_it_is_deployed_without(ledger: TestNetwork) -> None:
    await ledger.deploy("second", [sys.executable, str(CHAINCODE)])
    await ledger.deploy("trusted", [sys.executable, str(CHAINCODE)], guard=False)
    async with ledger.connect("newtown") as gateway:
        channel = gateway.get_network("newtown")
        with pytest.raises(EndorseError) as refused:
            await channel.get_contract("second").submit_transaction("scatter")
        assert "determinism guard" in refused.value.details[0].message
        await channel.get_contract("trusted").evaluate_transaction("today")


async def test_a_clash_is_a_conflict_once(ledger: TestNetwork) -> None:
    async with ledger.connect("newtown") as gateway:
        kv = kv_of(gateway)
        ledger.clash()
        for expected in ("MVCC_READ_CONFLICT", "VALID"):
            transaction = await kv.new_proposal("put", arguments=["k", "1"]).endorse()
            assert (await (await transaction.submit()).status()).code.name == expected
    ledger.level()
    peers = [peer.channels["newtown"].ledger.last_hash for peer in ledger.network.peers]
    assert peers[0] == peers[1]


async def test_a_peer_that_is_down_cannot_endorse(ledger: TestNetwork) -> None:
    async with ledger.connect("newtown") as gateway:
        kv = kv_of(gateway)
        faults = ledger.peer("peer0.grid").faults
        faults.down = True
        with pytest.raises(EndorseError, match="no combination of peers can be derived"):
            await kv.submit_transaction("put", "k", "1")
        faults.down = False
        await kv.submit_transaction("put", "k", "1")


async def test_endorsers_that_disagree_are_told_apart(ledger: TestNetwork) -> None:
    async with ledger.connect("newtown") as gateway:
        ledger.peer("peer0.grid").faults.mismatching = True
        with pytest.raises(
            EndorseError, match="failed to collect enough transaction endorsements"
        ) as refused:
            await kv_of(gateway).submit_transaction("put", "k", "1")
    detail = refused.value.details[0]
    assert (detail.mspid, detail.message) == ("GridMSP", "ProposalResponsePayloads do not match")


async def test_an_orderer_without_leader_takes_nothing(ledger: TestNetwork) -> None:
    async with ledger.connect("newtown") as gateway:
        kv = kv_of(gateway)
        ledger.without_leader()
        with pytest.raises(SubmitError, match="no orderers could successfully process transaction"):
            await kv.submit_transaction("put", "k", "1")
        ledger.without_leader(False)
        await kv.submit_transaction("put", "k", "1")


async def test_a_dropped_event_stream_is_resumed_without_loss(ledger: TestNetwork) -> None:
    async with ledger.connect("newtown") as gateway:
        kv = kv_of(gateway)
        start = ledger.peer("peer0.newtown").channels["newtown"].height
        names = []
        async with asyncio.timeout(20):
            await kv.submit_transaction("announce", "one")
            async for event in gateway.get_network("newtown").chaincode_events("kv", start_block=start):
                names.append(event.event_name)
                if len(names) == 2:
                    break
                ledger.peer("peer0.newtown").faults.drop_event_streams()
                await kv.submit_transaction("announce", "two")
    assert names == ["one", "two"]


async def test_the_peers_clock_can_be_moved(ledger: TestNetwork) -> None:
    async with ledger.connect("newtown") as gateway:
        ledger.set_clock(lambda: time.time() + 3600)
        with pytest.raises(EvaluateError, match="see attached details") as refused:
            await kv_of(gateway).evaluate_transaction("get", "k")
        assert "request unauthorized due to incorrect timestamp" in refused.value.details[0].message
        ledger.set_clock(lambda: time.time() + 20 * 365 * 86400)
        with pytest.raises(EvaluateError) as expired:
            await kv_of(gateway).evaluate_transaction("get", "k")
        assert "proposal client identity expired" in expired.value.details[0].message


async def test_slow_commits_keep_their_order(ledger: TestNetwork) -> None:
    for peer in ledger.network.peers:
        peer.faults.commit_delay_s = 0.05
    async with ledger.connect("newtown") as gateway:
        kv = kv_of(gateway)
        results: list[Any] = await asyncio.gather(
            *(kv.submit_transaction("put", f"k{n}", "1") for n in range(5))
        )
    assert len(results) == 5
