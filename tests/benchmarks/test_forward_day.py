# SPDX-License-Identifier: Apache-2.0
"""A simulated day of the forward market on the embedded network: 60 homes, periods of 30 minutes, 5,700 messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commonwatt_loadgen.forward.ledger_run import simulate_forward_on_ledger
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

HOMES = 60


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


@pytest.mark.timeout(600)
async def test_a_forward_day_on_the_embedded_network(tmp_path: Path) -> None:
    directory = tmp_path / ".commonwatt"
    base = load_topology("forward")
    newtown = base.organizations["newtown"].model_copy(update={"homes": HOMES})
    topology = base.model_copy(update={"organizations": {**base.organizations, "newtown": newtown}})
    try:
        made = await up(directory, topology, "embedded", quiet)
        run = SimulationOptions(network_file=made.nodes.layout.network_file, out=tmp_path / "out")
        summary = await simulate_forward_on_ledger(ForwardOptions(run=run), lambda *_: None)
    finally:
        down(directory)
    speed = summary["performance"]
    latency = speed["commit_latency_ms"]
    print(
        f"\n{HOMES} homes, 1 day, embedded: {speed['elapsed_s']:.1f} s (goal 10, at most 20), keys and registrations "
        f"included; {speed['transactions']:,} transactions, {speed['transactions_per_s']:.0f} tx/s, "
        f"commit latency p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms; the network's processes used "
        f"{speed['mechanism']['network_processor_s']} s of processor time; {speed['retries']} tried again"
    )
    for name, one in speed["by_transaction"].items():
        print(f"  {name}: {one['count']}, p50 {one['p50_ms']} ms, p95 {one['p95_ms']} ms")
    assert speed["retries"] == 0
