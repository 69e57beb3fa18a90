# SPDX-License-Identifier: Apache-2.0
"""The report in a real browser: nothing on the console, no sideways scrolling on a phone, printable, labelled."""

from __future__ import annotations

import html
import re
import subprocess
from pathlib import Path

import pytest
from commonwatt_loadgen.report.simulation import simulation_report
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate_in_process

CHROMIUM = Path("/usr/bin/chromium")
PHONE_PX = 360

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = SimulationOptions(
        homes=12,
        share_percent=40,
        strategies=("suggested", "shading"),
        pv="equation",
        days=2,
        disutility=20,
        storage_from_grid=True,
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(simulation_report(simulate_in_process(options, 2, lambda *_: None)), "utf-8")
    return path


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
