# SPDX-License-Identifier: Apache-2.0
"""A rich query beside the peer's other work."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from commonwatt_network.embedded.peer.chaincode.rich_queries import rich_query
from commonwatt_network.embedded.simulation import SimulationError


class Rows:
    """As much of a simulator as a query asks."""

    def __init__(self, count: int, value: bytes = b'{"n":1}') -> None:
        self.closed = False
        self.read: list[str] = []
        self._count = count
        self._value = value

    def query(self, namespace: str, collection: str, start: str, page: bool) -> Iterator[tuple[str, bytes]]:
        return ((f"k{number:06}", self._value) for number in range(self._count))

    def found(self, namespace: str, collection: str, key: str) -> bytes:
        self.read.append(key)
        return self._value


async def query(rows: Any, text: str, limit: int = 100_000) -> Any:
    return await rich_query(rows, "assets", "", text, limit)


async def test_a_row_counts_as_read_when_it_is_taken() -> None:
    rows = Rows(10)
    found = await query(rows, '{"selector":{}}')
    assert rows.read == []
    assert next(found.rows) == ("k000000", b'{"n":1}')
    assert rows.read == ["k000000"]


async def test_a_query_ends_with_its_transaction() -> None:
    rows = Rows(10_000_000)
    asked = asyncio.create_task(query(rows, '{"selector":{"n":2}}'))
    await asyncio.sleep(0.05)
    rows.closed = True
    with pytest.raises(SimulationError, match="the transaction has ended"):
        await asyncio.wait_for(asked, 5)


async def test_others_go_on_while_a_query_is_hard_work() -> None:
    rows = Rows(400, json.dumps({"l": list(range(2_000))}).encode())
    asked = asyncio.create_task(query(rows, '{"selector":{"l":{"$elemMatch":{"$lt":0}}}}'))
    longest_s = 0.0
    while not asked.done():
        began = time.monotonic()
        await asyncio.sleep(0.01)
        longest_s = max(longest_s, time.monotonic() - began)
    assert list((await asked).rows) == []
    assert longest_s < 0.5
