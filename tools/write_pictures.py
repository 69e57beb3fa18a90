# SPDX-License-Identifier: Apache-2.0
"""Take the pictures of docs/images from the pages themselves, in a browser, while three homes trade for a day.

    python -m tools.write_pictures            # needs chromium on PATH; takes some minutes

The network is the embedded one of the tests, on its simulated clock. portal.webp moves: it shows a resident's page
as the day goes on, and then the report of a simulated day. Look at each picture before you commit it.
"""

from __future__ import annotations

import asyncio
import base64
import io
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pyotp
from commonwatt_community.service.caller import Role
from commonwatt_community.statement import read_month, read_statement, statement_html
from commonwatt_loadgen.report.simulation import simulation_report
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate_in_process
from PIL import Image

from tests.behaviour.forward_network import CARRIERS, GRID, LENGTH_MIN, MIDNIGHT
from tests.behaviour.served import Town, town
from tests.interop.chromium import Page, browse
from tests.interop.test_portal import LIFE, come_in, opened
from tests.support.market_month import the_month

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

IMAGES = Path(__file__).parent.parent / "docs" / "images"
HOURS = range(6, 19)
PAGE_PX, MOVING_PX, PHONE_PX, PHONE_HIGH_PX = 840, (1000, 1_040), 390, 1_200
READY = "document.documentElement.dataset.ready === 'yes'"
HOUR_MS, LAST_MS = 700, 3_000


async def traded_hours(begun: Town) -> AsyncIterator[int]:
    """Let the homes trade each hour by the sun, and settle it; gives the hour when it is settled."""
    network = begun.network
    buyer, seller, third = network.homes
    for hour in HOURS:
        sun_wh = round(400 * math.sin(math.pi * (hour - 5.5) / 13.5))
        use_wh = 170 + 60 * (hour % 3) + (150 if hour >= 17 else 0)
        period = MIDNIGHT + 60 * hour
        await network.trade(period, max(20, min(sun_wh, use_wh) * 3 // 4 // 10 * 10))
        await network.set_clock((period + LENGTH_MIN) * 60)
        told = [
            network.reading(buyer, period, use_wh),
            network.reading(seller, period, max(0, 90 - sun_wh), max(0, sun_wh - 40)),
            network.reading(third, period, 60 + 10 * (hour % 4)),
        ]
        assert await network.carry(CARRIERS[0], period, told, "reading") == ["written"] * 3
        await network.submit(network.operator, "freeze_period", {"period": period})
        await network.submit(GRID, "settle_period", {"period": period})
        yield hour


async def shown(page: Page, width: int, height: int, top: int = 0) -> Image.Image:
    """The page as a window of this size shows it."""
    await page.resize(width, height)
    await page.evaluate(f"window.scrollTo({{ top: {top}, behavior: 'instant' }})")
    await asyncio.sleep(0.5)
    taken = await page.call("Page.captureScreenshot", format="png")
    return read(taken["data"])


def read(data: str) -> Image.Image:
    """A picture as the browser's protocol hands it over."""
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def write(picture: Image.Image, name: str) -> None:
    """As PNG of at most 256 colours, which these pages do with."""
    few = picture.quantize(256, kmeans=3, dither=Image.Dither.NONE)
    few.save(IMAGES / name, optimize=True)


async def portal(begun: Town) -> list[Image.Image]:
    """The portal through the day, on a desk and on phones."""
    frames = []
    async with opened(begun, home=0) as (_, page):
        await come_in(page, "ada")
        await page.until(READY)
        async for hour in traded_hours(begun):
            told = f"document.querySelector('#today-about').textContent.includes('{hour:02}:05')"
            await page.until(told)
            frames.append(await shown(page, *MOVING_PX))
        write(await shown(page, PAGE_PX, 1_425), "portal.png")
        phones = []
        for scheme, top in (("light", 0), ("dark", 0), ("dark", 1_150)):
            await page.prefer(scheme)
            phones.append(await shown(page, PHONE_PX, PHONE_HIGH_PX, top))
        between, high = 20, phones[0].height
        beside = Image.new("RGB", (3 * PHONE_PX + 4 * between, high + 2 * between), "#d5dade")
        for place, phone in enumerate(phones):
            beside.paste(phone, (between + place * (PHONE_PX + between), between))
        write(beside.resize((938, 938 * beside.height // beside.width)), "portal-phone.png")
    return frames


async def operators_page(begun: Town) -> None:
    """The operators' page in the evening."""
    async with opened(begun, Role.OPERATOR) as (_, page):
        await come_in(page, "operator")
        await page.until("!document.getElementById('factor').hidden")
        await page.write(pyotp.TOTP(await page.evaluate("document.getElementById('seed').value")).now())
        await page.press("Enter", "\r")
        await page.until(f"location.pathname === '/operator' && {READY}")
        write(await shown(page, PAGE_PX, 1_125), "operators-page.png")


async def files(folder: Path, report: str) -> list[Image.Image]:
    """A statement, and the report of a day: its first screen and its flows of energy."""
    june = the_month()
    statement = statement_html(await read_statement(june, "cy", read_month("2026-06"), community="newtown"))
    pages = {"statement": statement, "report": report}
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    async with browse((folder / "statement.html").as_uri()) as page:
        await shown(page, 765, 900)
        write(
            await shown(page, 765, await page.evaluate("document.documentElement.scrollHeight")),
            "statement.png",
        )
    async with browse((folder / "report.html").as_uri()) as page:
        whole = await shown(page, 1_180, 1_700)
        write(whole.resize((800, 800 * whole.height // whole.width)), "report.png")
        first = await shown(page, *MOVING_PX)
        top = await page.evaluate("document.querySelector('.sankey').closest('section').offsetTop")
        return [first, await shown(page, *MOVING_PX, top)]


def main() -> None:
    """Write all pictures."""
    options = SimulationOptions(homes=60)
    report = simulation_report(simulate_in_process(options, 1, lambda *_: None))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "portal.yaml").write_text(LIFE)
        with town("embedded", folder) as begun:
            frames = asyncio.run(portal(begun))
            asyncio.run(operators_page(begun))
        last = asyncio.run(files(folder, report))
    small = [one.resize((800, 800 * one.height // one.width)) for one in (*frames, *last)]
    waits = [HOUR_MS] * (len(frames) - 1) + [LAST_MS] * (1 + len(last))
    moving = IMAGES / "portal.webp"
    small[0].save(
        moving, save_all=True, append_images=small[1:], duration=waits, loop=0, quality=70, method=6
    )
    print(f"{moving}: {moving.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
