# SPDX-License-Identifier: Apache-2.0
"""Commit jitter: peers of one process would commit each block in step, which peers on machines of their own never do.

Each block is due a while after it came, which depends on the seed, peer, channel and number alone: another run has the
same delays. Blocks wait beside one another, so that a peer is never further behind than its longest delay.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from hashlib import sha256
from typing import Any

MOST_WAITING = 100  # blocks; a peer that catches up asks for no more at once


def delay_s(most_ms: int, seed: str, peer: str, channel: str, number: int) -> float:
    """How long after its arrival the peer commits block `number`: evenly distributed from 0 to `most_ms`."""
    drawn = int.from_bytes(sha256(f"{seed}/{peer}/{channel}/{number}".encode()).digest()[:4])
    return most_ms / 1000 * drawn / 2**32


async def when_due(blocks: AsyncIterator[Any], delay: Callable[[int], float]) -> AsyncGenerator[Any]:
    """`blocks` in their order, each `delay(number)` seconds after it came or right after the one before it.

    The next block is asked for while others wait: to the orderer, a peer that only waits has nothing to do.
    """
    loop = asyncio.get_running_loop()
    waiting: deque[tuple[float, Any]] = deque()
    arrival: asyncio.Task[Any] | None = None
    ended = False
    try:
        while waiting or not ended:
            if waiting and waiting[0][0] <= loop.time():
                yield waiting.popleft()[1]
                continue
            if arrival is None and not ended and len(waiting) < MOST_WAITING:
                arrival = asyncio.create_task(anext(blocks))  # type: ignore[arg-type]
            rest_s = waiting[0][0] - loop.time() if waiting else None
            if arrival is None:
                await asyncio.sleep(rest_s or 0)
                continue
            await asyncio.wait([arrival], timeout=rest_s)
            if arrival.done():
                came, arrival = arrival, None
                try:
                    block = came.result()
                except StopAsyncIteration:
                    ended = True
                else:
                    waiting.append((loop.time() + delay(block.header.number), block))
    finally:
        if arrival is not None:
            arrival.cancel()
            await asyncio.gather(arrival, return_exceptions=True)
