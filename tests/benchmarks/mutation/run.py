# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the markets' rules, of messages or of the contract: does a test fail whenever a line is changed?

    uv run --group mutation python tests/benchmarks/mutation/run.py [market|forward|messages|contract] [MODULE ...]

Works on a copy in a temporary folder (mutmut changes files where it runs), takes some minutes (the contract some tens),
prints the survivors, what was changed in them and the score, and exits with 1 below the wanted score. Modules are named
without ``.py``; without any all modules of the part are changed.
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

PARTS = {
    "market": ("market", ["market"]),
    "forward": ("market/forward", ["market"]),
    "settling": ("market/forward", ["market", "settling"]),
    "messages": ("messages", ["messages"]),
    "contract": ("contract", ["contract"]),
}
"""Each part's folder of code, and its folders of tests. `settling` is for what only a contract's tests reach."""

CONFIGURATION = """\
[mutmut]
source_paths=commonwatt_chaincode/{code}/
only_mutate=
{modules}
pytest_add_cli_args_test_selection=tests/
also_copy=
    commonwatt_chaincode
    vectors
    pytest.ini
"""
PYTEST = """\
[pytest]
asyncio_mode = auto
addopts = -m "not long"
markers = long: not here
"""
PROFILE = """
from hypothesis import settings

settings.register_profile("mutation", deadline=None, database=None, max_examples=25, derandomize=True)
settings.load_profile("mutation")
"""
LEFT_OUT = ("test_determinism.py", "test_documentation.py", "recording.py")
"""They look at the repository, or run for long without looking at a line of their own."""


def lay_out(folder: Path, part: str, modules: list[str]) -> None:
    """Copy the code and its tests to where mutmut looks, with fewer random examples: thousands of runs follow."""
    code, tests_of = PARTS[part]
    shutil.copytree(PACKAGE, folder / "commonwatt_chaincode")
    for name in tests_of:
        tests = folder / "tests" / name
        shutil.copytree(ROOT / "tests" / "unit" / name, tests, ignore=shutil.ignore_patterns(*LEFT_OUT))
        (tests / "__init__.py").touch()
    (folder / "tests" / "__init__.py").touch()
    (folder / "tests" / "conftest.py").write_text(PROFILE)
    shutil.copytree(ROOT / "tests" / "vectors", folder / "vectors")  # where test_vectors.py looks
    mutated = "\n".join(f"    commonwatt_chaincode/{code}/{module}.py" for module in modules or ["*"])
    (folder / "setup.cfg").write_text(CONFIGURATION.format(code=code, modules=mutated))
    (folder / "pytest.ini").write_text(PYTEST)


def main() -> int:
    """Run mutmut and judge its result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="?", choices=PARTS, default="market")
    parser.add_argument("module", nargs="*")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="commonwatt-mutation-") as name:
        folder = Path(name) / "work"
        lay_out(folder, arguments.part, arguments.module)
        mutmut = [sys.executable, "-m", "mutmut"]
        log = folder / "log"
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        with log.open("w") as output:
            run = subprocess.run(
                [*mutmut, "run", "--max-children", str(arguments.processes)],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=14_400,
                env=environment,
            )
        text = log.read_text(errors="replace")
        counts = re.findall(r"🎉 (\d+) 🫥 (\d+) .*?⏰ (\d+) .*?🙁 (\d+)", text)
        if run.returncode or not counts:
            print(text[-4000:])
            return 2
        killed, unreached, timed_out, survived = map(int, counts[-1])
        results = subprocess.run([*mutmut, "results"], cwd=folder, capture_output=True, text=True).stdout
        for name in re.findall(r"(\S+): (?:survived|no tests)", results):
            print(subprocess.run([*mutmut, "show", name], cwd=folder, capture_output=True, text=True).stdout)
    found = killed + timed_out
    percent = 100 * found / (found + survived + unreached)
    print(
        f"{found + survived + unreached} mutants, {survived} survived, {unreached} reached by no test:"
        f" {percent:.1f} % found"
    )
    return 0 if percent >= WANTED_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
