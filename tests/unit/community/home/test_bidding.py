# SPDX-License-Identifier: Apache-2.0
"""When a home bids, on a market in memory: a pause counts up to the moment at which a bid is signed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_community.home.bidding import Bidding
from commonwatt_community.home.bids import Bids
from commonwatt_community.home.book import Book
from commonwatt_community.home.lines import Lines
from commonwatt_community.home.outbox import Outbox
from commonwatt_community.home.participation import Participation
from commonwatt_community.home.questions import Questions
from commonwatt_community.home.routes import Routes
from commonwatt_community.home.trader import Choice
from commonwatt_community.home.trading import Trading
from commonwatt_community.home.wishes import Wished, Wishes
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import load_key
from commonwatt_community.meters.clock import Clock
from commonwatt_community.meters.cutting import Cut

from ....support.living_homes import HOMES, FastChannel, Town, home_settings

HOME = HOMES[0]


class PausedMeanwhile(Questions):
    """Questions of a household that may pause its home while the envelopes are on their way."""

    def __init__(self, routes: Routes, lines: Lines, clock: Clock, wished: Wished, pauses: bool) -> None:
        super().__init__(routes, HOME, lines, clock)
        self._wished, self._pauses = wished, pauses

    async def caps(self, period: Period) -> Caps:
        found = await super().caps(period)
        if self._pauses:
            self._wished.take("household", Wishes(paused=True))
        return found


class CountedMeanwhile(Questions):
    """Questions of which the first answer comes when the meter has counted the period, and more."""

    def __init__(self, routes: Routes, lines: Lines, clock: Clock, is_late: bool) -> None:
        super().__init__(routes, HOME, lines, clock)
        self._clock, self._is_late = clock, is_late
        self.trading: Trading | None = None
        self.asked: list[Period] = []

    async def caps(self, period: Period) -> Caps:
        self.asked.append(period)
        if len(self.asked) == 1:
            assert self.trading is not None
            self.trading.metered(Cut(period, 100, 0, None, None))
            if self._is_late:
                await self._clock.sleep_until(period.end_s + 30)
        return await super().caps(period)


class OneHome:
    """What bids for a home, put together but for the questions, and run until enough was chosen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.town = Town(folder, FastChannel(rate=250.0))

    async def chooses(
        self, questions_of: Callable[[Routes, Lines, Wished], Questions], count: int
    ) -> list[Choice]:
        """The first choices for periods in which the home takes part."""
        await self.town.found()
        clock = self.town.channel.clock
        settings = home_settings(self.folder, HOME, self.town.net, bid_before_gate_s=500)
        async with AsyncExitStack() as stack:
            journal = stack.enter_context(Journal(self.folder / settings.journal))
            book = stack.enter_context(Book(self.folder / settings.book))
            author = Author(load_key(self.folder / settings.key), journal, self.town.net, "newtown", HOME)
            routes = await self.town.routes(stack, author, journal)
            lines, wished = Lines(clock, lambda line: None), Wished(book)
            questions = questions_of(routes, lines, wished)
            participation = Participation(questions, lines, clock, lambda changed: trading.renew())
            trading = Trading(settings, book, clock, participation, wished)
            if isinstance(questions, CountedMeanwhile):
                questions.trading = trading
            bids = Bids(author, journal, book, Outbox(routes, book, lines, clock))
            bidding = Bidding(settings, questions, participation, trading, bids, lines, clock)
            tasks = [asyncio.create_task(part) for part in (participation.follow(), bidding.run())]
            try:
                async with asyncio.timeout(40):
                    while len(found := _choices(bidding)) < count:
                        await asyncio.sleep(0.01)  # choices give no notice
                        for task in tasks:
                            if task.done():
                                task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await bids.cancel()
        return found


@pytest.mark.parametrize("pauses", [True, False])
async def test_a_pause_counts_that_comes_while_the_envelopes_are_asked_for(
    tmp_path: Path, pauses: bool
) -> None:
    home = OneHome(tmp_path)
    clock = home.town.channel.clock
    choice, *_ = await home.chooses(
        lambda routes, lines, wished: PausedMeanwhile(routes, lines, clock, wished, pauses), 1
    )
    assert (choice.reason == "trading is paused by the household") is pauses
    assert (choice.decision is None) is pauses


@pytest.mark.parametrize(
    ("is_late", "words"),
    [(True, "the market did not answer before the gate"), (False, "the meter has counted a later period")],
)
async def test_an_outage_over_a_whole_period_costs_its_bid_and_no_more(
    tmp_path: Path, is_late: bool, words: str
) -> None:
    """The home was ended by it before: its agent was asked about a period that it had lived."""
    home = OneHome(tmp_path)
    clock = home.town.channel.clock
    first, *later = await home.chooses(
        lambda routes, lines, wished: CountedMeanwhile(routes, lines, clock, is_late), 2
    )
    assert first.reason.startswith(words)
    assert first.bid is None
    assert later[0].decision is not None


def _choices(bidding: Bidding) -> list[Choice]:
    return [one for one in bidding.choices.values() if one.reason != "the home does not take part yet"]
