# SPDX-License-Identifier: Apache-2.0
"""The default day on the embedded network, and days in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commonwatt_audit.audit import Audit
from commonwatt_audit.parallel import ParallelAudit
from commonwatt_audit.source import blocks_of_network
from commonwatt_loadgen.paper.experiment import Experiment, run
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate
from commonwatt_network.down import down
from commonwatt_network.model.topology import default_topology
from commonwatt_network.up import up


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


@pytest.mark.timeout(600)
async def test_the_default_day_on_the_embedded_network(tmp_path: Path) -> None:
    directory = tmp_path / ".commonwatt"
    try:
        result = await up(directory, default_topology(), "embedded", quiet)
        summary = await simulate(
            SimulationOptions(network_file=result.nodes.layout.network_file, out=tmp_path / "out"),
            lambda *_: None,
        )
        audit = Audit()
        with ParallelAudit(audit) as parallel:
            async for block in blocks_of_network(
                result.nodes.layout.network_file, "newtown", "newtown", "operator"
            ):
                parallel.check(block)
        audited = audit.findings
        audited_per_s = audited.transactions_per_s
    finally:
        down(directory)
    speed = summary["performance"]
    latency = speed["commit_latency_ms"]
    print(
        f"\n60 homes, 1 day, embedded: {speed['elapsed_s']:.1f} s (goal 60, at most 120), "
        f"{speed['transactions']:,} transactions, {speed['transactions_per_s']:.0f} tx/s, "
        f"commit latency p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms"
    )
    print(
        f"its audit: {audited.blocks:,} blocks, {audited.transactions:,} transactions, "
        f"{audited_per_s:,.0f} tx/s (goal 1,000)"
    )


def test_a_day_in_process() -> None:
    for share in (20, 50, 90):
        started = time.perf_counter()
        outcome = run(Experiment("NSW", 60, share, 1))
        elapsed_ms = (time.perf_counter() - started) * 1000
        print(f"\n60 homes, {share} % generators, in-process: {elapsed_ms:.0f} ms, {outcome.offers:,} offers")
