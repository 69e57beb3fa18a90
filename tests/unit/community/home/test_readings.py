# SPDX-License-Identifier: Apache-2.0
"""Who says what a home's meter counted: the home tells its household where it is not its own agent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from commonwatt_chaincode.messages.message import A_READING, read
from commonwatt_community.home.lines import Lines
from commonwatt_community.home.readings import BY_METERS, LEFT
from commonwatt_community.messages.journal import Journal

from ....support.living_homes import HOMES, FastChannel, Town, home_settings, live, write_trace

HOME = HOMES[0]


@pytest.mark.parametrize(
    ("settings", "market", "line"),
    [
        ({}, {"trust_homes": False, "readings_by": "meter"}, BY_METERS),
        ({"readings": "leave"}, {}, LEFT),
        ({}, {}, ""),
    ],
)
async def test_a_home_that_sends_no_readings_says_so_at_its_start(
    tmp_path: Path, settings: dict[str, str], market: dict[str, object], line: str
) -> None:
    town = Town(tmp_path, FastChannel(250.0))
    await town.found(**market)
    write_trace(tmp_path / f"{HOME}.csv", 1_200, 0)
    said: list[str] = []
    until = asyncio.Event()
    lines = Lines(town.channel.clock, said.append)
    running = asyncio.create_task(
        live(town, home_settings(tmp_path, HOME, town.net, **settings), lines, until)
    )
    begins = (await town.operator.get_home(HOME)).versions[0].from_period
    await town.channel.clock.sleep_until((begins + 13) * 60)  # two periods that it would report
    until.set()
    await running
    told = [one.partition(" ")[2] for one in said]
    assert [one for one in told if one in (BY_METERS, LEFT)] == ([line] if line else [])
    with Journal(tmp_path / f"{HOME}.journal") as journal:
        kinds = {str(read(one).kind) for one in journal.messages()}
    assert (A_READING in kinds) == (not line)
