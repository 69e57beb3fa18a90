# SPDX-License-Identifier: Apache-2.0
"""How much of `commonwatt experiment run` cannot be shared by cores, and what two cores therefore make of a sweep.

    .venv/bin/pytest tests/benchmarks/test_sweep.py -s

The command's own processor time is serial, its workers' is shared. On a machine that does nothing else, the elapsed
times of one and of two jobs are comparable too; both are printed.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUNS, HOMES, DAYS = 8, 300, 5
EXPERIMENT = f"""
name: sweep
homes: {HOMES}
days: {DAYS}
batteries: {{plan: sell-all}}
sweep:
  share_percent: [20, 40]
seeds: 1-{RUNS // 2}
"""
COMMAND = """
import resource, sys
from commonwatt_network.cli.main import main
sys.argv = ["commonwatt", "experiment", "run", "experiment.yaml", "--jobs", {jobs!r}, "--out", {jobs!r}]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
own = resource.getrusage(resource.RUSAGE_SELF)
print("own", own.ru_utime + own.ru_stime)
"""


def run(folder: Path, jobs: int) -> tuple[float, float, float]:
    """Elapsed time, the command's own processor time, and that of all its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND.format(jobs=str(jobs))],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1700,
    )
    elapsed_s = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = re.search(r"^own ([\d.]+)$", done.stdout, re.MULTILINE)
    assert own is not None
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return elapsed_s, float(own[1]), used_s


@pytest.mark.timeout(1800)
def test_a_sweep_on_two_cores(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    one_s, _, alone_s = run(tmp_path, 1)
    two_s, own_s, shared_s = run(tmp_path, 2)
    on_two_s = own_s + (shared_s - own_s) / 2
    print(
        f"\n{RUNS} runs of {HOMES} homes, {DAYS} days: {alone_s:.1f} s of processor time with one job, "
        f"{shared_s:.1f} s with two, of which {own_s:.1f} s are serial ({100 * own_s / alone_s:.0f} %): "
        f"at most {alone_s / on_two_s:.2f} x as fast (goal 1.8); elapsed here {one_s:.1f} and {two_s:.1f} s"
    )
