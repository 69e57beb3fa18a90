# SPDX-License-Identifier: Apache-2.0
"""A meter at work: what it counts before the market is known, its failures and its gaps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_community.home.book import Book
from commonwatt_community.home.lines import Lines
from commonwatt_community.home.metering import Metering
from commonwatt_community.meters.clock import Clock
from commonwatt_community.meters.counted import Counted, MeterFailed
from commonwatt_community.meters.cutting import Cut


class Market:
    """Periods of five minutes, of a market that may not be known yet."""

    def __init__(self, known: bool) -> None:
        self.calendar = self if known else None

    def at(self, time_s: float) -> Period:
        return Period(int(time_s) // 300 * 5, 5)


class Failing:
    """A meter that fails before its first count; `at_s`: when it counts, 1 Wh in each second."""

    def __init__(self, *at_s: float) -> None:
        self.at_s = at_s
        self.failed = False

    async def readings(self, after: Counted | None) -> AsyncIterator[Counted]:
        if not self.failed:
            self.failed = True
            raise MeterFailed("the meter is away")
        for at_s in self.at_s:
            yield Counted(at_s, at_s, 0.0)


async def test_a_failure_and_a_gap_are_told_and_the_rest_is_cut(tmp_path: Path) -> None:
    said: list[str] = []
    cuts: list[Cut] = []
    lines = Lines(Clock(lambda: 0.0), lambda line: said.append(line.partition(" ")[2]))
    with Book(tmp_path / "book") as book:
        market: Any = Market(known=True)
        meter = Failing(0, 150, 300, 600, 1_500, 1_800)
        metering = Metering(meter, book, lines, Clock(rate=1_000.0), market, cuts.append)
        metering.cut_anew()
        await metering.run()
        assert [cut.period.id for cut in cuts] == [0, 5, 25]
        assert {cut.import_wh for cut in cuts} == {300}
        assert [cut.period.id for cut in book.cuts_since(0)] == [0, 5, 25]
    assert said[:2] == ["the meter is away; I try again", "the meter is back"]
    assert said[2].startswith("the meter counted nothing for 15 minutes, and a period has 5")
    assert said[3:] == ["the meter counts in time again"]


async def test_what_is_counted_before_the_market_is_known_is_cut_afterwards(tmp_path: Path) -> None:
    lines = Lines(Clock(lambda: 0.0), lambda line: None)
    with Book(tmp_path / "book") as book:
        market: Any = Market(known=False)
        cuts: list[Cut] = []
        metering = Metering(Failing(0, 300, 600), book, lines, Clock(rate=1_000.0), market, cuts.append)
        await metering.run()
        assert not list(book.cuts_since(0))
        market.calendar = market
        metering.cut_anew()
        assert [cut.period.id for cut in book.cuts_since(0)] == [0, 5]
        assert not cuts, "the book has them, and nobody is told one by one"
