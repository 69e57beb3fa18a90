# SPDX-License-Identifier: Apache-2.0
"""The service hears the ledger's events on and on, each once, whatever its own disk does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from commonwatt_client import InMemoryCheckpointer
from commonwatt_community.service import events
from commonwatt_community.service.caller import TOKEN, Caller, Role
from commonwatt_community.service.events import Hub
from commonwatt_community.service.heard import Heard, Place
from commonwatt_community.service.store import StoreFailed

OPERATOR = Caller(TOKEN, Role.OPERATOR, "", "operator", b"1", 2_000_000_000)


class Channel:
    """Three frozen periods, one a block, from the checkpoint on."""

    def __init__(self) -> None:
        self.streams = 0

    @asynccontextmanager
    async def chaincode_events(
        self, name: str, *, checkpoint: InMemoryCheckpointer, **more: Any
    ) -> AsyncIterator[AsyncIterator[Any]]:
        self.streams += 1
        after = checkpoint.transaction_id

        async def told() -> AsyncIterator[Any]:
            known = ["", "a" * 64, "b" * 64, "c" * 64]
            for block in range(known.index(after or "") + 1, 4):
                yield SimpleNamespace(
                    block_number=block,
                    transaction_id=known[block],
                    event_name="frozen",
                    payload=b'{"period":1}',
                )
            await asyncio.Event().wait()

        yield told()


class FullDisk:
    """A store that cannot note the first event."""

    def __init__(self) -> None:
        self.noted: list[int] = []
        self.tries = 0

    def one(self, *words: Any) -> None:
        return None

    async def write(self, *writes: Any) -> None:
        self.tries += 1
        if self.tries == 1:
            raise StoreFailed("the disk is full")
        self.noted.append(writes[0][1][1])


async def standing() -> Any:
    return SimpleNamespace(configuration=SimpleNamespace(net="n"))


async def test_events_go_on_where_the_disk_failed_and_none_is_told_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_PAUSE_S", 0.01)
    channel, disk = Channel(), FullDisk()
    reacted: list[int] = []

    async def reacts(heard: Heard) -> None:
        reacted.append(heard.block)

    ledger: Any = SimpleNamespace(standing=standing)
    hub = Hub(channel, ledger, disk, reacts)  # type: ignore[arg-type]
    lines = hub.lines(OPERATOR, None, 5.0)
    first = asyncio.create_task(anext(lines))
    await asyncio.sleep(0)  # it listens
    running = asyncio.create_task(hub.run())
    try:
        async with asyncio.timeout(10):
            told = [await first, await anext(lines), await anext(lines)]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await lines.aclose()
    ids = [line.split(b"\n")[0].removeprefix(b"id: ").decode() for line in told]
    assert [Place.of(one).block for one in ids] == [1, 2, 3]
    assert reacted == [1, 2, 3]
    assert disk.noted[:1] == [2]
    assert channel.streams == 2
