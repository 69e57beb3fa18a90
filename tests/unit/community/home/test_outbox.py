# SPDX-License-Identifier: Apache-2.0
"""What a home sends again: nothing that stands on the ledger already."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from commonwatt_chaincode.messages.message import read
from commonwatt_community.home.book import Book
from commonwatt_community.home.lines import Lines
from commonwatt_community.home.outbox import Outbox
from commonwatt_community.home.routes import Routes, Way
from commonwatt_community.market.carrier import Carried
from commonwatt_community.market.results import MessageStatus
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key
from commonwatt_community.meters.clock import Clock


class Blinking:
    """A peer that says `first` of a message, or nothing of the first one; `stands`: whether it is on the ledger."""

    def __init__(self, stands: bool, first: str | None = None) -> None:
        self.stands = stands
        self.first = first
        self.carried = 0

    async def carry(self, compact: bytes) -> Carried:
        self.carried += 1
        if self.carried == 1 and self.first is None:
            raise TimeoutError
        return Carried(read(compact).digest, self.first or "written")

    async def message_status(self, *place: Any) -> MessageStatus:
        return MessageStatus(place[4], "written" if self.stands else "absent", 1 if self.stands else None)


async def sent(folder: Path, peer: Blinking, may_stand: bool = False) -> str | None:
    """A reading's last word."""
    key = make_key(folder / "key.pem")
    with Journal(folder / "journal") as journal, Book(folder / "book") as book:
        author = Author(key, journal, "0" * 32, "newtown", "h-1")
        way: Any = Way("peer", peer, peer)  # type: ignore[arg-type]
        clock = Clock(rate=100.0)
        outbox = Outbox(
            Routes([way], author, journal, clock=clock), book, Lines(clock, lambda line: None), clock
        )
        reading = author.reading(29_400_000, 10, 0)
        outbox.say(reading, may_stand)
        running = asyncio.create_task(outbox.run())
        async with asyncio.timeout(20):
            while book.outcome(read(reading).digest) is None:  # noqa: ASYNC110 - the book gives no notice
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return book.outcome(read(reading).digest)


async def test_a_reading_whose_fate_was_unknown_is_not_sent_again_where_it_stands(tmp_path: Path) -> None:
    peer = Blinking(stands=True)
    assert await sent(tmp_path, peer) == "written"
    assert peer.carried == 1


async def test_it_is_sent_again_where_it_does_not_stand(tmp_path: Path) -> None:
    peer = Blinking(stands=False)
    assert await sent(tmp_path, peer) == "written"
    assert peer.carried == 2


async def test_what_a_killed_home_had_sent_is_asked_for_first(tmp_path: Path) -> None:
    peer = Blinking(stands=True)
    assert await sent(tmp_path, peer, may_stand=True) == "written"
    assert peer.carried == 0


async def test_a_seq_that_is_taken_is_the_reading_itself_or_other_words(tmp_path: Path) -> None:
    """A carrier can write another signature of the same words; other words stand for good."""
    for stands, last in ((True, "written"), (False, "seq_taken")):
        folder = tmp_path / last
        folder.mkdir()
        peer = Blinking(stands, first="seq_taken")
        assert await sent(folder, peer) == last
        assert peer.carried == 1
