# SPDX-License-Identifier: Apache-2.0
"""A home's bids on their way: each is signed, and sent until its gate closes or it is taken back."""

import asyncio

from commonwatt_chaincode.market.forward.bids import REQUEST, Bid
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.messages.message import BID, read

from ..messages.author import Author
from ..messages.journal import Journal
from .book import Book
from .outbox import Outbox


class Bids:
    """Those of the periods whose clearing is still to come."""

    def __init__(self, author: Author, journal: Journal, book: Book, outbox: Outbox) -> None:
        self._author = author
        self._journal = journal
        self._book = book
        self._outbox = outbox
        self._sending: dict[int, tuple[Period, asyncio.Task[str]]] = {}
        self._withdrawn: set[int] = set()

    def __contains__(self, period: Period) -> bool:
        return period.id in self._sending

    @property
    def standing(self) -> list[Period]:
        """The periods whose bids are not taken back."""
        return [period for period, _ in self._sending.values() if period.id not in self._withdrawn]

    def was_signed(self, period: Period) -> bool:
        """Whether a bid for this period was ever signed."""
        return self._author.highest_seq(BID, period.id) > 0

    def send(self, period: Period, bid: Bid, until_s: float) -> None:
        """Sign a bid and send it until a time."""
        author = self._author
        if bid.kind == REQUEST:
            compact = author.request(period.id, bid.energy_wh, bid.price_uaud_per_kwh)
        else:
            compact = author.offer(period.id, bid.energy_wh, bid.price_uaud_per_kwh)
        self._carry(period, compact, until_s)

    def send_again(self, period: Period, until_s: float) -> None:
        """After a restart: the last bid that was signed, as long as nobody said what became of it."""
        mine = [one for one in self._journal.messages() if _is_bid(one, period.id)]
        if mine and self._book.outcome(read(mine[-1]).digest) is None:
            self._carry(period, mine[-1], until_s)

    def withdraw(self, period: Period, until_s: float) -> None:
        """Take the standing bid back."""
        _, task = self._sending[period.id]
        task.cancel()
        self._withdrawn.add(period.id)
        self._carry(period, self._author.withdraw(period.id), until_s)

    def end(self, period: Period) -> bool:
        """Forget a period; whether there was a bid. A failure that no later try mends, as a full disk, is raised."""
        sending = self._sending.pop(period.id, None)
        self._withdrawn.discard(period.id)
        if sending is None:
            return False
        _, task = sending
        if task.done() and not task.cancelled():
            task.result()
        return True

    async def cancel(self) -> None:
        """Send no more."""
        tasks = [task for _, task in self._sending.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _carry(self, period: Period, compact: bytes, until_s: float) -> None:
        task = asyncio.create_task(self._outbox.bid(compact, until_s))
        self._sending[period.id] = (period, task)


def _is_bid(compact: bytes, period: int) -> bool:
    message = read(compact)
    return message.kind == BID and message.period == period
