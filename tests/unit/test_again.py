# SPDX-License-Identifier: Apache-2.0
"""What fails beside others and passes alone is named; what fails again stays a failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "test_again.py"
ONCE = """
from pathlib import Path

def test_once():
    first = not Path("came").exists()
    Path("came").touch()
    assert not first
"""


def ran(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("test", "code", "said"),
    [
        (ONCE, 0, "find the cause"),
        ("def test_never():\n    assert False\n", 1, "1 failed"),
        (
            "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_many(n):\n    assert False\n",
            1,
            "6 tests",
        ),
        ("def test_fine():\n    pass\n", 1, "exit code was 0"),
        (f"{ONCE}\ndef test_end():\n    import pytest\n    pytest.exit('end', 3)\n", 1, "exit code was 3"),
    ],
    ids=["once", "always", "many", "none", "broken off"],
)
def test_a_failure_is_tried_once_more_alone(tmp_path: Path, test: str, code: int, said: str) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_one.py").write_text(test)
    first = ran(tmp_path, "-m", "pytest", "-p", "no:xdist", "-q")
    (tmp_path / ".pytest_cache" / "exit-code").write_text(f"{first.returncode}\n")
    again = ran(tmp_path, str(TOOL), "not long")
    assert (again.returncode, said in again.stdout + again.stderr) == (code, True), (
        again.stdout + again.stderr
    )
