# SPDX-License-Identifier: Apache-2.0
"""Rich queries of running transactions, in one thread beside the peer's other work: a long one delays only others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from commonwatt_chaincode.mango import Search, parse_query

from commonwatt_network.embedded.simulation import SimulationError, Simulator

ROWS_AT_ONCE = 200
T = TypeVar("T")
_apart = ThreadPoolExecutor(1, "rich-queries")


@dataclass(frozen=True)
class RichRows:
    """What a query found. A row counts as read when it is taken."""

    rows: Iterator[tuple[str, bytes]]
    bookmark: str


async def rich_query(
    simulator: Simulator,
    namespace: str,
    collection: str,
    text: str,
    limit: int,
    bookmark: str = "",
    *,
    page: bool = False,
) -> RichRows:
    """Look through a chaincode's state, or a collection's. Raises MangoError and SimulationError."""
    search = await _run_apart(lambda: Search(parse_query(text), limit, bookmark))
    candidates = simulator.query(namespace, collection, search.start_key, page)
    while rows := list(islice(candidates, ROWS_AT_ONCE)):
        if simulator.closed:
            raise SimulationError("the transaction has ended")
        if not await _run_apart(lambda rows=rows: search.offer(rows)):  # type: ignore[misc]
            break
    keys, following = await _run_apart(lambda: (search.found_keys(), search.bookmark()))

    def taken() -> Iterator[tuple[str, bytes]]:
        for key in keys:
            yield key, search.value(key, simulator.found(namespace, collection, key))

    return RichRows(taken(), following)


async def _run_apart(action: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_apart, action)
