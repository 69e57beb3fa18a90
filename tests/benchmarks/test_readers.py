# SPDX-License-Identifier: Apache-2.0
"""What a home's and an operator's calls cost where operators alone read, beside a channel that every member reads.

Two channels of one network, the market on both. A pair is the median of several calls on each channel, call by call in
turn. Prints the median of the pairs' ratios with its 95 % interval (by order statistics). PAIRS changes their number.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from statistics import median
from typing import Any

import pytest
from commonwatt_client import Contract, connect_network_file
from commonwatt_network.down import down
from commonwatt_network.model.topology import default_topology
from commonwatt_network.model.topology_parts import Channel
from commonwatt_network.up import up

from ..behaviour.conftest import BACKENDS, quiet, run_apart
from ..support.fabric import require_backend

PAIRS = int(os.environ.get("PAIRS", "24"))
CHANNELS = ("newtown", "open")
CALLS = {"evaluate": 40, "submit and hear of the commit": 16}
CALLERS = ("home001", "operator")
LARGEST_LOSS = 1.05


@pytest.fixture(scope="module", params=BACKENDS)
def two_channels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The backend with its version, and the network's file: `newtown` is read by operators, `open` by members."""
    backend: str = request.param
    version = require_backend(backend)
    directory = tmp_path_factory.mktemp(backend) / ".commonwatt"
    base = default_topology(homes=1)
    opened = Channel(organizations=["newtown", "grid"], chaincodes=["market"], readers="members")
    topology = base.model_copy(update={"channels": {**base.channels, "open": opened}})
    try:
        result = run_apart(lambda: up(directory, topology, backend, quiet))
        yield f"{backend} ({version})", result.nodes.layout.network_file
    finally:
        down(directory)


@pytest.mark.timeout(900)
async def test_what_a_channel_that_operators_read_costs(two_channels: Any) -> None:
    where, network_file = two_channels
    ratios: dict[tuple[str, str], list[float]] = {(user, call): [] for user in CALLERS for call in CALLS}
    times: dict[tuple[str, str, str], list[float]] = {}
    async with AsyncExitStack() as stack:
        contracts = {}
        for user in CALLERS:
            gateway = await stack.enter_async_context(connect_network_file(network_file, "newtown", user))
            for channel in CHANNELS:
                contracts[user, channel] = gateway.get_network(channel).get_contract("market")
                for call in CALLS:
                    await seconds(contracts[user, channel], call)  # warm
        for _ in range(PAIRS):
            for user, call in ratios:
                took: dict[str, list[float]] = {channel: [] for channel in CHANNELS}
                for number in range(CALLS[call]):
                    for channel in CHANNELS if number % 2 else CHANNELS[::-1]:
                        took[channel].append(await seconds(contracts[user, channel], call))
                ratios[user, call].append(median(took["newtown"]) / median(took["open"]))
                for channel, each in took.items():
                    times.setdefault((user, call, channel), []).append(1000 * median(each))
    print(f"\n{where}, {PAIRS} pairs:")
    for (user, call), found in ratios.items():
        low, high = interval(found)
        closed, opened = (median(times[user, call, channel]) for channel in CHANNELS)
        print(
            f"  {user}, {call}: {closed:.2f} ms where operators read, {opened:.2f} ms where members do; "
            f"ratio {median(found):.3f} [{low:.3f}, {high:.3f}]"
        )
    assert all(interval(found)[0] <= LARGEST_LOSS for found in ratios.values()), "a loss above 5 %"


async def seconds(contract: Contract, call: str) -> float:
    """Of one call."""
    began = time.perf_counter()
    if call == "evaluate":
        await contract.evaluate("get_parameters", arguments=["{}"])
    else:
        await contract.submit("get_parameters", arguments=["{}"])
    return time.perf_counter() - began


def interval(values: list[float]) -> tuple[float, float]:
    """Between which the median of what was drawn from lies with 95 %: a sign test's."""
    ordered, number = sorted(values), len(values)
    below, rank = 0.0, 0
    while rank < number // 2 and (below := below + math.comb(number, rank) / 2**number) <= 0.025:
        rank += 1
    return ordered[max(rank - 1, 0)], ordered[number - max(rank, 1)]
