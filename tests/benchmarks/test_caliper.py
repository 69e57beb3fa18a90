"""Hyperledger Caliper beside `commonwatt load`: one network, one kind of transaction, one run after the other.

Both keep as many transactions in flight and use one process; the rate is Caliper's "throughput" and ours is committed
transactions over elapsed time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..behaviour.conftest import network  # noqa: F401
from ..interop.caliper.installed import caliper, run_caliper

COMMONWATT = Path(sys.executable).with_name("commonwatt")
IN_FLIGHT = 200
TRANSACTIONS = 3000
DURATION_S = 15


def commonwatt(*arguments: str | Path) -> str:
    ran = subprocess.run([COMMONWATT, *arguments], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.timeout(600)
def test_caliper_and_load(network: Any, tmp_path: Path) -> None:  # noqa: F811
    caliper()
    given = ("--in-flight", str(IN_FLIGHT), "--network-file", network.path)
    commonwatt("caliper", "--transactions", str(TRANSACTIONS), "--out", tmp_path / "caliper", *given)
    theirs = run_caliper(tmp_path / "caliper", "submit_request")
    commonwatt(
        "load", "--rate", "constant:600", "--duration", str(DURATION_S), "--p95", "60", "--errors", "100",
        "--out", tmp_path / "load", *given,
    )  # fmt: skip
    ours = json.loads((tmp_path / "load" / "summary.json").read_text())
    assert theirs.failed == 0
    committed = ours["outcomes"]["committed"]
    assert committed
    print(
        f"\n{network.backend} ({network.version}), {IN_FLIGHT} in flight: Caliper {theirs.throughput:.0f} tx/s "
        f"({theirs.succeeded} committed, mean latency {theirs.latency_mean_s:.2f} s), commonwatt load "
        f"{ours['committed_per_s']:.0f} tx/s ({committed} committed, p50 "
        f"{ours['latency_ms']['total']['p50'] / 1000:.2f} s, "
        f"{ours['generator']['cpu_percent_of_a_core']:.0f} % of a core); "
        f"ratio {ours['committed_per_s'] / theirs.throughput:.2f}"
    )
