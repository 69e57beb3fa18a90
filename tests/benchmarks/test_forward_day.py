# SPDX-License-Identifier: Apache-2.0
"""A simulated day of the forward market on a network: 60 homes (or `HOMES`), periods of 30 minutes.

Time, and what each node uses for it: processor time, memory, and kB of its ledger for each home.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from commonwatt_loadgen.forward.ledger_run import simulate_forward_on_ledger
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.throughput.resources import network_processes
from commonwatt_network.down import down
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .message_load import bytes_of, grown, processor_s, quiet, short, with_homes

HOMES = int(os.environ.get("HOMES", "60"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["embedded", "native"])
async def test_a_forward_day(tmp_path: Path, backend: str) -> None:
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    used = []
    try:
        nodes = (await up(directory, with_homes(HOMES), backend, quiet)).nodes
        network = network_processes(directory)
        before = {name: processor_s(process) for name, process in network.items()}
        run = SimulationOptions(network_file=nodes.layout.network_file, out=tmp_path / "out")
        summary = await simulate_forward_on_ledger(ForwardOptions(run=run), lambda *_: None)
        for name, process in network.items():
            memory_mb = process.memory_info().rss / 1e6
            used.append(f"{short(name)}: {processor_s(process) - before[name]:.1f} s, {memory_mb:.0f} MB")
        for node in (nodes.gateway_peer("grid"), nodes.orderers[0]):
            used.append(f"{node.name}: {grown({}, bytes_of(node.ledger), HOMES)} of ledger for each home")
    finally:
        down(directory)
    speed = summary["performance"]
    latency = speed["commit_latency_ms"]
    print(
        f"\n{HOMES} homes, 1 day, {backend}: {speed['elapsed_s']:.1f} s (goal 10, at most 20), keys and registrations "
        f"included; {speed['transactions']:,} transactions, {speed['transactions_per_s']:.0f} tx/s, "
        f"commit latency p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms; the network's processes used "
        f"{speed['mechanism']['network_processor_s']} s of processor time; {speed['retries']} tried again"
    )
    for name, one in speed["by_transaction"].items():
        print(f"  {name}: {one['count']}, p50 {one['p50_ms']} ms, p95 {one['p95_ms']} ms")
    for line in used:
        print(f"  {line}")
    if backend == "embedded":  # real peers may be a block apart when a query follows a commit
        assert speed["retries"] == 0
