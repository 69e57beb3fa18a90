# SPDX-License-Identifier: Apache-2.0
"""`make docs`: the site is built without a warning, its links lead somewhere, and people can use it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from ..interop.axe import violations
from ..interop.chromium import browse

SHOWN = (
    "index.html",
    "reference/commands.html",
    "reference/python-client.html",
    "tutorials/research.html",
    "notebooks/index.html",
    "watching.html",
)
SIZES = ((1280, "light"), (390, "dark"))
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it; it prints that all links are right."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    ran = subprocess.run(
        ["make", "docs", f"SITE={folder}"], cwd=repository, env=os.environ, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "leads somewhere" in ran.stdout
    return folder


def test_the_site_is_built_and_its_links_lead_somewhere(site: Path) -> None:
    client = (site / "reference" / "python-client.html").read_text("utf-8")
    assert 'id="commonwatt_client.Gateway"' in client
    assert "<p>::</p>" not in client
    commands = (site / "reference" / "commands.html").read_text("utf-8")
    assert 'id="commonwatt-network-up"' in commands
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert 'src="http' not in text, f"{page} loads a script or a picture from elsewhere"
        assert 'rel="stylesheet" href="http' not in text, f"{page} loads styles or fonts from elsewhere"


async def test_people_can_use_its_pages(site: Path) -> None:
    async with browse((site / SHOWN[0]).as_uri()) as browser:
        for name in SHOWN:
            for width, scheme in SIZES:
                await browser.resize(width)
                await browser.prefer(scheme)
                await browser.call("Page.navigate", url=(site / name).as_uri())
                await asyncio.sleep(1)  # the theme goes on after the page is complete
                await browser.until("document.readyState === 'complete'")
                assert await browser.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
                assert await violations(browser) == [], (name, width, scheme)
