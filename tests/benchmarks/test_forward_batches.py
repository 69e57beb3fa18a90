# SPDX-License-Identifier: Apache-2.0
"""Processor time that one endorser's chaincode takes for a batch of 1,000 bids, and for clearing them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable

import pytest

from ..unit.forward.neighbourhood import NOON, Neighbourhood

HOMES, ROUNDS = 1_000, 7


async def _processor_ms(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """The first time, and the median of the next ones: keys and registrations are read once."""
    taken = []
    for _ in range(ROUNDS + 1):
        begun = time.process_time()
        await work()
        taken.append(1_000 * (time.process_time() - begun))
    return taken[0], statistics.median(taken[1:])


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
async def test_a_batch_of_1000_bids_and_their_clearing(alg: str) -> None:
    town = Neighbourhood()
    await town.found(trust_homes=True)
    homes = [f"h{number:04d}" for number in range(HOMES)]
    await town.add(*homes, alg=alg, pv_w=6_000)
    town.in_window(NOON)
    bids = [
        town.request(home, NOON, 100, 200_000) if number % 2 else town.offer(home, NOON, 90, 100_000)
        for number, home in enumerate(homes)
    ]
    sent = {"messages": b"\n".join(bids)}
    argument = {"kind": "bid", "period": NOON}

    async def submit() -> None:
        done = await town.endorse("carrier", "submit_messages", argument, sent)
        assert done.json()["results"] == ["written"] * HOMES

    first_ms, ms = await _processor_ms(submit)
    print(f"\n{alg}: a batch of {HOMES} bids: {ms:.0f} ms, the first one {first_ms:.0f} ms")
    await town.bids(NOON, *bids)
    await town.close(NOON)

    async def clear() -> None:
        assert (await town.endorse("operator", "clear_period", {"period": NOON})).json()[
            "traded_wh"
        ] == 45_000

    first_ms, ms = await _processor_ms(clear)
    print(f"{alg}: clearing them: {ms:.0f} ms, the first time {first_ms:.0f} ms")
