# SPDX-License-Identifier: Apache-2.0
"""On a live channel somebody keeps endorsed transactions until the gate is closed: all of them are void by then."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import EndorseError
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .conftest import BACKENDS, quiet, run_apart
from .forward_network import CARRIERS, CHANNEL, CONFIGURATION, GRID, OPERATOR, ForwardNetwork

OPENS_BEFORE_S, CLOSES_BEFORE_S, CLOCK_ERROR_S = 60, 35, 2
TIMES = {
    "opens_before_s": OPENS_BEFORE_S,
    "closes_before_s": CLOSES_BEFORE_S,
    "clock_error_s": CLOCK_ERROR_S,
    "gate_grace_s": 0,
}


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_held_back_until_the_gate_is_closed_is_void(tmp_path: Path, backend: str) -> None:
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    try:
        run_apart(lambda: story(directory, backend))
    finally:
        down(directory)


async def story(directory: Path, backend: str) -> None:
    topology = load_topology("forward")
    live = topology.channels[CHANNEL].model_copy(update={"clock": "live"})
    made = await up(directory, topology.model_copy(update={"channels": {CHANNEL: live}}), backend, quiet)
    network = ForwardNetwork(made.nodes, directory.parent / "keys")
    configuration: dict[str, Any] = {
        **{name: value for name, value in CONFIGURATION.items() if name != "at_s"},
        "clock": "live",
        "trust_homes": True,
        "period_min": 1,
        "times": TIMES,
    }
    first = await network.found(homes=2, configuration=configuration)
    period = max(first, int(time.time() + OPENS_BEFORE_S) // 60 + 1)
    buyer, seller = network.homes
    bids = {"kind": "bid", "period": period}

    await until(period * 60 - OPENS_BEFORE_S + 1)
    assert await network.carry(CARRIERS[1], period, [network.offer(seller, period, 20)]) == ["written"]
    held = {
        "submit_messages": (CARRIERS[0], bids, {"messages": network.request(buyer, period, 20)}),
        "set_envelope": (GRID, {"from_period": period, "to_period": period + 60, "export_w": 0}, None),
        "configure": (OPERATOR, {"replaces": 1, "pricing": "uniform"}, None),
        "end_home": (OPERATOR, {"home": seller}, None),
    }
    endorsed = {name: await network.endorsed(who, name, *said) for name, (who, *said) in held.items()}
    assert time.time() < period * 60 - CLOSES_BEFORE_S, "this machine is too slow for this test"

    with pytest.raises(EndorseError, match="too_early"):
        await network.submit(OPERATOR, "close_gate", {"period": period})
    await until(period * 60 - CLOSES_BEFORE_S + CLOCK_ERROR_S + 1)
    await network.submit(OPERATOR, "close_gate", {"period": period})
    verdicts = {name: await network.order(held[name][0], each) for name, each in endorsed.items()}
    assert verdicts == dict.fromkeys(held, "PHANTOM_READ_CONFLICT") | {
        "submit_messages": "MVCC_READ_CONFLICT"
    }
    with pytest.raises(EndorseError, match="gate_closed"):
        await network.carry(CARRIERS[0], period, [network.request(buyer, period, 20)])
    cleared = await network.submit("newtown/home001", "clear_period", {"period": period})
    assert (cleared["offered_wh"], cleared["requested_wh"], cleared["traded_wh"]) == (20, 0, 0)


async def until(time_s: int) -> None:
    await asyncio.sleep(max(0.0, time_s - time.time()))
