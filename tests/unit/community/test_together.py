# SPDX-License-Identifier: Apache-2.0
"""Parts that live together end together, with the first one's error itself."""

from __future__ import annotations

import asyncio

import pytest
from commonwatt_community.together import together


async def test_the_first_failure_ends_the_others_and_is_the_error() -> None:
    ended: list[str] = []

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await together(forever("a"), fails(), forever("b"))
    assert sorted(ended) == ["a", "b"]
    running = asyncio.create_task(together(forever("c")))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended[-1] == "c"


async def test_parts_that_end_are_waited_for() -> None:
    done: list[int] = []

    async def part(number: int) -> None:
        await asyncio.sleep(0.01 * number)
        done.append(number)

    await together(part(2), part(1))
    assert done == [1, 2]
