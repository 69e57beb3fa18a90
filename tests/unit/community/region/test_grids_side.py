# SPDX-License-Identifier: Apache-2.0
"""The grid's side of an exchange: founded once, communities and links as the file has them, rounds closed in time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import typer
from commonwatt_client.exit_codes import CommandError, UsageError
from commonwatt_community.market.refused import Refused
from commonwatt_community.region.chores import Members, Rounds, found
from commonwatt_community.region.cli import register
from commonwatt_community.region.exchange_file import ExchangeFile, read_exchange_file

from ....support.command_line import invoke
from ....support.living_region import COMMUNITIES, DUE_S, FEE, VOID_S, Region

GOOD = """
channel: exchange
grid: {organization: grid, user: operator}
communities: [newtown, enmore, glebe]
link: {limit_wh: 5000, fee: 10000}
links:
  - {seller: newtown, buyer: enmore, limit_wh: 100}
"""


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return Region(tmp_path)


def changed(region: Region, **change: Any) -> ExchangeFile:
    return region.file.model_copy(update=change)


async def test_what_stands_is_left_alone_and_what_is_new_is_written(region: Region) -> None:
    await region.begin()
    steps = region.grid_telling.counts
    assert (steps["steps", "register_community"], steps["steps", "set_link"]) == (3, 6)
    await found(region.grid, region.file, region.grid_telling)
    await Members(region.grid, region.file, region.grid_telling).run()
    assert (steps["steps", "register_community"], steps["steps", "set_link"]) == (3, 6)
    dearer = changed(region, link=region.file.link.model_copy(update={"fee": 2 * FEE}))  # type: ignore[union-attr]
    await Members(region.grid, dearer, region.grid_telling).run()
    links = await region.grid.list_links()
    assert {one.versions[-1].fee for one in links} == {2 * FEE}
    assert {len(one.versions) for one in links} == {1}, "no period passed under the first version"
    with pytest.raises(CommandError, match="simulated, 180, 60, and the file says simulated, 200, 60"):
        await found(region.grid, changed(region, due_before_s=200), region.grid_telling)


async def test_only_the_grid_may(region: Region) -> None:
    with pytest.raises(Refused, match="forbidden"):
        await found(region.exchange("NewtownMSP", "operator"), region.file, region.grid_telling)
    await region.begin()
    stranger = region.exchange("NewtownMSP", "operator")
    dearer = changed(region, link=region.file.link.model_copy(update={"fee": 2 * FEE}))  # type: ignore[union-attr]
    with pytest.raises(Refused, match="forbidden"):
        await Members(stranger, dearer, region.grid_telling).run()


async def test_two_programs_of_the_grid_write_each_thing_once(region: Region) -> None:
    for town in region.towns.values():
        await town.found(homes=1)
    await asyncio.gather(*(found(region.grid, region.file, region.grid_telling) for _ in range(2)))
    both = [Members(region.grid, region.file, region.grid_telling) for _ in range(2)]
    await asyncio.gather(*(one.run() for one in both))
    assert [one.channel for one in await region.grid.list_communities()] == list(COMMUNITIES)
    assert len(await region.grid.list_links()) == 6


async def test_a_round_is_closed_when_it_is_due_and_void_after_its_time(region: Region) -> None:
    first = await region.begin()
    operators = {name: region.operator(name) for name in COMMUNITIES}
    for period, closes_s, state in (
        (first, first * 60 - DUE_S, "cleared"),
        (first + 120, (first + 120) * 60 - VOID_S, "void"),
    ):
        await region.reach(period * 60 - 1_800)
        await region.bids(period)
        await region.reach(period * 60 - 265)
        for one in operators.values():
            await one.gates.run()
        for name in ("enmore", "newtown"):
            await operators[name].exchanging.run()
        assert await region.rounds.run() == period * 60 - DUE_S, "glebe may still come"
        await region.reach(closes_s)
        await region.rounds.run()
        assert (await region.grid.get_round("newtown", period)).state == state
        assert await region.rounds.run() == region.now_s + 2
        again = Rounds(region.grid, region.grid_telling)
        await again.run()
    assert region.grid_telling.counts["steps", "clear_round"] == 2


def test_a_file_names_links_for_all_pairs(tmp_path: Path) -> None:
    (tmp_path / "exchange.yaml").write_text(GOOD)
    file = read_exchange_file(tmp_path)
    wanted = file.wanted()
    assert len(wanted) == 6
    assert ("newtown", "enmore", 100, 0) in wanted
    assert ("enmore", "newtown", 5_000, 10_000) in wanted


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("buyer: enmore", "buyer: newtown", "joins two of the communities"),
        ("buyer: enmore", "buyer: balmain", "joins two of the communities"),
        ("[newtown, enmore, glebe]", "[newtown, enmore, enmore]", "names each community once"),
        ("[newtown, enmore, glebe]", "[newtown]", "2 or more entries"),
        ("channel: exchange", "channel: exchange\nvoid_before_s: 180", "less than due_before_s"),
        ("channel: exchange", "channel: exchange\nclock: simulated", "at_s"),
        ("channel: exchange", "channel: exchange\nfees: 3", "fees"),
        (
            "limit_wh: 100}",
            "limit_wh: 100}\n  - {seller: newtown, buyer: enmore, limit_wh: 1}",
            "names a link that stands above",
        ),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path: Path, before: str, after: str, words: str) -> None:
    assert before in GOOD
    (tmp_path / "exchange.yaml").write_text(GOOD.replace(before, after))
    with pytest.raises(UsageError, match=words):
        read_exchange_file(tmp_path)


def test_the_command_names_a_missing_file(tmp_path: Path) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    ended = invoke(app, ["exchange", "operate", str(tmp_path)])
    assert ended.exit_code == 2
    assert "exchange.yaml cannot be read" in ended.stderr
