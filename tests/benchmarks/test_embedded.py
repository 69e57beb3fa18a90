# SPDX-License-Identifier: Apache-2.0
"""The embedded network beside real Fabric: blind writes of 200 bytes with two endorsers, in alternating runs.

Prints committed transactions per second, the processor time per transaction of every process, memory, how long the
embedded network holds its rate, and how soon after a start its first transaction is committed. COUNT changes the
5,000 transactions of the long run.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.down import down
from commonwatt_network.model.topology import default_topology
from commonwatt_network.programs import processes
from commonwatt_network.programs.fabric import FabricNotFoundError, find_fabric
from commonwatt_network.up import up

from ..behaviour.conftest import RunningNetwork, behaviour_topology, quiet, run_apart
from ..behaviour.probe_network import Probe

BLIND = Path(__file__).parent / "chaincode" / "blind.py"
BOTH = "AND('NewtownMSP.member', 'GridMSP.member')"
VALUE = "v" * 200
IN_FLIGHT = 200
PER_RUN = 1_000
ROUNDS = 3
COUNT = int(os.environ.get("COUNT", "5000"))


@contextmanager
def blind_network(directory: Path, backend: str) -> Iterator[RunningNetwork]:
    """A network that is up, with the chaincode of blind writes deployed and answering."""
    try:
        result = run_apart(lambda: up(directory, behaviour_topology(), backend, quiet))
        network = RunningNetwork(backend, backend, result.nodes)
        network.deploy(BLIND, "blind", endorsement_policy=BOTH)

        async def ready() -> None:
            async with network.connect() as gateway:
                await Probe(gateway, gateway.get_network("trials").get_contract("blind")).answers()

        run_apart(ready)
        yield network
    finally:
        down(directory)


def processor_s(network: RunningNetwork) -> dict[str, float]:
    """Processor time so far of each of the network's processes that blind writes use."""
    return {
        name: sum(sum(process.cpu_times()[:2]) for process in found)
        for name, found in processes.running(network.nodes.layout).items()
        if not name.startswith("market")
    }


def memory_mb(network: RunningNetwork) -> float:
    running = processes.running(network.nodes.layout).values()
    return sum(process.memory_info().rss for found in running for process in found) / 1e6


def run(network: RunningNetwork, folder: Path, count: int) -> dict[str, Any]:
    """Submit `count` blind writes; the client's figures, and each process's CPU milliseconds per transaction."""
    file = folder / "settings.json"
    described = {"network": str(network.path), "channel": "trials", "chaincode": "blind", "value": VALUE}
    file.write_text(json.dumps({**described, "transaction": "put", "count": count, "inFlight": IN_FLIGHT}))
    before = processor_s(network)
    script = Path(__file__).parent / "client_load.py"
    ran = subprocess.run([sys.executable, script, file], capture_output=True, text=True, timeout=400)
    assert ran.returncode == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    assert result["failed"] == 0
    used = {name: after - before.get(name, 0.0) for name, after in processor_s(network).items()}
    result["cpu_ms"] = {name: 1000 * seconds / count for name, seconds in used.items()}
    result["cpu_ms"]["client"] = 1000 * result["cpu_s"] / count
    result["rate"] = count / result["seconds"]
    return result


def described(results: list[dict[str, Any]]) -> str:
    rates = ", ".join(f"{result['rate']:.0f}" for result in results)
    names = results[0]["cpu_ms"]
    each = {name: statistics.median(result["cpu_ms"][name] for result in results) for name in names}
    listed = ", ".join(f"{name} {value:.2f}" for name, value in each.items())
    median = statistics.median(result["rate"] for result in results)
    return f"{median:.0f} committed/s (runs {rates}); CPU ms per transaction: {listed}; sum {sum(each.values()):.1f}"


@pytest.mark.timeout(900)
def test_blind_writes_beside_real_fabric(tmp_path: Path) -> None:
    backends = ["embedded"]
    try:
        find_fabric()
        backends.append("native")
    except FabricNotFoundError as error:
        print(f"\nreal Fabric is left out: {error}")
    with ExitStack() as stack:
        networks = {
            name: stack.enter_context(blind_network(tmp_path / name / ".commonwatt", name))
            for name in backends
        }
        for network in networks.values():
            run(network, tmp_path, 300)  # warm
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in backends}
        for _ in range(ROUNDS):
            for name, network in networks.items():
                results[name].append(run(network, tmp_path, PER_RUN))
        for name, network in networks.items():
            print(f"\n{name}: {described(results[name])}; memory {memory_mb(network):.0f} MB")
        if "native" in results:
            pairs = [
                ours["rate"] / theirs["rate"]
                for ours, theirs in zip(results["embedded"], results["native"], strict=True)
            ]
            print(f"embedded / real Fabric, pair by pair: {', '.join(f'{ratio:.2f}' for ratio in pairs)}")


@pytest.mark.timeout(900)
def test_a_sustained_rate(tmp_path: Path) -> None:
    with blind_network(tmp_path / ".commonwatt", "embedded") as network:
        result = run(network, tmp_path, COUNT)
        print(
            f"\n{COUNT} blind writes (goal 150/s): {described([result])}; memory {memory_mb(network):.0f} MB"
        )


def test_the_first_transaction_after_a_start(tmp_path: Path) -> None:
    directory = tmp_path / ".commonwatt"
    try:
        asyncio.run(up(directory, default_topology(), "embedded", quiet))
        seconds = []
        for _ in range(3):
            down(directory)
            began = time.perf_counter()
            asyncio.run(up(directory, default_topology(), "embedded", quiet))  # returns after a transaction
            seconds.append(time.perf_counter() - began)
    finally:
        down(directory)
    listed = ", ".join(f"{value:.2f}" for value in seconds)
    print(f"\nfirst transaction after a cold start: {listed} s (goal 1.5)")


FIRST_TRANSACTION = """
import asyncio, sys, tempfile
from pathlib import Path
from commonwatt_network.testing import run_embedded_network

async def main():
    with tempfile.TemporaryDirectory() as directory:
        async with run_embedded_network(Path(directory)) as network:
            await network.deploy("blind", [sys.executable, sys.argv[1]], guard=False)
            async with network.connect("newtown") as gateway:
                contract = gateway.get_network("newtown").get_contract("blind")
                await contract.submit_transaction("put", "first", "v")
                print("committed", flush=True)

asyncio.run(main())
"""


def test_the_first_transaction_in_an_empty_folder() -> None:
    """From the start of Python: keys, genesis block, network, chaincode deployed, one transaction committed."""
    command = [sys.executable, "-c", FIRST_TRANSACTION, str(BLIND)]
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"committed\n"
            seconds.append(time.perf_counter() - began)
        assert process.returncode == 0
    listed = ", ".join(f"{value:.2f}" for value in seconds)
    print(f"\nfirst transaction of a test's network, from nothing: {listed} s (goal 1.5)")
