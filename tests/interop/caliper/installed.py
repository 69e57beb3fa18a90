# SPDX-License-Identifier: Apache-2.0
"""Hyperledger Caliper with its Fabric binding in place, once, and a way to run it on a workspace."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..npm import with_packages

FOLDER = Path(__file__).parent


def caliper() -> Path:
    """The program; skips the test where Node or its packages cannot be had."""
    # Without the packages' install scripts: Caliper's Ethereum part alone has any.
    folder = with_packages(FOLDER, "--ignore-scripts")
    return folder / "node_modules" / "@hyperledger" / "caliper-cli" / "caliper.js"


@dataclass(frozen=True)
class CaliperReport:
    """One round as Caliper reports it; rates per second, latencies in seconds."""

    succeeded: int
    failed: int
    send_rate: float
    latency_max_s: float
    latency_min_s: float
    latency_mean_s: float
    throughput: float


def run_caliper(workspace: Path, label: str) -> CaliperReport:
    """Run the workspace's benchmark and read the round `label` from the report that Caliper writes."""
    program = caliper()
    ran = subprocess.run(
        ["node", program, "launch", "manager", "--caliper-workspace", workspace,
         "--caliper-networkconfig", "network.yaml", "--caliper-benchconfig", "benchmark.yaml",
         "--caliper-flow-only-test"],
        cwd=FOLDER, env={**os.environ, "NODE_PATH": str(FOLDER / "node_modules")},  # for the workload module
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]
    assert (workspace / "report.html").exists(), (ran.stdout + ran.stderr)[-6000:]
    report = (workspace / "report.html").read_text()
    row = re.search(rf"<td>{label}</td>((?:\s*<td>[^<]*</td>)+)", report)
    assert row, report[:2000]
    succeeded, failed, *rates = re.findall(r"<td>([^<]*)</td>", row[1])
    return CaliperReport(
        int(succeeded), int(failed), *(float(rate) if rate != "-" else 0.0 for rate in rates)
    )
