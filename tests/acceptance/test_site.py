# SPDX-License-Identifier: Apache-2.0
"""`make docs`: the site is built without a warning, and every link and anchor of it leads somewhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_site_is_built_and_its_links_lead_somewhere(repository: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        ["make", "docs", f"SITE={tmp_path / 'site'}"],
        cwd=repository,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "leads somewhere" in ran.stdout
    client = (tmp_path / "site" / "reference" / "python-client.html").read_text("utf-8")
    assert 'id="commonwatt_client.Gateway"' in client
    commands = (tmp_path / "site" / "reference" / "commands.html").read_text("utf-8")
    assert 'id="commonwatt-network-up"' in commands
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text("utf-8")
        assert 'href="https://fonts' not in text, f"{page} loads fonts from elsewhere"
        assert 'src="http' not in text, f"{page} loads a script or a picture from elsewhere"
