# SPDX-License-Identifier: Apache-2.0
"""The watch's page in a real browser, at desk and phone width, while a network trades."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from commonwatt_client import EndorseError, connect_network_file
from commonwatt_network.down import down
from commonwatt_network.model.topology import default_topology
from commonwatt_network.up import up
from commonwatt_network.watch.exposition import exposition
from commonwatt_network.watch.server import application
from commonwatt_network.watch.subject import subject_of
from commonwatt_network.watch.watcher import Watcher

from ..support.homes import home_id
from .axe import violations
from .chromium import Page, browse, find_chromium

HOUR_S = 3_600
MIDNIGHT = 1_700_000_000 // 86_400 * 86_400


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """The address of a watch, and the network.json of the embedded network that it watches."""
    find_chromium()
    directory = tmp_path / ".commonwatt"
    try:
        await up(directory, default_topology(homes=2), "embedded", quiet)
        watcher = Watcher(subject_of(directory / "network.json"))
        async with watcher.running():
            runner = web.AppRunner(application(watcher), access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}", directory / "network.json"
            await runner.cleanup()
    finally:
        down(directory)


async def trade(network_file: Path) -> None:
    """One round in which home001 needs 700 Wh, home002 sells 500 Wh, and the grid delivers the rest."""

    async def submit(user: str, name: str, **argument: Any) -> Any:
        async with connect_network_file(network_file, "newtown", user) as gateway:
            contract = gateway.get_network("newtown").get_contract("market")
            return json.loads(await contract.submit_transaction(name, json.dumps(argument)))

    await submit("operator", "advance_clock", at=MIDNIGHT)
    buyer, seller = home_id("newtown", 1), home_id("newtown", 2)
    await submit("operator", "register_home", home=buyer, home_class="consumer")
    await submit("operator", "register_home", home=seller, home_class="prosumer")
    noon = MIDNIGHT + 36 * HOUR_S - 660 * 60  # local time is UTC+11
    interval = {"interval_start": noon, "interval_end": noon + HOUR_S}
    sunny = {"home": seller, "use_wh": 0, "generation_wh": 500}
    await submit("home002", "settle_interval", **interval, **sunny, bid=True)
    dark = {"home": buyer, "use_wh": 700, "generation_wh": 0}
    opened = await submit("home001", "settle_interval", **interval, **dark, bid=True)
    offer = {"home": seller, "energy_wh": 500, "price_uaud_per_kwh": 150_000}
    await submit("home002", "submit_offer", round=opened["round"], **offer)
    with pytest.raises(EndorseError, match="unknown_round"):
        await submit("home002", "submit_offer", round="99999999", **offer)
    await submit("operator", "close_round", round=opened["round"], at=opened["closes_at"])


async def saved_as_csv(page: Page) -> str:
    """What the chart's button hands to the browser to save."""
    taken = "URL.createObjectURL = (blob) => { window.saved = blob; return 'data:,'; }"
    await page.evaluate(f"{taken}; document.querySelector('.under button').click()")
    return str(await page.promised("window.saved.text()"))


async def test_the_page_follows_the_market(watched: tuple[str, Path], tmp_path: Path) -> None:
    address, network_file = watched
    async with browse(address) as page:
        await page.resize(1280)
        await page.until("document.documentElement.dataset.ready === 'yes'")
        await trade(network_file)
        await page.until("document.body.innerText.includes('refused: unknown_round')")
        await page.until("document.body.innerText.includes('0.5 kWh\\ntraded between homes')")
        text = await page.evaluate("document.body.innerText")
        assert "Channel newtown" in text
        assert "ordered by orderer0" in text
        assert "days left" in text
        for width in (1280, 390):
            await page.resize(width)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"
            for scheme in ("light", "dark"):
                await page.prefer(scheme)
                assert await violations(page) == [], (width, scheme)
                picture = await page.screenshot()
                await asyncio.to_thread((tmp_path / f"watch-{width}-{scheme}.png").write_bytes, picture)
            if width == 1280:
                assert await page.cut_tables() == []
        chart = "document.querySelector('svg.live')"
        assert "per second" in await page.evaluate(f"{chart}.getAttribute('aria-label')")
        ticks = await page.evaluate(f"[...{chart}.querySelectorAll('text')].map((one) => one.textContent)")
        assert ticks[0] == "per second"
        assert any(re.fullmatch(r"\d\d:\d\d:\d\d", tick) for tick in ticks), ticks
        said = "document.querySelector('.under span').textContent"
        assert str(datetime.now(UTC).year) in await page.evaluate(said), "the date stands under the chart"
        await page.evaluate(f"{chart}.focus()")
        await page.press("ArrowLeft")
        assert re.fullmatch(r"[\d:]{8}: committed [\d.]+ per second", await page.evaluate(said))
        saved = await saved_as_csv(page)
        assert saved.startswith("time,per_s\n20"), saved
        assert len(saved.splitlines()) > 3
        assert page.problems == []


async def test_prometheus_reads_the_same_figures(watched: tuple[str, Path]) -> None:
    address, network_file = watched
    await trade(network_file)
    wanted = {
        'commonwatt_market_traded_energy_wh_total{channel="newtown"} 500',
        'commonwatt_market_rounds_cleared_total{channel="newtown"} 1',
        'commonwatt_market_homes{channel="newtown"} 2',
        'commonwatt_refusals_total{channel="newtown",code="unknown_round"} 1',
    }
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while True:
            async with session.get(f"{address}/metrics") as answer:
                lines = set((await answer.text()).splitlines())
            if wanted <= lines:
                break
            await asyncio.sleep(0.2)
    assert 'commonwatt_node_up{node="peer0.grid",kind="peer",organization="grid"} 1' in lines


async def test_a_watch_that_begins_anew_goes_on_where_it_was(watched: tuple[str, Path]) -> None:
    _, network_file = watched
    await trade(network_file)
    watcher = Watcher(subject_of(network_file))
    seen: list[str] = []
    async with watcher.running(), asyncio.timeout(20):
        while not watcher.snapshot()["channels"]["newtown"]["complete"]:
            seen += [line for line in exposition(watcher.snapshot()).splitlines() if "newtown" in line]
            await asyncio.sleep(0)
        figures = watcher.snapshot()["channels"]["newtown"]
    assert not [line for line in seen if line.startswith(("commonwatt_transactions", "commonwatt_market"))]
    assert figures["transactions"]["VALID"] >= 6
    assert figures["market"]["rounds_cleared"] == 1
    assert figures["transactions_per_s"] == 0.0
    assert "not_configured" not in figures["refusals"]
    assert [peer["not_endorsed"] for peer in figures["peers"].values()] == [0.0, 0.0]
