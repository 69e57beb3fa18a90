# SPDX-License-Identifier: Apache-2.0
"""An operator's chores on the contract itself: a day of a community, catching up, two at once, and what comes late."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import Imported, OutsideSums
from commonwatt_community.operating.books import Books
from commonwatt_community.operating.due import is_closed
from commonwatt_community.operating.gates import Gates
from commonwatt_community.operating.looking_back import LookingBack
from commonwatt_community.operating.watching import Watching

from ....support.living_town import MIDNIGHT_S, Town

HOUR_S = 3_600


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


async def settled(books: Books, times: int = 40) -> None:
    """Run the books until they have nothing to do now."""
    for _ in range(times):
        next_s = await books.run()
        if next_s is None or next_s > 0:
            continue


async def test_a_period_goes_its_way_and_each_step_is_said(town: Town) -> None:
    first = await town.found()
    telling = town.telling()
    gates, books = Gates(town.ledger(), telling), Books(town.ledger(), telling)
    await town.reach(first * 60 - 1_800)
    await town.bids(first)
    assert await gates.run() == first * 60 - 300 + 30
    assert town.lines == []
    await town.reach(first * 60 - 300 + 30)
    await gates.run()
    await gates.run()
    assert [line.partition(": ")[2] for line in town.lines] == [
        "the gate is closed",
        "cleared, 300 Wh at 18.00 c/kWh (1 requests, 1 offers)",
    ]
    await town.reach((first + 60) * 60 + 5)
    await books.run()
    await town.readings(first)
    await town.reach((first + 60) * 60 + 60)
    await books.run()
    assert "settled, 3 homes imported 700 Wh, 300 Wh of it from neighbours" in town.lines[-1]
    assert [one for one in town.alarms if "missing_readings" in one] == []
    assert telling.counts["steps", "settle_period"] == 1


async def test_after_days_away_the_oldest_day_comes_first_and_nothing_is_left(town: Town) -> None:
    await town.found(MIDNIGHT_S - 30 * HOUR_S)
    await town.reach(MIDNIGHT_S + 3 * 86_400)
    telling = town.telling()
    books = Books(town.ledger(), telling)
    await settled(books, 8)
    bills = [line for line in town.lines if "billed" in line]
    assert [line[:10] for line in bills] == sorted(line[:10] for line in bills)
    assert (
        len(bills) == 4
    )  # the readings of the last two hours before midnight are not due, so that day waits
    ledger = town.ledger()
    community, now_s = await ledger.community()
    for day in range(community.first_day() or 0, community.day_at(now_s) - 1):
        bill = await town.operator.get_bill("h1", day)
        assert bill.home == "h1"
    again = Books(town.ledger(), town.telling())
    before = len(town.lines)
    await settled(again, 4)
    assert [line for line in town.lines[before:] if "billed" in line or "settled" in line] == []


async def test_the_carbon_of_a_day_is_settled_before_its_bills(town: Town) -> None:
    quota = {"quota_g_per_day": 0, "price_uaud_per_kg": 100_000, "intensity": [[0, 24, 660]]}
    await town.found(MIDNIGHT_S - 30 * HOUR_S, carbon=quota)
    await town.reach(MIDNIGHT_S + 3 * 86_400)
    await settled(Books(town.ledger(), town.telling()), 8)
    told = [line for line in town.lines if "carbon settled" in line or "billed" in line]
    assert ["carbon" in line for line in told] == [True, False] * (len(told) // 2)
    assert len(told) == 8
    day = town.now_s // 86_400 - 2
    line = (await town.operator.get_carbon(day, "h1")).line
    assert line is not None
    assert line == (await town.operator.get_bill("h1", day)).carbon


async def test_a_day_that_cannot_go_on_keeps_no_other_day_waiting(town: Town) -> None:
    first = await town.found(MIDNIGHT_S - 5 * HOUR_S, homes=1)
    await town.reach(MIDNIGHT_S + 30 * HOUR_S)

    class Stuck:
        def __getattr__(self, name: str) -> Any:
            return getattr(town.operator, name)

        async def settle_period(self, period: int, part: int | None = None) -> Any:
            if period == first:
                raise Refused("too_many", "a range of keys may have been cut", "settle_period")
            return await town.operator.settle_period(period, part)

    books = Books(town.ledger(Stuck()), town.telling())  # type: ignore[arg-type]
    for _ in range(3):
        with pytest.raises(Refused, match="too_many"):
            await books.run()
    assert [line[:10] for line in town.lines if "billed" in line] == ["2026-12-03"]


async def test_what_was_traded_with_others_is_imported_before_a_period_is_settled(town: Town) -> None:
    first = await town.found(MIDNIGHT_S - 5 * HOUR_S, homes=1)
    await town.reach(MIDNIGHT_S + 30 * HOUR_S)
    asked: list[str] = []

    class OnAnExchange:
        def __getattr__(self, name: str) -> Any:
            return getattr(town.operator, name)

        async def settle_period(self, period: int, part: int | None = None) -> Any:
            if period == first and "imported" not in asked:
                raise Refused("not_imported", "import the round first", "settle_period")
            return await town.operator.settle_period(period, part)

        async def import_residual(self, period: int) -> Imported:
            asked.append("imported" if asked else "asked")
            if "imported" not in asked:
                raise Refused("round_open", "no result yet", "import_residual")
            return Imported(period, "cleared", OutsideSums(710, 0, 1, 1))

    wanted: list[int] = []
    books = Books(town.ledger(OnAnExchange()), town.telling(), wanted.append)  # type: ignore[arg-type]
    await settled(books, 4)
    assert asked == ["asked"], "a round that is open is asked for less and less often"
    assert wanted == [first]
    await town.reach(MIDNIGHT_S + 31 * HOUR_S)
    await settled(books, 4)
    assert asked == ["asked", "imported"]
    assert [one for one in town.lines if "710 Wh bought" in one]
    assert {one[:10] for one in town.lines if "billed" in one} == {"2026-12-02", "2026-12-03"}


async def test_days_whose_books_are_closed_are_left_alone(town: Town) -> None:
    await town.found(MIDNIGHT_S - 5 * HOUR_S, homes=1, keep_d=252)
    await town.reach(MIDNIGHT_S + 400 * 86_400)
    community, now_s = await town.ledger().community()
    assert is_closed(community, community.day_at(now_s) - 253, now_s)
    assert not is_closed(community, community.day_at(now_s) - 250, now_s)


async def test_two_operators_at_once_write_each_thing_once(town: Town) -> None:
    first = await town.found()
    one, two = (town.telling() for _ in range(2))
    await town.reach(first * 60 - 1_000)
    await town.bids(first)
    await town.reach(first * 60 - 260)
    await asyncio.gather(*(Gates(town.ledger(), telling).run() for telling in (one, two)))
    assert one.counts["steps", "clear_period"] + two.counts["steps", "clear_period"] == 1
    await town.reach((first + 60) * 60 + 60)
    await town.readings(first)
    await asyncio.gather(*(Books(town.ledger(), telling).run() for telling in (one, two)))
    [listed] = await town.operator.list_periods(first, first + 60)
    assert listed.meter is not None
    assert listed.settled is not None
    assert (listed.meter.version, listed.settled.version) == (1, 1)
    assert town.alarms == []


async def test_a_period_that_began_without_clearing_is_told_once(town: Town) -> None:
    first = await town.found()
    telling = town.telling()
    gates = Gates(town.ledger(), telling)
    await town.reach(first * 60 + 10)
    await gates.run()
    await gates.run()
    assert len(town.alarms) == 1
    assert "ALARM late_gate" in town.alarms[0]


async def test_exports_beyond_an_envelope_are_told(town: Town) -> None:
    first = await town.found(homes=2)
    await town.grid.set_envelope(first, first + 60, export_w=1_000)
    await town.reach((first + 60) * 60 + 30)
    said = [town.author("h1").reading(first, 0, 1_500), town.author("h2").reading(first, 100, 0)]
    assert set((await town.carrier.submit_messages("reading", first, said)).results) == {"written"}
    await Books(town.ledger(), town.telling()).run()
    assert ["homes exported 500 Wh beyond their envelopes" in line for line in town.alarms] == [True]


async def test_readings_that_come_late_settle_a_period_anew(town: Town) -> None:
    first = await town.found()
    telling = town.telling()
    books = Books(town.ledger(), telling)
    back = LookingBack(town.ledger(), books, telling)
    await town.reach((first + 60) * 60 + 7_200)  # due: they are not waited for any longer
    await books.run()
    assert "3 without a measured reading" in next(line for line in town.lines if "settled" in line)
    await town.readings(first)
    await town.reach(town.now_s + 3_600)
    for _ in range(3):
        await back.run()
    await books.run()
    [listed] = await town.operator.list_periods(first, first + 60)
    assert listed.settled is not None
    assert listed.settled.version == 2
    assert any("readings came late" in line for line in town.lines)
    sums = (await town.operator.get_period(first)).sums
    assert sums is not None
    assert sums.measured == 3


async def test_a_meters_totals_fill_the_gap_that_it_left(town: Town) -> None:
    first = await town.found(homes=2)
    telling = town.telling()
    books = Books(town.ledger(), telling)
    back = LookingBack(town.ledger(), books, telling)
    await town.reach((first + 60) * 60 + 60)
    await town.readings(first, import_total_wh=10_000, export_total_wh=1_000)
    await books.run()
    for period in (first + 60, first + 120):  # h1 is silent
        await town.reach((period + 60) * 60 + 60)
        await town.readings(period, ("h2",))
    last = first + 180
    await town.reach((last + 60) * 60 + 60)
    await town.readings(last, ("h1",), import_total_wh=13_500, export_total_wh=1_000)
    await town.readings(last, ("h2",))
    await town.reach((last + 60) * 60 + 7_200)
    await settled(books, 3)
    for _ in range(4):
        await back.run()
    assert any("home h1: its meter's totals fill 2 periods" in line for line in town.lines), town.lines
    lines = await town.operator.list_lines(first + 60, last, "h1")
    assert [(line.import_wh, line.quality) for line in lines] == [(1_500, "substituted")] * 2
    before = len(town.lines)
    fresh = LookingBack(town.ledger(), books, telling)
    for _ in range(4):
        await fresh.run()
    assert [line for line in town.lines[before:] if "totals" in line] == []


async def test_silent_homes_and_meters_that_cannot_be_right_are_told(town: Town) -> None:
    first = await town.found(homes=2)
    telling = town.telling()
    watching = Watching(town.ledger(), telling)
    totals = iter((5_000, 5_100))
    for period in (first, first + 60):
        await town.reach((period + 60) * 60 + 61)
        await town.readings(period, ("h1",), import_total_wh=next(totals), export_total_wh=0)
        await watching.run()
    assert sorted(line.split(":")[0] for line in town.alarms) == ["ALARM meter_differs", "ALARM no_reading"]
    assert telling.gauges["homes_silent"] == 1
    await town.reach((first + 180) * 60 + 61)
    await town.readings(first + 120, ("h1", "h2"))
    await watching.run()
    assert town.lines == ["home h2 sends readings again"]
