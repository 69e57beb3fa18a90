# SPDX-License-Identifier: Apache-2.0
"""The notebooks of docs/notebooks: each cell prints what the notebook holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
RUN = (sys.executable, str(ROOT / "tools" / "run_notebooks.py"), "--check")


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, str(path)], capture_output=True, text=True, timeout=300)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_cell_prints_what_the_notebook_holds(path: Path) -> None:
    cells = [one for one in json.loads(path.read_text("utf-8"))["cells"] if one["cell_type"] == "code"]
    assert all(one["outputs"] for one in cells), "a cell without outputs: run tools/run_notebooks.py"
    done = checked(path)
    assert done.returncode == 0, done.stderr


def test_there_are_three_and_the_page_names_each() -> None:
    page = (ROOT / "docs" / "notebooks" / "index.md").read_text("utf-8")
    assert len(NOTEBOOKS) == 3
    assert all(f"({path.name})" in page for path in NOTEBOOKS)


def test_a_cell_that_prints_something_else_is_found(tmp_path: Path) -> None:
    cell = {
        "cell_type": "code",
        "id": "one",
        "metadata": {},
        "source": "1 + 1",
        "execution_count": 1,
        "outputs": [
            {
                "output_type": "execute_result",
                "execution_count": 1,
                "metadata": {},
                "data": {"text/plain": "3"},
            }
        ],
    }
    path = tmp_path / "wrong.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    done = checked(path)
    assert done.returncode == 1
    assert "cell 1 holds\n['3']\nand prints\n['2']" in done.stderr
