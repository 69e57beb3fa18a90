# SPDX-License-Identifier: Apache-2.0
"""What the README shows is true: its Python runs, its links lead somewhere, its targets exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_trade_runs_as_printed(shell: Any) -> None:
    assert shell.up().returncode == 0
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    ran = subprocess.run(
        [sys.executable, "-c", example[1]], cwd=shell.folder, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert "sell_price_uaud_per_kwh" in ran.stdout
    assert json.loads((shell.directory / "network.json").read_text())["backend"] == "embedded"


def test_every_link_of_every_page_leads_to_a_file() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "SUPPORTED.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("examples/*/README.md"),
    ]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_make_target_of_the_pages_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    pages = [
        ROOT / "README.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("examples/*/README.md"),
    ]
    named = {
        name
        for page in pages
        for name in re.findall(r"\bmake ([a-z][a-z-]+)", page.read_text(encoding="utf-8"))
        if f"`make {name}" in page.read_text(encoding="utf-8")
        or f"    make {name}" in page.read_text(encoding="utf-8")
    }
    assert named - targets == set()
