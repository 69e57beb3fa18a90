# SPDX-License-Identifier: Apache-2.0
"""The residents' portal, the operators' page and the statement in a real browser, over a service and its ledger."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pyotp
import pytest
from commonwatt_community.service.caller import Role
from commonwatt_community.service.running import Running
from commonwatt_community.service.tls import own_certificate, server_context
from commonwatt_community.statement import Statement, read_month, read_statement, statement_html
from commonwatt_community.statement.attested import AttestedPeriods
from commonwatt_community.statement.carbon import CarbonAccount
from commonwatt_community.statement.page import MOST_CORRECTIONS, MOST_ROWS
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..behaviour.conftest import run_apart
from ..behaviour.forward_network import CARRIERS, GRID, MIDNIGHT
from ..behaviour.served import Town, town
from ..support.living_region import ON_EXCHANGE
from ..support.market_month import the_month
from ..support.served_town import ServedTown
from .axe import violations
from .chromium import Page, browse, find_chromium

PASSPHRASE = "a kettle boils at noon"
FIRST_PAINT_MS = 1_000
LARGEST_BYTES = 100_000
PHONE_PX, DESK_PX = 390, 1280
A4_PT = (595, 842)
READY = "document.documentElement.dataset.ready === 'yes'"
DOOR = "document.documentElement.dataset.ready === 'door'"
LIFE = "community: Newtown\nco2:\n  g_per_kwh: 660\n  source: National Greenhouse Accounts Factors, NSW\n"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Three homes whose morning is settled: one buys, one sells, one shares what is left."""
    find_chromium()
    folder = tmp_path_factory.mktemp("portal")
    (folder / "portal.yaml").write_text(LIFE)
    with town("embedded", folder) as begun:
        run_apart(lambda: _morning(begun))
        yield begun


async def _morning(begun: Town) -> None:
    network = begun.network
    buyer, seller, third = network.homes
    for hour in (9, 11):
        period = MIDNIGHT + 60 * hour
        await network.trade(period)
        await network.set_clock((period + 5) * 60)
        told = [
            network.reading(buyer, period, 320),
            network.reading(seller, period, 0, 350),
            network.reading(third, period, 90),
        ]
        assert await network.carry(CARRIERS[0], period, told, "reading") == ["written"] * 3
        await network.submit(GRID, "freeze_period", {"period": period})
        await network.submit(GRID, "settle_period", {"period": period})
    await network.trade(MIDNIGHT + 60 * 12)


@asynccontextmanager
async def opened(
    begun: Town, role: Role = Role.RESIDENT, home: int = 1
) -> AsyncIterator[tuple[Running, Page]]:
    """The page to which an invitation leads, in a browser that trusts the service's certificate alone."""
    async with begun.serving(portal=begun.folder / "portal.yaml") as running:
        assert running.certificate is not None
        subject = begun.network.homes[home] if role is Role.RESIDENT else "operator"
        code, _ = running.parts.invitations.new(role, subject)
        trusts = f"--ignore-certificate-errors-spki-list={_pin(running.certificate)}"
        async with browse(f"{running.url}/join#{code}", trusts) as page:
            await page.resize(DESK_PX)
            await page.until(DOOR)
            yield running, page


def _pin(certificate: Path) -> str:
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    written = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(written).digest()).decode()


async def come_in(page: Page, name: str) -> None:
    """Fill the form of an invitation by the keyboard."""
    await tab_to(page, "new-user")
    await page.write(name)
    await page.press("Tab")
    await page.write(PASSPHRASE)
    await page.press("Enter", "\r")


async def tab_to(page: Page, wanted: str, most: int = 60) -> None:
    """Press Tab until the element of this id has the focus, which shows each time where it is."""
    for _ in range(most):
        await page.press("Tab")
        focused = await page.evaluate(
            "(() => { const one = document.activeElement; const style = getComputedStyle(one);"
            " return [one.id, one === document.body || style.outlineStyle !== 'none' || one.tagName === 'IMG']; })()"
        )
        assert focused[1], f"nobody sees that {focused[0]} has the focus"
        if focused[0] == wanted:
            return
    raise AssertionError(f"Tab does not lead to {wanted}")


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


async def text_of(page: Page, identity: str) -> str:
    return str(await page.evaluate(f"document.getElementById('{identity}').innerText"))


async def test_a_resident_needs_the_keyboard_alone(street: Town) -> None:
    async with opened(street) as (running, page):
        assert await violations(page) == []
        await come_in(page, "bo")
        await page.until(READY)
        assert "#cw1" not in await page.evaluate("location.href"), "the invitation is out of the address"
        tiles = await text_of(page, "today-tiles")
        # 2 x (200 Wh sold at 18 c, 150 Wh of 210 Wh wanted shared at 18 c)
        assert "You receive\n$0.13" in tiles, tiles
        assert "0.700 kWh to neighbours" in tiles
        assert "660 g per kWh (National Greenhouse Accounts Factors, NSW)" in await page.evaluate(
            "document.getElementById('month-why').textContent"
        )
        assert "Sold" in await text_of(page, "trades-table")
        assert "13:00" not in await text_of(page, "trades-table")
        await street.network.trade(MIDNIGHT + 60 * 13)
        await page.until(
            "document.getElementById('trades-table').innerText.includes('13:00')"
        )  # by its event
        await tab_to(page, "pause")
        await page.press(" ", " ")
        await page.until("document.getElementById('pause').getAttribute('aria-checked') === 'false'")
        await tab_to(page, "limit-buy")
        await page.write("21.5")
        await tab_to(page, "limit-sell")
        await page.write("much")
        await page.press("Enter", "\r")
        await page.until("document.querySelector('#limits .wrong').textContent.includes('as 12.5')")
        assert await page.evaluate("document.activeElement.id") == "limit-sell"
        await page.evaluate("document.activeElement.select()")
        await page.write("9")
        await page.press("Enter", "\r")
        await page.until("document.getElementById('news').textContent === 'Saved.'")
        row = running.parts.store.one("SELECT * FROM wishes WHERE home = ?", street.network.homes[1])
        assert row is not None
        assert row["paused"] == 1
        assert '"buy_at_most_uaud_per_kwh": 215000, "sell_at_least_uaud_per_kwh": 90000' in row["limits"]
        await tab_to(page, "leave")
        await page.press("Enter", "\r")
        await page.until(DOOR)
        await tab_to(page, "user")
        await page.write("bo")
        await page.press("Tab")
        await page.write("not the passphrase")
        await page.press("Enter", "\r")
        await page.until("document.querySelector('#enter .wrong').textContent.includes('is wrong')")
        page.problems.clear()  # the browser notes the refused login
        await page.evaluate("document.getElementById('passphrase').value = ''")
        await page.evaluate("document.getElementById('passphrase').focus()")
        await page.write(PASSPHRASE)
        await page.press("Enter", "\r")
        await page.until(READY)
        assert page.problems == []


async def test_everyone_can_use_it_and_it_comes_at_once(street: Town, tmp_path: Path) -> None:
    async with opened(street, home=0) as (running, page):
        await come_in(page, "ada")
        await page.until(READY)
        for scheme in ("light", "dark"):
            await page.prefer(scheme)
            for name, width in (("desk", DESK_PX), ("phone", PHONE_PX)):
                await page.resize(width)
                assert await page.evaluate("document.documentElement.scrollWidth") <= width, (
                    "nothing sticks out"
                )
                assert await violations(page) == [], (scheme, name)
                picture = await page.screenshot()
                await asyncio.to_thread((tmp_path / f"portal-{name}-{scheme}.png").write_bytes, picture)
        charts = "document.querySelectorAll('figure:not([hidden]) svg[role=img]')"
        assert await page.evaluate(f"{charts}.length") >= 5
        names = await page.evaluate(
            f"[...{charts}].map((one) => one.getAttribute('aria-label') ||"
            " document.getElementById(one.getAttribute('aria-labelledby'))?.textContent)"
        )
        assert all(names), "each chart has a title"
        table = await page.evaluate("document.querySelector('#hours table').textContent")
        assert "0.2" in table, "the figures of a chart stand in its table"
        paints, weight = [], 0
        for _ in range(3):
            await page.call("Page.reload", ignoreCache=True)
            await page.until(f"performance.getEntriesByName('first-contentful-paint').length > 0 && {READY}")
            paints.append(
                await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            )
            weight = await page.evaluate(
                "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
                ".reduce((sum, one) => sum + (one.transferSize || 0), 0)"
            )
        print(f"first paint {min(paints):.0f} to {max(paints):.0f} ms, {weight} bytes in all")
        assert min(paints) < FIRST_PAINT_MS
        assert 0 < weight < LARGEST_BYTES
        home = street.network.homes[0]
        await page.call(
            "Page.navigate", url=f"{running.url}/api/v1/homes/{home}/statement.html?month=2025-11"
        )
        await page.until("document.title.startsWith('Energy statement')")
        # The stylesheet counts under the page's own policy; the title is there before it.
        await page.until("getComputedStyle(document.querySelector('header')).borderBottomWidth === '3px'")
        assert await violations(page) == []
        other = await page.promised(
            f"fetch('/api/v1/homes/{street.network.homes[1]}/summary').then((answer) => answer.status)"
        )
        assert other == 403, "a neighbour's figures are not theirs"
        assert [one for one in page.problems if "403" not in one] == []


async def test_a_month_tells_what_the_grid_attested_and_the_carbon_account(tmp_path: Path) -> None:
    find_chromium()
    served = ServedTown(tmp_path)
    quota = {"quota_g_per_day": 2_000, "price_uaud_per_kg": 100_000, "intensity": [[0, 24, 660]]}
    await served.live(exchange=ON_EXCHANGE, carbon=quota)
    await served.attest(5)
    certificate, key = own_certificate(tmp_path, ["127.0.0.1"])
    async with served.serving(server_context(certificate, key)) as (server, parts):
        code, _ = parts.invitations.new(Role.RESIDENT, "h1")
        address = str(server.make_url("/join")) + f"#{code}"
        trusts = f"--ignore-certificate-errors-spki-list={_pin(certificate)}"
        async with browse(address, trusts) as page:
            await page.until(DOOR)
            await come_in(page, "ada")
            await page.until(READY)
            assert "computed 5 of their 25 settled periods anew" in await text_of(page, "month-about")
            tiles = await text_of(page, "month-tiles")
            assert "Carbon quota" in tiles
            assert "above it on 1 of 2 billed days" in tiles, tiles
            why = await page.evaluate("document.getElementById('month-why').textContent")
            assert "your home may emit 2 kg a day by energy from the grid. A kg above it costs $0.10" in why
            assert await violations(page) == []
            assert page.problems == []


@pytest.mark.long
async def test_an_operator_sees_the_market_and_invites(street: Town, tmp_path: Path) -> None:
    async with opened(street, Role.OPERATOR) as (running, page):
        await come_in(page, "operator")
        await page.until("!document.getElementById('factor').hidden")
        assert await violations(page) == []
        seed = await page.evaluate("document.getElementById('seed').value")
        await page.write(pyotp.TOTP(seed).now())
        page.problems.clear()  # the browser notes that the first try lacked a code
        await page.press("Enter", "\r")
        await page.until(f"location.pathname === '/operator' && {READY}")
        assert "Homes confirmed\n3" in await text_of(page, "tiles")
        periods = await text_of(page, "periods-rows")
        assert "cleared" in periods
        assert "1 requests, 1 offers" in periods
        assert "0 of 3 homes" in await text_of(page, "readings-about")
        assert street.network.homes[2] in await text_of(page, "readings-missing")
        await tab_to(page, "invite-home", 120)
        await page.press("Tab")
        await page.press("Enter", "\r")
        await page.until("!document.getElementById('invited').hidden")
        address = str(await page.evaluate("document.getElementById('invite-url').value"))
        assert running.parts.invitations.read(address.partition("#")[2]).role is Role.RESIDENT
        for scheme in ("light", "dark"):
            await page.prefer(scheme)
            for name, width in (("desk", DESK_PX), ("phone", PHONE_PX)):
                await page.resize(width)
                assert await page.evaluate("document.documentElement.scrollWidth") <= width, (
                    "nothing sticks out"
                )
                assert await violations(page) == [], (scheme, name)
                picture = await page.screenshot()
                await asyncio.to_thread((tmp_path / f"operator-{name}-{scheme}.png").write_bytes, picture)
        assert page.problems == []


async def test_statements_print_on_one_sheet(tmp_path: Path) -> None:
    """Three homes', and one with as many rows as a page lists, two supply charges, and days that are not billed."""
    find_chromium()
    june = the_month()
    told = {
        home: await read_statement(june, home, read_month("2026-06"), community="Newtown")
        for home in june.day.homes
    }
    told["longest"] = longest(told["cy"])
    for name, one in told.items():
        (tmp_path / f"{name}.html").write_text(statement_html(one), "utf-8")
    async with browse("about:blank") as page:
        for name in told:
            await page.resize(DESK_PX)
            await page.call("Page.navigate", url=(tmp_path / f"{name}.html").as_uri())
            await page.until(
                f"location.pathname.endsWith('/{name}.html') && document.readyState === 'complete'"
            )
            pdf = await page.print()
            assert pages_of(pdf) == 1, name
            found = re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)", pdf)
            assert found is not None
            assert [abs(float(size) - of) < 2 for size, of in zip(found.groups(), A4_PT, strict=True)] == [
                True,
                True,
            ]
            assert await violations(page) == [], name
            await page.resize(PHONE_PX)
            assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE_PX
        assert page.problems == []


def longest(statement: Statement) -> Statement:
    """A statement that fills its sheet."""
    energy = [line for line in statement.lines if line.band]
    many = [line._replace(band=f"band number {number} of three") for number in range(3) for line in energy]
    booked = [line for line in statement.lines if line.kind == "adjustment"] * MOST_CORRECTIONS
    other = [line for line in statement.lines if not line.band and line.kind != "adjustment"]
    lines = (*many[:MOST_ROWS], *booked, *other, *other)
    unbilled = tuple(statement.billed[::2])
    return replace(
        statement,
        lines=lines,
        unbilled=unbilled,
        battery=True,
        community="A community with a long name",
        attested=AttestedPeriods(700, 720),
        carbon=CarbonAccount(30, 12, 151_250_000, 150_000_000, 225_000_000),
    )
