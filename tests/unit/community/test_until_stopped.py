# SPDX-License-Identifier: Apache-2.0
"""A program that a signal ends, and one that ends itself."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from commonwatt_community.until_stopped import until_stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_work_and_lets_it_clean_up(number: signal.Signals) -> None:
    ended: list[str] = []

    async def work() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    before = signal.getsignal(number)
    try:
        await asyncio.wait_for(until_stopped(work()), 20)
    finally:
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, before)
    assert ended == ["cleaned up"]


async def test_an_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await until_stopped(work())
