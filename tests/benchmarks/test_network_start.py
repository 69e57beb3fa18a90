# SPDX-License-Identifier: Apache-2.0
"""How long `network-up` takes and how much memory the network holds, beside the project's goals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.status import network_status
from commonwatt_network.up import up

from ..support.fabric import require_backend


@pytest.mark.parametrize(
    ("backend", "sample", "goal_s"),
    [
        ("embedded", "default", 5.0),
        ("native", "default", 20.0),
        ("native", "three-orderers", 20.0),
        ("native", "bft", 20.0),
    ],
)
def test_time_to_the_first_transaction(tmp_path: Path, backend: str, sample: str, goal_s: float) -> None:
    require_backend(backend)
    phases: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        phases[name] = time.perf_counter() - began

    directory = tmp_path / ".commonwatt"
    try:
        began = time.perf_counter()
        asyncio.run(up(directory, load_topology(sample), backend, timed))
        ready_s = time.perf_counter() - began
        status = asyncio.run(network_status(directory))
    finally:
        down(directory)
    listed = ", ".join(f"{name} {seconds:.1f}" for name, seconds in phases.items())
    memory_mb = status.memory_bytes / 1e6
    print(f"\n{backend} {sample}: ready in {ready_s:.1f} s (goal {goal_s:.0f}): {listed}; {memory_mb:.0f} MB")
