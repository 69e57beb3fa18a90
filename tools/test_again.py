# SPDX-License-Identifier: Apache-2.0
"""Run each file with tests that failed last once more, alone: `test_again.py MARKS`.

A test that fails beside others and passes alone depends on something that it does not name: time, ports, a neighbour.
Such tests are named, so that their cause is found. The exit code is 1 where a test fails again, where more failed than
chance explains, or where the run itself broke off.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LAST_FAILED = Path(".pytest_cache") / "v" / "cache" / "lastfailed"
EXIT_CODE = Path(".pytest_cache") / "exit-code"
"""The Makefile writes pytest's exit code here."""
TESTS_FAILED = 1
"""pytest's exit code of a run that reached its end with failed tests."""
AT_MOST = 5
"""How many tests may have failed: with more of them something is broken."""


def main(marks: str) -> int:
    code = int(EXIT_CODE.read_text("ascii")) if EXIT_CODE.exists() else None
    if code != TESTS_FAILED:
        print(
            f"pytest's exit code was {code}, not {TESTS_FAILED}: no test failed, or not all ran",
            file=sys.stderr,
        )
        return 1
    failed = sorted(json.loads(LAST_FAILED.read_text("utf-8"))) if LAST_FAILED.exists() else []
    if not failed or len(failed) > AT_MOST:
        print(
            f"{len(failed)} tests failed; at most {AT_MOST} are tried again, and at least one",
            file=sys.stderr,
        )
        return 1
    for file in sorted({name.partition("::")[0] for name in failed}):
        limit = f"--timeout={1800 if marks == 'long' else 300}"
        words = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-m", marks, limit, file]
        if subprocess.run(words).returncode != 0:
            return 1
    print("FAILED BESIDE OTHERS, PASSED ALONE (find the cause):", *failed, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
