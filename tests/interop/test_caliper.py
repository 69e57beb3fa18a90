# SPDX-License-Identifier: Apache-2.0
"""Hyperledger Caliper drives a benchmark on our networks, from the workspace that `commonwatt caliper` writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..behaviour.conftest import network  # noqa: F401
from .caliper.installed import caliper, run_caliper

TRANSACTIONS = 60


@pytest.mark.timeout(300)
@pytest.mark.long
def test_a_benchmark_from_the_standard_profile(network: Any, tmp_path: Path) -> None:  # noqa: F811
    caliper()
    workspace = tmp_path / "caliper"
    written = subprocess.run(
        [Path(sys.executable).with_name("commonwatt"), "caliper", "--transactions", str(TRANSACTIONS),
         "--rate", "30", "--out", workspace, "--network", network.path],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert written.returncode == 0, written.stderr
    report = run_caliper(workspace, "report_reading")
    assert (report.succeeded, report.failed) == (TRANSACTIONS, 0)
    assert report.throughput > 0
    assert report.latency_min_s <= report.latency_mean_s <= report.latency_max_s
