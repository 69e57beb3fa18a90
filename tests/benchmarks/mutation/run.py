# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the market's rules or of its contract: does a test fail whenever a line of them is changed?

    uv run --group mutation python tests/benchmarks/mutation/run.py [market|contract]

Works on a copy in a temporary folder (mutmut changes files where it runs), takes some minutes (the contract some tens),
prints the survivors and the score, and exits with 1 below the wanted score.
"""

import argparse
import os
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
source_paths=commonwatt_chaincode/{part}/
tests_dir=tests/{part}/
also_copy=
    commonwatt_chaincode
    vectors
    pytest.ini
"""
PYTEST = """\
[pytest]
asyncio_mode = auto
"""
PROFILE = """

from hypothesis import settings

settings.register_profile("mutation", deadline=None, database=None, max_examples=25, derandomize=True)
settings.load_profile("mutation")
"""
LEFT_OUT = ("test_determinism.py", "test_documentation.py", "recording.py")
"""They look at the repository, or run for long without looking at a line of their own."""


def lay_out(folder: Path, part: str) -> None:
    """Copy the code and its tests to where mutmut looks, with fewer random examples: thousands of runs follow."""
    shutil.copytree(PACKAGE, folder / "commonwatt_chaincode")
    tests = folder / "tests" / part
    shutil.copytree(ROOT / "tests" / "unit" / part, tests, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for package in (folder / "tests", tests):
        (package / "__init__.py").touch()
    with (tests / "conftest.py").open("a") as conftest:
        conftest.write(PROFILE)
    shutil.copytree(ROOT / "tests" / "vectors", folder / "vectors")  # where test_vectors.py looks
    (folder / "setup.cfg").write_text(CONFIGURATION.format(part=part))
    (folder / "pytest.ini").write_text(PYTEST)


def main() -> int:
    """Run mutmut and judge its result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="?", choices=("market", "contract"), default="market")
    part = parser.parse_args().part
    with tempfile.TemporaryDirectory(prefix="commonwatt-mutation-") as name:
        folder = Path(name) / "work"
        lay_out(folder, part)
        mutmut = [sys.executable, "-m", "mutmut"]
        log = folder / "log"
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        with log.open("w") as output:
            run = subprocess.run(
                [*mutmut, "run"],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=14_400,
                env=environment,
            )
        text = log.read_text(errors="replace")
        counts = re.findall(r"🎉 (\d+) .*?⏰ (\d+) .*?🙁 (\d+)", text)
        if run.returncode or not counts:
            print(text[-4000:])
            return 2
        killed, timed_out, survived = map(int, counts[-1])
        print(subprocess.run([*mutmut, "results"], cwd=folder, capture_output=True, text=True).stdout)
    percent = 100 * (killed + timed_out) / (killed + timed_out + survived)
    print(f"{killed + timed_out + survived} mutants, {survived} survived: {percent:.1f} % found")
    return 0 if percent >= WANTED_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
