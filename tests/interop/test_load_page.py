# SPDX-License-Identifier: Apache-2.0
"""The live page of a throughput test in a real browser, while transactions are sent."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commonwatt_network.down import down
from commonwatt_network.model.topology import default_topology
from commonwatt_network.up import up

from .axe import violations
from .chromium import browse, find_chromium

COMMAND = Path(sys.executable).with_name("commonwatt")


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


@pytest.fixture
async def network_file(tmp_path: Path) -> AsyncIterator[Path]:
    find_chromium()
    directory = tmp_path / ".commonwatt"
    try:
        result = await up(directory, default_topology(homes=2), "embedded", quiet)
        yield result.nodes.layout.network_file
    finally:
        down(directory)


@pytest.mark.timeout(240)
@pytest.mark.long
async def test_the_page_follows_a_test_to_its_end(network_file: Path, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        COMMAND, "load", "--rate", "constant:10", "--duration", "8", "--p95", "60", "--ui", "--out", tmp_path / "out",
        "--network", network_file, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("live: http://127.0.0.1:"), line
        async with browse(line.removeprefix("live: ").strip()) as page:
            await page.until(
                "['preparing', 'running'].includes(document.getElementById('state').textContent)"
            )
            await until_running(page)
            await page.until("document.querySelectorAll('#heights tr').length >= 3")
            await page.until("Number(document.getElementById('committed').textContent) > 5")
            assert await page.evaluate("document.getElementById('lag_p99_ms').textContent") != "–"
            for width in (1280, 390):
                await page.resize(width)
                wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
                assert not await page.evaluate(wider), width
                for scheme in ("light", "dark"):
                    await page.prefer(scheme)
                    assert await violations(page) == [], (width, scheme)
                    (tmp_path / f"load-{width}-{scheme}.png").write_bytes(await page.screenshot())
            ticks = await page.evaluate(
                "[...document.querySelectorAll('#latencies text')].map((one) => one.textContent)"
            )
            assert ticks[0] == "ms"
            assert any(re.fullmatch(r"\d\d:\d\d:\d\d", tick) for tick in ticks), ticks
            assert "Began" in await page.evaluate("document.getElementById('began').textContent")
            await page.until("document.getElementById('state').textContent === 'passed'")
            path = await page.evaluate("document.querySelector('#rates .live path.one').getAttribute('d')")
            assert path.count("L") > 2
            assert page.problems == []
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        assert b"80 of 80 committed" in output
        assert json.loads((tmp_path / "out" / "summary.json").read_text())["passed"]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until_running(page: object) -> None:
    """Preparing a community takes longer than a page's own patience on a busy machine."""
    for _ in range(3):
        try:
            await page.until("document.querySelectorAll('#outcomes tr').length && "  # type: ignore[attr-defined]
                             "document.getElementById('state').textContent === 'running'")  # fmt: skip
        except TimeoutError:
            continue
        return
    pytest.fail("the test never ran")
