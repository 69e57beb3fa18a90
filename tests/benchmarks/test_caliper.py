# SPDX-License-Identifier: Apache-2.0
"""Hyperledger Caliper beside `commonwatt load`: one network, one kind of transaction, alternating runs.

All keep as many transactions in flight, which is the network's limit, and use one process; the rate is Caliper's
"throughput" and ours is committed transactions over elapsed time. Ours runs in both ways of hearing of commits: from
blocks, and by a call for each commit status as Caliper does. PAIRS changes the three rounds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from commonwatt_network.down import down
from commonwatt_network.model.topology import default_topology
from commonwatt_network.up import up

from ..behaviour.conftest import BACKENDS, quiet, run_apart
from ..interop.caliper.installed import CaliperReport, caliper, run_caliper
from ..support.fabric import require_backend

COMMONWATT = Path(sys.executable).with_name("commonwatt")
IN_FLIGHT = 200
TRANSACTIONS = 1500
DURATION_S = 6
PAIRS = int(os.environ.get("PAIRS", "3"))


@pytest.fixture(params=BACKENDS)
def network_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The default network, as `make network-up` starts it."""
    require_backend(request.param)
    directory = tmp_path / ".commonwatt"
    try:
        result = run_apart(lambda: up(directory, default_topology(), request.param, quiet))
        yield result.nodes.layout.network_file
    finally:
        down(directory)


def commonwatt(*arguments: str | Path) -> str:
    ran = subprocess.run([COMMONWATT, *arguments], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def run_of_caliper(network_file: Path, folder: Path) -> CaliperReport:
    commonwatt(
        "caliper", "--transactions", str(TRANSACTIONS), "--in-flight", str(IN_FLIGHT),
        "--out", folder, "--network", network_file,
    )  # fmt: skip
    report = run_caliper(folder, "report_reading")
    assert report.failed == 0
    return report


def run_of_ours(network_file: Path, folder: Path, *options: str) -> dict[str, Any]:
    commonwatt(
        "load", "--rate", "constant:1000", "--duration", str(DURATION_S), "--p95", "60", "--errors", "100",
        "--in-flight", str(IN_FLIGHT), "--out", folder, "--network", network_file, *options,
    )  # fmt: skip
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    assert summary["outcomes"]["committed"]
    return summary


def described(name: str, runs: list[dict[str, Any]]) -> str:
    rates = [one["committed_per_s"] for one in runs]
    used = [one["generator"]["cpu_percent_of_a_core"] for one in runs]
    each = [one["generator"]["cpu_ms_per_transaction"] for one in runs]
    return (
        f"{name}: {median(rates):.0f} tx/s ({', '.join(f'{rate:.0f}' for rate in rates)}), generator "
        f"{median(used):.0f} % of a core (goal 25), {median(each):.2f} ms per transaction"
    )


@pytest.mark.timeout(900)
def test_caliper_and_load(network_file: Path, tmp_path: Path) -> None:
    caliper()
    run_of_ours(network_file, tmp_path / "warm")
    theirs, ours, asking = [], [], []
    for number in range(PAIRS):
        theirs.append(run_of_caliper(network_file, tmp_path / f"caliper{number}").throughput)
        ours.append(run_of_ours(network_file, tmp_path / f"load{number}"))
        asking.append(run_of_ours(network_file, tmp_path / f"ask{number}", "--ask-status"))
    backend = json.loads(network_file.read_text())["backend"]
    print(f"\n{backend}, {IN_FLIGHT} in flight, {PAIRS} rounds in turn")
    print(f"Caliper: {median(theirs):.0f} tx/s ({', '.join(f'{rate:.0f}' for rate in theirs)})")
    for name, runs in (("commonwatt load", ours), ("commonwatt load --ask-status", asking)):
        ratios = [one["committed_per_s"] / rate for one, rate in zip(runs, theirs, strict=True)]
        listed = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(described(name, runs))
        print(f"  / Caliper, pair by pair: {listed}; median {median(ratios):.2f} (goal 2)")
