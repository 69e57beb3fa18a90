# SPDX-License-Identifier: Apache-2.0
"""`commonwatt home run` straight to a peer of a live channel: homes bid, trade, are read and billed, by processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import connect_network_file
from commonwatt_client.network_file import read_network_file
from commonwatt_community.home.settings import read_settings
from commonwatt_community.market.forward import ForwardMarket, market_of
from commonwatt_community.market.refused import Refused
from commonwatt_network.down import down
from commonwatt_network.model.topology import Topology, load_topology
from commonwatt_network.up import up

from ..support.fabric import require_backend
from ..support.homes import home_id
from ..support.living_homes import write_trace
from .conftest import BACKENDS, quiet
from .forward_network import CHANNEL, CONFIGURATION

COMMONWATT = str(Path(sys.executable).with_name("commonwatt"))
TIMES = {
    "opens_before_s": 75,
    "closes_before_s": 45,
    "clock_error_s": 5,
    "gate_grace_s": 5,
    "readings_due_s": 60,
}
SET_UP_S = 180  # a home forecasts from the first whole period that it counted
USERS = ("home001", "home002")


def live_topology() -> Topology:
    """The sample `forward` on a live clock."""
    topology = load_topology("forward")
    channels = {
        name: channel.model_copy(update={"clock": "live", "clock_error_s": 30})
        for name, channel in topology.channels.items()
    }
    return topology.model_copy(update={"channels": channels})


def configuration(first: int) -> dict[str, Any]:
    """Periods of a minute; the first one that counts is the last of its local day, so that it can be billed."""
    offset_min = -(first + 1) % 1_440
    return {
        **{name: value for name, value in CONFIGURATION.items() if name not in ("replaces", "at_s")},
        "clock": "live",
        "trust_homes": True,
        "period_min": 1,
        "utc_offset_min": offset_min if offset_min <= 840 else offset_min - 1_440,
        "times": TIMES,
    }


async def commonwatt(*words: str) -> tuple[int, str, str]:
    """A verb that ends by itself: its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        COMMONWATT, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def until(time_s: float) -> None:
    await asyncio.sleep(max(0.0, time_s - time.time()))


@pytest.mark.long
@pytest.mark.timeout(540)
@pytest.mark.parametrize("backend", BACKENDS)
async def test_two_homes_straight_to_a_peer(backend: str, tmp_path: Path) -> None:
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    try:
        await story(backend, directory, tmp_path)
    finally:
        down(directory)


async def story(backend: str, directory: Path, folder: Path) -> None:
    path = (await up(directory, live_topology(), backend, quiet)).nodes.layout.network_file
    network = read_network_file(path)
    async with AsyncExitStack() as stack:
        operator, grid = [
            await market(stack, path, network, organization) for organization in ("newtown", "grid")
        ]
        first = int(time.time() + SET_UP_S + TIMES["opens_before_s"]) // 60 + 1
        await operator.configure(0, **configuration(first))
        homes = [home_id(CHANNEL, number) for number in (1, 2)]
        await operator.register_homes(
            [{"home": home, "home_class": "prosumer", "pv_w": 5_000} for home in homes]
        )
        files = []
        for user, home in zip(USERS, homes, strict=True):
            file = folder / user / "home.yaml"
            code, said, wrong = await commonwatt(
                "home", "new", str(file), "--network", str(path), "--user", user
            )
            assert (code, wrong) == (0, ""), said
            possession = (file.parent / f"{home}.possession").read_bytes().strip()
            await operator.set_key("home", home, possession)
            files.append(file)
        begins = (await grid.confirm_homes(homes)).from_period
        assert begins <= first
        for file in files:
            file.write_text(f"{file.read_text()}bid_before_gate_s: 15\n")
        write_trace(files[0].parent / "trace.csv", 3_000, 0)
        write_trace(files[1].parent / "trace.csv", 0, 4_200)
        running = [await begin(file) for file in files]
        try:
            await until(first * 60 - 39)
            await operator.close_gate(first)
            cleared = await operator.clear_period(first)
            assert (cleared.requests, cleared.offers) == (1, 1)
            assert cleared.traded_wh > 0
            # A second agent of a home finds the journal held.
            code, _, wrong = await commonwatt("home", "run", str(files[0]))
            assert (code, wrong.count("\n")) == (2, 1)
            assert "another process writes the journal" in wrong
            await until(first * 60 - 20)
            running[0].kill()  # as a power cut does
            running[0] = await begin(files[0])
            await until(first * 60 + 61)
            for period in range(begins, first + 1):
                if period < first:
                    await operator.close_gate(period)
                assert (await frozen(operator, period)).version == 1
                await operator.settle_period(period)
            lines = {line.home: line for line in await operator.list_lines(first, first + 1)}
            assert {line.quality for line in lines.values()} == {"measured"}
            assert abs(lines[homes[0]].import_wh - 50) <= 1
            assert abs(lines[homes[1]].export_wh - 70) <= 1
            assert lines[homes[0]].bought_wh == cleared.traded_wh
            day = (await operator.get_period(first)).day
            await operator.settle_day(day)
            bills = [await operator.get_bill(home, day) for home in homes]
            assert bills[0].amount_naud > 0 > bills[1].amount_naud
        finally:
            said = [await end(process) for process in running]
    assert all(not wrong for _, wrong in said), said
    assert "sold" in said[1][0]
    settings = read_settings(files[0])
    assert oct((files[0].parent / settings.key).stat().st_mode)[-3:] == "600"


async def market(stack: AsyncExitStack, path: Path, network: Any, organization: str) -> ForwardMarket:
    gateway = await stack.enter_async_context(connect_network_file(path, organization, "operator"))
    return market_of(gateway, network, CHANNEL)


async def begin(file: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        COMMONWATT,
        "home",
        "run",
        str(file),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


async def frozen(operator: ForwardMarket, period: int) -> Any:
    """The readings, once both homes' are there."""
    async with asyncio.timeout(90):
        while True:
            try:
                return await operator.freeze_period(period)
            except Refused as refused:
                if refused.code != "too_early":
                    raise
                await asyncio.sleep(1)


async def end(process: asyncio.subprocess.Process) -> tuple[str, str]:
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    print(out.decode(), err.decode())
    return out.decode(), err.decode()
