# SPDX-License-Identifier: Apache-2.0
"""`commonwatt simulate`, killed and interrupted in the middle of a day, ends like an undisturbed one."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commonwatt_client import connect_network_file
from commonwatt_client.network_file import read_network_file
from commonwatt_loadgen.simulate.inprocess import community_in_process
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_network.down import down
from commonwatt_network.model.topology import default_topology
from commonwatt_network.model.topology_parts import Batch
from commonwatt_network.up import up

HOMES = 2
OPTIONS = {"seed": 3, "share": 50, "noise": 10, "disutility": 20}


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


async def start(folder: Path, network_file: Path) -> asyncio.subprocess.Process:
    options = [text for name, value in OPTIONS.items() for text in (f"--{name}", str(value))]
    return await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("commonwatt")),
        "simulate",
        *options,
        "--storage-from-grid",
        "--out",
        str(folder / "out"),
        "--network",
        str(network_file),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def rounds_reach(network_file: Path, number: int) -> None:
    """Wait until the ledger holds so many rounds."""
    deadline = time.monotonic() + 60
    async with connect_network_file(network_file, "newtown", "operator") as gateway:
        market = gateway.get_network("newtown").get_contract("market")
        while time.monotonic() < deadline:
            try:
                answer = json.loads(await market.evaluate_transaction("list_rounds", '{"from_time": 0}'))
            except Exception:
                answer = {"rounds": []}  # not configured yet
            if len(answer["rounds"]) >= number:
                return
            await asyncio.sleep(0.05)
    pytest.fail(f"the simulation did not reach {number} rounds")


@pytest.mark.long
async def test_a_day_killed_and_interrupted_is_the_same_day(tmp_path: Path) -> None:
    directory = tmp_path / ".commonwatt"
    base = default_topology(homes=HOMES)
    channel = base.channels["newtown"].model_copy(update={"batch": Batch(timeout_ms=20)})
    topology = base.model_copy(update={"channels": {"newtown": channel}})
    try:
        network_file = (await up(directory, topology, "embedded", quiet)).nodes.layout.network_file
        killed = await start(tmp_path, network_file)
        await rounds_reach(network_file, 8)
        killed.kill()
        await killed.communicate()

        interrupted = await start(tmp_path, network_file)
        await rounds_reach(network_file, 18)
        interrupted.send_signal(signal.SIGINT)
        _, said = await interrupted.communicate()
        assert interrupted.returncode == 130, said.decode()
        assert "goes on from here" in said.decode()
        assert "Traceback" not in said.decode()

        finished = await start(tmp_path, network_file)
        printed, said = await finished.communicate()
        assert finished.returncode == 0, said.decode()
    finally:
        down(directory)
    assert not (tmp_path / "out" / "unfinished.json").exists()
    assert f"{HOMES} homes" in printed.decode()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    options = SimulationOptions(
        seed=3, homes=HOMES, share_percent=50, noise_percent=10, disutility=20, storage_from_grid=True
    )
    users = read_network_file(network_file).communities[0].homes
    traces, _ = options.trace_set()
    expected = json.loads(json.dumps(community_in_process(options, traces, 0, users=users)))
    expected["channel"] = "newtown"
    assert summary["communities"][0] == json.loads(json.dumps(expected))
