# SPDX-License-Identifier: Apache-2.0
"""When a home bids, on a market in memory: a pause counts up to the moment at which a bid is signed."""

from __future__ import annotations

import asyncio
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


@pytest.mark.parametrize("pauses", [True, False])
async def test_a_pause_counts_that_comes_while_the_envelopes_are_asked_for(
    tmp_path: Path, pauses: bool
) -> None:
    town = Town(tmp_path, FastChannel(rate=250.0))
    await town.found()
    clock = town.channel.clock
    settings = home_settings(tmp_path, HOME, town.net, bid_before_gate_s=500)
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(Journal(tmp_path / settings.journal))
        book = stack.enter_context(Book(tmp_path / settings.book))
        author = Author(load_key(tmp_path / settings.key), journal, town.net, "newtown", HOME)
        routes = await town.routes(stack, author, journal)
        lines, wished = Lines(clock, lambda line: None), Wished(book)
        questions = PausedMeanwhile(routes, lines, clock, wished, pauses)
        participation = Participation(questions, lines, clock, lambda changed: trading.renew())
        trading = Trading(settings, book, clock, participation, wished)
        bids = Bids(author, journal, book, Outbox(routes, book, lines, clock))
        bidding = Bidding(settings, questions, participation, trading, bids, lines, clock)
        tasks = [asyncio.create_task(part) for part in (participation.follow(), bidding.run())]
        try:
            async with asyncio.timeout(20):
                while (choice := _first(bidding)) is None:  # noqa: ASYNC110 - choices give no notice
                    await asyncio.sleep(0.01)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await bids.cancel()
    assert (choice.reason == "trading is paused by the household") is pauses
    assert (choice.decision is None) is pauses


def _first(bidding: Bidding) -> Choice | None:
    """The first choice for a period in which the home takes part."""
    choices = (one for one in bidding.choices.values() if one.reason != "the home does not take part yet")
    return next(choices, None)
