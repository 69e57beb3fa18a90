# SPDX-License-Identifier: Apache-2.0
"""A peer killed under load: no committed transaction is lost or done twice, and listeners miss nothing."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import FileCheckpointer, Gateway, Network, Outcome, RetryPolicy
from commonwatt_network.programs import processes
from commonwatt_network.up import up

from .conftest import quiet, run_apart
from .probe_network import Probe

WORKERS, EACH = 4, 12


def kill_and_bring_up(network: Any) -> None:
    """`kill -9` to newtown's peer (all of the embedded process), then `network up` again."""
    running = processes.running(network.nodes.layout)
    peer = json.loads(network.path.read_text())["organizations"]["newtown"]["peers"][0]["name"]
    name = "embedded" if network.backend == "embedded" else peer
    for process in running[name]:
        process.kill()
        process.wait(10)
    processes.reap()
    run_apart(lambda: up(network.nodes.layout.directory, None, None, quiet))


@pytest.mark.timeout(240)
async def test_nothing_is_lost_and_nothing_comes_twice(deployed: Any, tmp_path: Path) -> None:
    tag = secrets.token_hex(4)
    async with deployed.connect() as gateway:
        channel = gateway.get_network("trials")
        await Probe(gateway, channel.get_contract("probe")).answers()
        heard: list[str] = []
        under_way = asyncio.Event()
        checkpointer = FileCheckpointer(tmp_path / "events.checkpoint")
        async with channel.chaincode_events("probe", checkpoint=checkpointer) as events:
            listening = asyncio.create_task(listen(events, tag, heard, under_way, checkpointer))
            submitting = [asyncio.create_task(submit(channel, tag, worker)) for worker in range(WORKERS)]
            await asyncio.wait_for(under_way.wait(), 30)  # the peer dies in the middle of the load
            await asyncio.to_thread(kill_and_bring_up, deployed)
            outcomes = [outcome for worker in await asyncio.gather(*submitting) for outcome in worker]
            last = await channel.get_contract("probe").submit(
                "announce", arguments=[f"{tag}-last", "x"], retry=True
            )
            await asyncio.wait_for(listening, 60)
        await replayed(gateway, tag, outcomes)
    committed = [outcome.transaction_id for outcome in outcomes]
    assert len(set(committed)) == WORKERS * EACH
    assert len(heard) == len(set(heard))
    assert set(committed) <= set(heard)
    assert checkpointer.transaction_id == last.transaction_id


async def submit(channel: Network, tag: str, worker: int) -> list[Outcome]:
    contract = channel.get_contract("probe")
    policy = RetryPolicy(max_tries=100, longest_pause_s=0.5)
    return [
        await contract.submit("announce", arguments=[f"{tag}-{worker}-{number}", "x"], retry=policy)
        for number in range(EACH)
    ]


async def listen(
    events: Any, tag: str, heard: list[str], under_way: asyncio.Event, checkpointer: FileCheckpointer
) -> None:
    async for event in events:
        checkpointer.checkpoint_chaincode_event(event)
        if event.event_name == f"{tag}-last":
            return
        if event.event_name.startswith(tag):
            heard.append(event.transaction_id)
            if len(heard) == WORKERS:
                under_way.set()


async def replayed(gateway: Gateway, tag: str, outcomes: list[Outcome]) -> None:
    """The ledger holds each name once: what was sent again was not done again."""
    names = []
    start = min(outcome.block_number for outcome in outcomes)
    async with gateway.get_network("trials").chaincode_events("probe", start_block=start) as events:
        async for event in events:
            if event.event_name == f"{tag}-last":
                break
            if event.event_name.startswith(tag):
                names.append(event.event_name)
    assert sorted(names) == sorted(
        f"{tag}-{worker}-{number}" for worker in range(WORKERS) for number in range(EACH)
    )
