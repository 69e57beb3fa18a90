# SPDX-License-Identifier: Apache-2.0
"""`commonwatt explain CODE` prints the text that errors carry."""

import subprocess
import sys
from pathlib import Path

import pytest
from commonwatt_client.explain import EXPLANATIONS, explain
from commonwatt_network.cli.main import build_app
from typer.testing import CliRunner

APP = build_app("explain")
COMMAND = Path(sys.executable).parent / "commonwatt"


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_the_same_text_for_every_code(name: str) -> None:
    result = CliRunner().invoke(APP, ["explain", name])
    assert result.exit_code == 0
    assert result.output == f"{explain(name)}\n"


def test_an_unknown_code_is_one_line_and_exit_code_2() -> None:
    result = subprocess.run([COMMAND, "explain", "NOSUCH"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "MVCC_READ_CONFLICT" in result.stderr
