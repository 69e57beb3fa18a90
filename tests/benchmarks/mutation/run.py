# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the market's rules: does a test fail whenever a line of them is changed?

    uv run --group mutation python tests/benchmarks/mutation/run.py

Works on a copy in a temporary folder (mutmut changes files where it runs), takes some minutes, prints the survivors
and the score, and exits with 1 below the wanted score.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "chaincode" / "commonwatt_chaincode"
WANTED_PERCENT = 90

CONFIGURATION = """\
[mutmut]
source_paths=commonwatt_chaincode/market/
tests_dir=tests/market/
also_copy=
    commonwatt_chaincode/__init__.py
    vectors
"""
PROFILE = """from hypothesis import settings

settings.register_profile("mutation", deadline=None, database=None, max_examples=25, derandomize=True)
settings.load_profile("mutation")
"""


def lay_out(folder: Path) -> None:
    """Copy the rules and their tests to where mutmut looks, with fewer random examples: thousands of runs follow."""
    (folder / "commonwatt_chaincode").mkdir(parents=True)
    shutil.copy(PACKAGE / "__init__.py", folder / "commonwatt_chaincode")
    shutil.copytree(PACKAGE / "market", folder / "commonwatt_chaincode" / "market")
    shutil.copytree(ROOT / "tests" / "unit" / "market", folder / "tests" / "market")
    for package in ("tests", "tests/market"):
        (folder / package / "__init__.py").touch()
    (folder / "tests" / "market" / "conftest.py").write_text(PROFILE)
    shutil.copytree(ROOT / "tests" / "vectors", folder / "vectors")  # where test_vectors.py looks
    (folder / "setup.cfg").write_text(CONFIGURATION)


def main() -> int:
    """Run mutmut and judge its result."""
    with tempfile.TemporaryDirectory(prefix="commonwatt-mutation-") as name:
        folder = Path(name) / "work"
        lay_out(folder)
        mutmut = [sys.executable, "-m", "mutmut"]
        run = subprocess.run([*mutmut, "run"], cwd=folder, capture_output=True, text=True, timeout=3600)
        counts = re.findall(r"🎉 (\d+) .*?⏰ (\d+) .*?🙁 (\d+)", run.stdout)
        if run.returncode or not counts:
            print(run.stdout[-2000:], run.stderr[-2000:])
            return 2
        killed, timed_out, survived = map(int, counts[-1])
        print(subprocess.run([*mutmut, "results"], cwd=folder, capture_output=True, text=True).stdout)
    percent = 100 * (killed + timed_out) / (killed + timed_out + survived)
    print(f"{killed + timed_out + survived} mutants, {survived} survived: {percent:.1f} % found")
    return 0 if percent >= WANTED_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
