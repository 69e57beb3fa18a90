# SPDX-License-Identifier: Apache-2.0
"""Reports in a real browser: nothing on the console, no sideways scrolling on a phone, printable, for everybody."""

from __future__ import annotations

import html
import json
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest
from commonwatt_community.service.page import page as rest_page

from ..support.small_reports import REPORTS, paper, simulated
from .axe import violations
from .chromium import browse

CHROMIUM = Path("/usr/bin/chromium")
DESK_PX, PHONE_PX = 1280, 360

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    path = folder / "report.html"
    path.write_text(REPORTS["simulation"](folder), "utf-8")
    return path


def rest(_: Path) -> str:
    """The page of the REST interface, from the document that a service serves."""
    document = Path(__file__).parents[2] / "docs" / "openapi.json"
    return rest_page(json.loads(document.read_text("utf-8")))


PAGES = {**{name: REPORTS[name] for name in ("forward", "comparison", "load")}, "rest": rest}


async def fits_and_reads_well(path: Path) -> None:
    """A page on a desk, dark and then light with all tables open: axe-core finds nothing, and no column is cut."""
    async with browse(path.as_uri()) as page:
        await page.resize(DESK_PX)
        backs = []
        for scheme in ("dark", "light"):
            await page.prefer(scheme)
            assert await page.evaluate("document.documentElement.scrollWidth") <= DESK_PX
            path.with_suffix(f".{scheme}.png").write_bytes(await page.screenshot())
            if scheme == "light":
                assert await page.cut_tables() == []
            assert await violations(page) == [], scheme
            backs.append(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert backs[0] != backs[1], "there is a dark page"
        assert page.problems == []


def chromium(profile: Path, page: Path, *arguments: str) -> tuple[str, str]:
    """Run the browser on a page and return what it printed and logged."""
    done = subprocess.run(
        [
            str(CHROMIUM),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={profile}",
            "--enable-logging=stderr",
            *arguments,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_nothing_is_said_on_the_console_and_charts_are_labelled(report: Path, tmp_path: Path) -> None:
    dom, log = chromium(tmp_path, report, "--dump-dom")
    assert "CONSOLE" not in log
    charts = re.findall(r"<svg[^>]*>", dom)
    assert len(charts) > 15
    assert all('role="img"' in chart and 'aria-label="' in chart for chart in charts)


def test_a_phone_does_not_scroll_sideways(report: Path, tmp_path: Path) -> None:
    framed = tmp_path / "phone.html"
    framed.write_text(
        f'<!doctype html><link rel="icon" href="data:,"><iframe id="phone" style="width:{PHONE_PX}px;height:800px;'
        f'border:0" srcdoc="{html.escape(report.read_text("utf-8"))}"></iframe><script>\n'
        'const phone = document.getElementById("phone");\n'
        "phone.onload = () => { document.documentElement.dataset.widest = "
        "phone.contentDocument.documentElement.scrollWidth; };\n</script>",
        "utf-8",
    )
    dom, _ = chromium(tmp_path / "profile", framed, "--dump-dom", "--virtual-time-budget=5000")
    found = re.search(r'data-widest="(\d+)"', dom)
    assert found is not None
    assert int(found[1]) <= PHONE_PX


def test_it_prints(report: Path, tmp_path: Path) -> None:
    printed = tmp_path / "report.pdf"
    chromium(tmp_path / "profile", report, f"--print-to-pdf={printed}", "--no-pdf-header-footer")
    content = printed.read_bytes()
    assert content.startswith(b"%PDF")
    assert (
        content.count(b"/Type /Page\n") + content.count(b"/Type /Page/") + content.count(b"/Type /Page ") > 2
    )


async def test_people_can_use_the_report_of_a_simulation(report: Path) -> None:
    await fits_and_reads_well(report)


@pytest.fixture
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A page of another kind; written here, for some commands run a loop of their own."""
    path = tmp_path / "page.html"
    path.write_text(request.param(tmp_path), "utf-8")
    return path


@pytest.mark.parametrize("other", PAGES.values(), ids=PAGES, indirect=True)
async def test_people_can_use_every_kind_of_report(other: Path) -> None:
    await fits_and_reads_well(other)


@pytest.mark.long
@pytest.mark.parametrize(
    "other", [paper, partial(simulated, communities=2)], ids=["paper", "communities"], indirect=True
)
async def test_people_can_use_long_reports(other: Path) -> None:
    await fits_and_reads_well(other)
