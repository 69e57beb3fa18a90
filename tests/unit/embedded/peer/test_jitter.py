# SPDX-License-Identifier: Apache-2.0
"""Commit jitter: the same delays in every run, and blocks that wait beside one another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

from commonwatt_network.embedded.peer.jitter import MOST_WAITING, delay_s, when_due


async def blocks(count: int, asked: list[int] | None = None) -> AsyncGenerator[Any]:
    for number in range(count):
        if asked is not None:
            asked.append(number)
        yield SimpleNamespace(header=SimpleNamespace(number=number))


async def numbers(source: AsyncIterator[Any]) -> list[int]:
    return [block.header.number async for block in source]


def test_delays_are_the_same_in_every_run_and_differ_between_peers_and_networks() -> None:
    drawn = [delay_s(20, "net", "peer0.grid", "newtown", number) for number in range(1000)]
    assert drawn == [delay_s(20, "net", "peer0.grid", "newtown", number) for number in range(1000)]
    assert 0 <= min(drawn) < 0.001
    assert 0.019 < max(drawn) < 0.020
    assert 0.009 < sum(drawn) / len(drawn) < 0.011
    for other in (("net", "peer0.newtown", "newtown"), ("other", "peer0.grid", "newtown")):
        assert delay_s(20, *other, 0) != drawn[0]


async def test_blocks_that_queue_up_wait_beside_one_another() -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    assert await numbers(when_due(blocks(50), lambda _: 0.1)) == list(range(50))
    assert 0.1 <= loop.time() - began_s < 0.4  # 50 delays in series are 5 s


async def test_blocks_keep_their_order_whatever_their_delays() -> None:
    found = await numbers(when_due(blocks(5), lambda number: 0.05 * (number % 2 == 0)))
    assert found == list(range(5))


async def test_a_peer_that_catches_up_asks_for_few_blocks_at_once() -> None:
    asked: list[int] = []
    async with aclosing(when_due(blocks(10_000, asked), lambda _: 0.2)) as source:
        async for _ in source:
            break
    assert len(asked) <= MOST_WAITING + 1


async def test_whoever_stops_in_between_leaves_no_task() -> None:
    async def never() -> AsyncGenerator[Any]:
        yield SimpleNamespace(header=SimpleNamespace(number=0))
        await asyncio.Event().wait()

    before = asyncio.all_tasks()
    async with aclosing(when_due(never(), lambda _: 0.0)) as source:
        async for _ in source:
            break
    assert asyncio.all_tasks() == before
