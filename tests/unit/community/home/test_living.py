# SPDX-License-Identifier: Apache-2.0
"""Homes that live on a market in memory: they bid, trade, read their meters, and lose nothing in between."""

from __future__ import annotations

import asyncio
from pathlib import Path

from commonwatt_community.home.lines import Lines

from ....support.living_homes import HOMES, FastChannel, Town, home_settings, live, write_trace


async def test_two_homes_trade_and_say_what_their_meters_counted(tmp_path: Path) -> None:
    town = Town(tmp_path, FastChannel())
    await town.found()
    write_trace(tmp_path / "h-buyer.csv", 1_200, 0)
    write_trace(tmp_path / "h-seller.csv", 0, 2_400)
    until = asyncio.Event()
    said: dict[str, list[str]] = {home: [] for home in HOMES}
    running = [
        asyncio.create_task(
            live(
                town,
                home_settings(tmp_path, home, town.net),
                Lines(town.channel.clock, said[home].append),
                until,
            )
        )
        for home in HOMES
    ]
    operator = asyncio.create_task(town.operate())
    try:
        await town.channel.clock.sleep(3_600)
    finally:
        until.set()
        operator.cancel()
        await asyncio.gather(*running, operator, return_exceptions=True)
    for home, lines in said.items():
        print(home, *lines, sep="\n  ")
    calendar = await town.calendar()
    now = calendar.at(town.channel.now())
    lines = await town.operator.list_lines(now.id - 30, now.id - 20)
    print(lines)
    assert {line.quality for line in lines} == {"measured"}
