# SPDX-License-Identifier: Apache-2.0
"""Bids on their way: sent until the gate, taken back, and sent again by a home that was killed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.market.forward.bids import OFFER, Bid
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.messages.message import read
from commonwatt_community.home.bids import Bids
from commonwatt_community.home.book import Book, BookFailed
from commonwatt_community.home.lines import Lines
from commonwatt_community.home.outbox import Outbox
from commonwatt_community.home.routes import Routes, Way
from commonwatt_community.market.carrier import Carried
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import load_key, make_key
from commonwatt_community.meters.clock import Clock

PERIOD = Period(29_400_000, 5)
OFFERED = Bid("h-1", 1, OFFER, 100, 60_000)


class Peer:
    """A peer that takes all, once it is `there`."""

    def __init__(self) -> None:
        self.there = asyncio.Event()
        self.took: list[str] = []

    async def carry(self, compact: bytes) -> Carried:
        await self.there.wait()
        message = read(compact)
        self.took.append(message.typ)
        return Carried(message.digest, "written")


@contextmanager
def home(folder: Path, peer: Peer) -> Iterator[tuple[Bids, Book]]:
    file = folder / "key.pem"
    key = load_key(file) if file.exists() else make_key(file)
    with Journal(folder / "journal") as journal, Book(folder / "book") as book:
        author = Author(key, journal, "0" * 32, "newtown", "h-1")
        way: Any = Way("peer", peer, peer)  # type: ignore[arg-type]
        clock = Clock(lambda: 0.0)
        outbox = Outbox(Routes([way], author, journal), book, Lines(clock, lambda line: None), clock)
        yield Bids(author, journal, book, outbox), book


async def all_sent(peer: Peer, number: int) -> None:
    async with asyncio.timeout(20):
        while len(peer.took) < number:  # noqa: ASYNC110 - the peer gives no notice
            await asyncio.sleep(0.01)


async def test_a_bid_that_is_taken_back_is_followed_by_its_withdrawal(tmp_path: Path) -> None:
    peer = Peer()
    with home(tmp_path, peer) as (bids, _):
        assert not bids.was_signed(PERIOD)
        bids.send(PERIOD, OFFERED, 100.0)
        assert PERIOD in bids
        assert bids.standing == [PERIOD]
        await asyncio.sleep(0.01)  # it is on its way
        bids.withdraw(PERIOD, 100.0)
        assert PERIOD in bids
        assert bids.standing == []
        peer.there.set()
        await all_sent(peer, 1)
        assert peer.took == ["cw-withdraw"]
        assert bids.end(PERIOD)
        assert PERIOD not in bids
        assert not bids.end(PERIOD)
        await bids.cancel()


async def test_a_killed_home_sends_its_bid_again_until_it_has_a_last_word(tmp_path: Path) -> None:
    peer = Peer()
    with home(tmp_path, peer) as (bids, _):
        bids.send(PERIOD, OFFERED, 100.0)
        await bids.cancel()
    peer.there.set()
    for _ in range(2):  # the second time its last word is known
        with home(tmp_path, peer) as (bids, _book):
            assert bids.was_signed(PERIOD)
            bids.send_again(PERIOD, 100.0)
            await all_sent(peer, 1)
            await asyncio.sleep(0.05)
            await bids.cancel()
    assert peer.took == ["cw-offer"]


async def test_a_book_that_fails_ends_the_home_at_the_clearing(tmp_path: Path) -> None:
    peer = Peer()
    with home(tmp_path, peer) as (bids, book):
        bids.send(PERIOD, OFFERED, 100.0)
        book.__exit__(None, None, None)
        peer.there.set()
        await all_sent(peer, 1)
        await asyncio.sleep(0.05)
        with pytest.raises(BookFailed):
            bids.end(PERIOD)
