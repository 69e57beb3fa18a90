# SPDX-License-Identifier: Apache-2.0
"""A day of the forward market settled and billed on running networks, by either organisation and by both at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from commonwatt_client import GatewayError
from commonwatt_network.cli.main import build_app
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.command_line import invoke
from ..support.fabric import require_backend
from .conftest import quiet, run_apart
from .forward_network import BOTH, CARRIERS, CHANNEL, CONFIGURATION, GRID, MIDNIGHT, OPERATOR, ForwardNetwork

HOURS = [MIDNIGHT + 60 * hour for hour in range(24)]
DAY = 20_420
DAY_S = 86_400
TRADED = HOURS[12]
TOU = 300_000


@pytest.mark.parametrize("backend", ["embedded", pytest.param("native", marks=pytest.mark.long)])
@pytest.mark.timeout(300)
def test_a_day_is_settled_and_billed(tmp_path: Path, backend: str) -> None:
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    try:
        run_apart(lambda: story(directory, backend))
    finally:
        down(directory)


async def story(directory: Path, backend: str) -> None:
    made = await up(directory, load_topology("forward"), backend, quiet)
    network = ForwardNetwork(made.nodes, directory.parent / "keys")
    await network.found(4, CONFIGURATION | {"period_min": 60, "times": {"resettle_every_s": 3_600}})
    buyer, seller, silent, latecomer = network.homes
    await network.trade(TRADED)
    await network.set_clock((TRADED + 60) * 60)
    told = [network.reading(buyer, TRADED, 300, 0), network.reading(seller, TRADED, 0, 450)]
    assert await network.carry(CARRIERS[1], TRADED, told, "reading") == ["written"] * 2
    for hour, total_wh in ((2, 1_000_000), (6, 1_003_500)):
        await network.carry(
            CARRIERS[0], HOURS[hour], [network.reading(silent, HOURS[hour], 500, 0, total_wh)], "reading"
        )
    with pytest.raises(GatewayError, match="too_early"):
        await network.submit(OPERATOR, "freeze_period", {"period": TRADED})
    await network.set_clock((HOURS[-1] + 60) * 60 + 2 * DAY_S)
    for period in HOURS:
        await network.submit(GRID, "freeze_period", {"period": period})
        if period != TRADED:
            await network.submit(GRID, "settle_period", {"period": period})
    one = {"period": TRADED}
    both = await asyncio.gather(*(network.submit(who, "settle_period", one) for who in (OPERATOR, GRID)))
    assert both[0] == both[1]  # one was invalid, came again and found the other's
    lines = await lines_of(network, TRADED)
    assert (lines[buyer]["bought_wh"], lines[buyer]["shared_in_wh"], lines[buyer]["grid_in_wh"]) == (
        200,
        100,
        0,
    )
    assert (lines[seller]["sold_wh"], lines[seller]["grid_out_wh"]) == (200, 150)
    assert lines[silent]["quality"] == "estimated"
    assert sum(line["amount_naud"] for line in lines.values()) == both[0]["grid_naud"]
    await settle_the_gap(network, silent)
    await settle_anew(network, latecomer)
    billed = await network.submit(OPERATOR, "settle_day", {"day": DAY})
    assert (billed["homes"], billed["parts"]) == (4, 1)
    await check_bills(network, billed["amount_naud"])
    await asyncio.to_thread(check_statement, network, directory.parent)
    await adjust_afterwards(network, seller)
    await nothing_private_in_blocks(network)
    assert not (await network.audited()).ledger.unchecked


async def lines_of(network: ForwardNetwork, period: int) -> dict[str, dict[str, int]]:
    """A period's lines by home, the same from both organisations' peers."""
    span = {"from_period": period, "to_period": period + 1}
    answers = [await network.ask(OPERATOR, "list_lines", span, [by]) for by in BOTH]
    assert answers[0] == answers[1]
    return {line["home"]: line for line in answers[0]["lines"]}


async def settle_the_gap(network: ForwardNetwork, silent: str) -> None:
    gap = {"home": silent, "before": HOURS[2], "after": HOURS[6]}
    assert (await network.submit(OPERATOR, "settle_gap", gap))["changed"] == 3
    assert (await network.submit(GRID, "settle_gap", gap))["changed"] == 0
    for hour in (3, 4, 5):
        line = (await lines_of(network, HOURS[hour]))[silent]
        assert (line["quality"], line["import_wh"], line["amount_naud"]) == (
            "substituted",
            1_000,
            1_000 * TOU,
        )


async def settle_anew(network: ForwardNetwork, latecomer: str) -> None:
    late = network.reading(latecomer, TRADED, 120, 0)
    assert await network.carry(CARRIERS[0], TRADED, [late], "reading") == ["written"]
    with pytest.raises(GatewayError, match="too_early"):
        await network.submit(GRID, "freeze_period", {"period": TRADED})
    await network.set_clock((HOURS[-1] + 60) * 60 + 2 * DAY_S + 3_600)
    await network.submit(GRID, "freeze_period", {"period": TRADED})
    with pytest.raises(GatewayError, match="not_settled"):
        await network.submit(OPERATOR, "settle_day", {"day": DAY})
    await network.submit(GRID, "settle_period", {"period": TRADED})
    lines = await lines_of(network, TRADED)
    assert (lines[latecomer]["quality"], lines[latecomer]["version"]) == ("measured", 2)
    assert lines[latecomer]["shared_in_wh"] > 0


async def check_bills(network: ForwardNetwork, amount_naud: int) -> None:
    """Each home's bill is the sum of its lines; a home reads its own alone."""
    total_naud = 0
    for home in network.homes:
        span = {"from_period": HOURS[0], "to_period": HOURS[-1] + 1, "home": home}
        lines = (await network.ask(GRID, "list_lines", span))["lines"]
        bill = await network.ask(GRID, "get_bill", {"home": home, "day": DAY})
        assert len(lines) == 24
        assert bill["amount_naud"] == sum(line["amount_naud"] for line in lines)
        total_naud += bill["amount_naud"]
    assert total_naud == amount_naud
    own = {"home": network.homes[0], "day": DAY}
    assert (await network.ask("newtown/home001", "get_bill", own))["home"] == network.homes[0]
    with pytest.raises(GatewayError, match="not_yours"):
        await network.ask("newtown/home001", "get_bill", {**own, "home": network.homes[1]})


def check_statement(network: ForwardNetwork, folder: Path) -> None:
    """The commands of a resident and of an operator read the month: the day's bill in cents, and what is to come."""
    app = build_app()
    asked = ["community", "statement", "home001", "--month", "2025-11", "--network", str(network.path)]
    found = invoke(app, [*asked, "--format", "json"])
    assert found.exit_code == 0, found.stderr
    told = json.loads(found.stdout)
    assert (told["home"], told["days_billed"]) == (network.homes[0], ["2025-11-28"])
    assert told["days_not_billed"] == [f"2025-11-{day}" for day in (27, 29, 30)]
    kinds = {line["kind"]: (line["energy_wh"], line["cents"]) for line in told["lines"]}
    assert kinds["bought"] == (200, 4)  # 200 Wh at 18 c
    assert kinds["shared_in"] == (100, 2)
    assert sum(line["cents"] for line in told["lines"]) + told["rounding_cents"] == told["total_cents"]
    page = folder / "statement.html"
    assert invoke(app, [*asked, "--format", "html", "--out", str(page)]).exit_code == 0
    assert "Provisional" in page.read_text("utf-8")
    nobody = invoke(app, [*asked[:2], "0123456789", *asked[3:]])
    assert (nobody.exit_code, "unknown_home" in nobody.stderr) == (1, True)


async def adjust_afterwards(network: ForwardNetwork, seller: str) -> None:
    """A reading that comes after the bill leaves an adjustment, which the collection of both organisations holds."""
    period = HOURS[20]
    reading = network.reading(seller, period, 10, 0)
    assert await network.carry(CARRIERS[0], period, [reading], "reading") == ["written"]
    await network.set_clock((HOURS[-1] + 60) * 60 + 2 * DAY_S + 7_200)
    named = f"m/reading/{period:09d}/0002/{seller}/home/01"
    await network.submit("newtown/home001", "freeze_period", {"period": period, "reading": named})
    await network.submit("newtown/home002", "settle_period", {"period": period})
    assert (await lines_of(network, period))[seller]["import_wh"] == 10


async def nothing_private_in_blocks(network: ForwardNetwork) -> None:
    """Lines, bills, gaps and adjustments went to both organisations, and into no block."""
    kinds = ("lines/", "bills/", "gap/", "adjustment/")
    for organization, who in (("newtown", OPERATOR), ("grid", GRID)):
        async with network.peer_of(organization, who) as peer:
            height = (await peer.get_chain_info(CHANNEL)).height
            private: dict[str, bytes] = {}
            blocks: list[bytes] = []
            async for block, values in peer.blocks_with_private_data(CHANNEL, 0, height - 1):
                private |= {place[3]: value for place, value in values.items() if place[3].startswith(kinds)}
                blocks.append(block.serialized)
        assert {key.partition("/")[0] + "/" for key in private} == {*kinds}
        assert not any(value in block for value in private.values() for block in blocks)
