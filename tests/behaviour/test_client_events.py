# SPDX-License-Identifier: Apache-2.0
"""Chaincode events and the three kinds of block events on every backend, from now, replayed and resumed."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import (
    CommitError,
    EventsError,
    FileCheckpointer,
    Gateway,
    InMemoryCheckpointer,
    Network,
    Timeouts,
    ValidationCode,
    connect,
    connect_network_file,
    sync,
)
from commonwatt_client.profile import network_file_peers, network_file_user

BLOCK_STREAMS = ("block_events", "filtered_block_events", "block_and_private_data_events")
WAIT_S = 20
LISTENER = Path(__file__).parent / "listener_process.py"


@pytest.fixture
def channel(gateway: Gateway) -> Network:
    return gateway.get_network("trials")


async def announce(channel: Network, name: str, text: str = "x") -> Any:
    return await channel.get_contract("probe").submit("announce", arguments=[name, text])


async def following(stream: Any) -> Any:
    return await asyncio.wait_for(anext(stream), WAIT_S)


async def test_an_event_is_received(channel: Network) -> None:
    async with channel.chaincode_events("probe") as events:
        outcome = await announce(channel, "Sunny", "12 kWh")
        event = await following(events)
    assert (event.event_name, event.payload, event.chaincode_name) == ("Sunny", b"12 kWh", "probe")
    assert (event.transaction_id, event.block_number) == (outcome.transaction_id, outcome.block_number)


class Reached:
    """A checkpoint of a ledger that is not this one."""

    def __init__(self, block_number: int, transaction_id: str = "") -> None:
        self.block_number = block_number
        self.transaction_id = transaction_id


async def test_a_checkpoint_of_a_ledger_that_was_reset_is_told(deployed: Any, channel: Network) -> None:
    """Today's newest block is below the checkpoint, or its block holds other transactions."""
    committed = (await announce(channel, "before")).block_number
    identity, signer = network_file_user(deployed.path, "newtown", "operator")
    peers = network_file_peers(deployed.path, "newtown")
    given: dict[str, Any] = {"identity": identity, "signer": signer, "timeouts": Timeouts(evaluate_s=0.5)}
    for checkpoint in (Reached(1_000_000, "ab12"), Reached(1_000_000), Reached(committed, "ab12")):
        async with connect(peers, **given) as gateway:
            with pytest.raises(EventsError, match="the checkpoint is at block") as caught:
                await anext(gateway.get_network("trials").chaincode_events("probe", checkpoint=checkpoint))
        assert caught.value.reason == "CHECKPOINT_OF_ANOTHER_LEDGER"
    with sync.connect(peers, **given) as blocking, pytest.raises(EventsError, match="is at block 1000000"):
        next(blocking.get_network("trials").block_events(checkpoint=Reached(1_000_000)))


async def test_events_are_replayed_in_order(channel: Network) -> None:
    outcomes = [await announce(channel, f"E{number}") for number in range(4)]
    async with channel.chaincode_events("probe", start_block=outcomes[0].block_number) as events:
        names = [(await following(events)).event_name for _ in range(4)]
    assert names == ["E0", "E1", "E2", "E3"]


async def test_listeners_do_not_disturb_each_other(channel: Network) -> None:
    async with channel.chaincode_events("probe") as one, channel.chaincode_events("probe") as two:
        await announce(channel, "before")
        assert (await following(one)).event_name == (await following(two)).event_name == "before"
        await one.close()
        await announce(channel, "after")
        assert (await following(two)).event_name == "after"
        with pytest.raises(StopAsyncIteration):
            await anext(one)


async def test_close_ends_a_read_under_way(channel: Network) -> None:
    async with channel.chaincode_events("probe") as events:
        reading = asyncio.create_task(collect(events))
        await announce(channel, "one")
        await asyncio.sleep(0.2)  # the reader is now waiting for a second event
        await events.close()
        assert [event.event_name for event in await asyncio.wait_for(reading, WAIT_S)] == ["one"]


async def collect(events: Any) -> list[Any]:
    return [event async for event in events]


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_a_checkpoint_goes_on_where_it_stopped(channel: Network, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "events.checkpoint"
    checkpointer = FileCheckpointer(file) if kind == "file" else InMemoryCheckpointer()
    async with channel.chaincode_events("probe", checkpoint=checkpointer) as events:
        await announce(channel, "one")
        event = await following(events)
        checkpointer.checkpoint_chaincode_event(event)
    await announce(channel, "two")
    if kind == "file":
        checkpointer = FileCheckpointer(file)
    async with channel.chaincode_events("probe", checkpoint=checkpointer) as events:
        assert (await following(events)).event_name == "two"


@pytest.mark.parametrize("kind", BLOCK_STREAMS)
async def test_blocks_are_received_replayed_and_checkpointed(channel: Network, kind: str) -> None:
    checkpointer = InMemoryCheckpointer()
    async with getattr(channel, kind)(checkpoint=checkpointer) as blocks:
        outcome = await announce(channel, "block")
        received = await following(blocks)
        assert received.number == outcome.block_number
        checkpointer.checkpoint_block(received.number)
    async with getattr(channel, kind)(start_block=outcome.block_number) as blocks:
        assert (await following(blocks)).number == outcome.block_number
    next_outcome = await announce(channel, "next")
    async with getattr(channel, kind)(checkpoint=checkpointer) as blocks:
        assert (await following(blocks)).number == outcome.block_number + 1 <= next_outcome.block_number


async def test_contents_of_a_block(channel: Network) -> None:
    outcome = await announce(channel, "Sunny", "12 kWh")
    async with channel.block_events(start_block=outcome.block_number) as blocks:
        transaction = (await following(blocks)).transactions[0]
    assert transaction.transaction_id == outcome.transaction_id
    assert transaction.validation_code is ValidationCode.VALID
    assert transaction.arguments == (b"announce", b"Sunny", b"12 kWh")
    assert (transaction.chaincode_name, transaction.channel) == ("probe", "trials")
    assert [(event.event_name, event.payload) for event in transaction.events] == [("Sunny", b"12 kWh")]
    assert set(transaction.endorsers) <= {"NewtownMSP", "GridMSP"}
    assert transaction.creator_mspid == "NewtownMSP"


async def test_contents_of_a_filtered_block(channel: Network) -> None:
    outcome = await announce(channel, "Sunny", "12 kWh")
    async with channel.filtered_block_events(start_block=outcome.block_number) as blocks:
        transaction = (await following(blocks)).transactions[0]
    assert transaction.transaction_id == outcome.transaction_id
    assert [(event.event_name, event.payload) for event in transaction.events] == [("Sunny", b"")]


async def test_private_data_of_a_block(channel: Network) -> None:
    key = secrets.token_hex(6)
    outcome = await channel.get_contract("probe").submit(
        "put_private",
        arguments=["newtown_only", key],
        transient={"value": "hidden"},
        endorsing_organizations=["NewtownMSP"],
    )
    async with channel.block_and_private_data_events(start_block=outcome.block_number) as blocks:
        block = await following(blocks)
    writes = [write for write in block.private_writes if write.key == key]
    assert [(write.collection, write.value, write.is_delete) for write in writes] == [
        ("newtown_only", b"hidden", False)
    ]


async def test_private_data_of_a_transaction_that_lost_come_with_its_block(channel: Network) -> None:
    """Peers keep them beside those that were written, though nothing can be read from the state."""
    contract, key = channel.get_contract("probe"), secrets.token_hex(6)
    by_one = {"transient": {"value": "hidden"}, "endorsing_organizations": ["NewtownMSP"]}
    await contract.submit("put_private", arguments=["shared", key], transient={"value": "first"})
    both = json.dumps(["NewtownMSP", "GridMSP"])
    await contract.submit("require_private_organizations", arguments=["shared", key, both])
    with pytest.raises(CommitError) as lost:
        await contract.submit("put_private", arguments=["shared", key], **by_one)
    assert lost.value.code == ValidationCode.ENDORSEMENT_POLICY_FAILURE
    async with channel.block_and_private_data_events(start_block=lost.value.block_number) as blocks:
        block = await following(blocks)
    writes = [write for write in block.private_writes if write.key == key]
    assert [(write.collection, write.value) for write in writes] == [("shared", b"hidden")]
    assert await contract.evaluate("get_private", arguments=["shared", key]) == b"first"


async def test_kill_9_costs_no_event_and_repeats_none(
    deployed: Any, channel: Network, tmp_path: Path
) -> None:
    """A listener killed again and again goes on after its checkpoints, in all four kinds of stream.

    Killed between the line in its log and the checkpoint, its next run sees that one event again, as documented.
    """
    outcomes = []
    for turn in range(8):
        calls = [announce(channel, f"K{turn}-{number}") for number in range(6)]
        outcomes += await asyncio.gather(*calls)
    blocks = [outcome.block_number for outcome in outcomes]
    first, last = min(blocks), max(blocks)
    async with channel.filtered_block_events(start_block=last) as stream:
        last_transaction = (await following(stream)).transactions[-1].transaction_id
    command = [sys.executable, LISTENER, deployed.path, tmp_path, str(first), str(last), last_transaction]
    log = tmp_path / "chaincode_events.log"
    for lines in (1, 12, 26):
        await asyncio.to_thread(killed_once, log, lines, command)
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)

    seen = log.read_text().split()
    assert without_repeats(seen) == list(dict.fromkeys(seen))
    assert set(seen) == {outcome.transaction_id for outcome in outcomes}
    for kind in BLOCK_STREAMS:
        numbers = [int(line) for line in (tmp_path / f"{kind}.log").read_text().split()]
        assert without_repeats(numbers) == list(range(first, last + 1))


def killed_once(log: Path, lines: int, command: list[Any]) -> None:
    """Run a listener until its log has so many lines, then kill -9."""
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + WAIT_S
        while process.poll() is None and (not log.exists() or len(log.read_text().split()) < lines):
            assert time.monotonic() < deadline, "the listener hears nothing"
            time.sleep(0.001)
    finally:
        process.kill()
        process.wait(10)


def without_repeats(seen: list[Any]) -> list[Any]:
    """The list without what directly follows its like."""
    return [each for each, _ in itertools.groupby(seen)]


async def test_requests_signed_elsewhere(deployed: Any, channel: Network) -> None:
    outcome = await announce(channel, "offline")
    identity, signer = network_file_user(deployed.path, "newtown", "operator")
    async with connect(network_file_peers(deployed.path, "newtown"), identity=identity) as gateway:
        keyless = gateway.get_network("trials")
        start = outcome.block_number
        unsigned = keyless.new_chaincode_events_request("probe", start_block=start)
        request = gateway.new_signed_chaincode_events_request(
            unsigned.to_bytes(), signer.sign(unsigned.digest)
        )
        async with request.events() as events:
            assert (await following(events)).event_name == "offline"
        for kind in BLOCK_STREAMS:
            unsigned_blocks = getattr(keyless, f"new_{kind}_request")(start_block=start)
            rebuild = getattr(gateway, f"new_signed_{kind}_request")
            signed = rebuild(unsigned_blocks.to_bytes(), signer.sign(unsigned_blocks.digest))
            async with signed.events() as blocks:
                assert (await following(blocks)).number == start


async def test_a_channel_that_is_not_there(gateway: Gateway) -> None:
    for stream in (
        gateway.get_network("nowhere").chaincode_events("probe", start_block=0),
        gateway.get_network("nowhere").block_events(start_block=0),
    ):
        with pytest.raises(EventsError):
            await following(stream)


async def test_an_events_timeout_ends_the_stream(deployed: Any, channel: Network) -> None:
    limited = Timeouts(events_s=0.5)
    async with connect_network_file(deployed.path, "newtown", "operator", timeouts=limited) as gateway:
        for stream in (
            channel.chaincode_events("probe", timeout_s=0.5),
            gateway.get_network("trials").chaincode_events("probe"),
        ):
            async with stream as events:
                with pytest.raises(EventsError) as caught:
                    await following(events)
            assert caught.value.reason == "DEADLINE_EXCEEDED"


def test_sync_events_and_closing_from_another_thread(deployed: Any) -> None:
    with sync.connect_network_file(deployed.path, "newtown", "operator") as gateway:
        channel = gateway.get_network("trials")
        with channel.chaincode_events("probe") as events, channel.block_events() as blocks:
            outcome = channel.get_contract("probe").submit("announce", arguments=["Sunny", "x"])
            assert next(events).event_name == "Sunny"
            assert next(blocks).number == outcome.block_number
            closing = threading.Timer(0.2, lambda: (events.close(), blocks.close()))
            closing.start()
            assert list(events) == []
            assert list(blocks) == []
            closing.join()
