# SPDX-License-Identifier: Apache-2.0
"""The household's page in a real browser, on a desk and on a phone, in light and dark."""

from __future__ import annotations

from pathlib import Path

from commonwatt_community.home.page import page_of
from commonwatt_community.home.state import State

from ..support.home_at_rest import home_at_rest
from .axe import violations
from .chromium import browse, find_chromium


async def test_everyone_can_use_the_households_page(tmp_path: Path) -> None:
    find_chromium()
    async with home_at_rest(tmp_path) as living:
        living.lines.trouble("x", "the meter is away")
        async with page_of(living, State(living), 0) as port, browse(f"http://127.0.0.1:{port}/") as page:
            await page.until("document.getElementById('home').textContent === 'h1'")
            assert "the meter is away" in await page.evaluate("document.body.innerText")
            for width in (1280, 390):
                await page.resize(width)
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
                for scheme in ("light", "dark"):
                    await page.prefer(scheme)
                    assert await violations(page) == [], (width, scheme)
                    (tmp_path / f"household-{width}-{scheme}.png").write_bytes(await page.screenshot())
            await page.evaluate("document.getElementById('pause').click()")
            await page.until("document.getElementById('pause').textContent === 'Trade again'")
            assert living.wishes.paused
            assert page.problems == []
