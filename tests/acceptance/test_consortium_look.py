# SPDX-License-Identifier: Apache-2.0
"""docs/consortium.md, "First, a look on one machine": the lines run as they are printed, and start no node."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


@pytest.mark.long
@pytest.mark.timeout(900)
def test_three_organisations_make_a_channel_on_one_machine(repository: Path, tmp_path: Path) -> None:
    page = (repository / "docs" / "consortium.md").read_text("utf-8")
    section = page.split("## First, a look on one machine")[1].split("\n## ")[0]
    lines = textwrap.dedent("\n".join(re.findall(r"^    .*$", section, re.MULTILINE)))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["sh", "-ec", lines],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count(" is ready: orderer0.") == 3
    assert "a transaction counts when 2 of 3 organisations endorsed it with a peer" in ran.stdout
    assert ran.stdout.endswith("no mistakes found\n")
    assert not list(tmp_path.rglob("state.json"))
