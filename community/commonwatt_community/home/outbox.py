# SPDX-License-Identifier: Apache-2.0
"""The home's messages that the ledger lacks: the home sends each until its last word is in the book."""

import asyncio
from collections.abc import Callable

from commonwatt_chaincode.messages.message import A_READING, read

from ..meters.clock import Clock
from ..together import together
from .book import Book
from .lines import Lines
from .routes import WRITTEN, NoWay, Routes

AT_ONCE = 8
TOO_LATE = "too_late"
FOR_GOOD = frozenset(
    {"not_registered", "quality_not_yours", "impossible_reading", "totals_differ", "seq_taken"}
)
"""Refusals of a reading that no later try changes."""
SEQ_TAKEN = "seq_taken"
"""A frozen version holds what stands under the seq: this very reading, signed by the same key, or other words."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_WAY = "the way to the market"
CLOCK = "the clock"
CLOCK_DIFFERS = (
    "the market refuses this machine's messages: its clock differs; set it, as by NTP, and I go on from there"
)


class Outbox:
    """Sends messages; `run` goes on without end. A signed message stands in the journal before it comes here."""

    def __init__(self, routes: Routes, book: Book, lines: Lines, clock: Clock) -> None:
        self._routes = routes
        self._book = book
        self._lines = lines
        self._clock = clock
        self._readings: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()
        self._bids: set[asyncio.Task[str]] = set()

    def say(self, reading: bytes, may_stand: bool = False) -> None:
        """Send a reading, however long it takes. `may_stand`: it was sent before the home was started again."""
        self._readings.put_nowait((reading, may_stand))

    async def bid(self, compact: bytes, until_s: float) -> str:
        """Send a bid until the gate closes; its last word."""
        return await self._sent(compact, lambda: self._clock.now() < until_s)

    async def run(self) -> None:
        """Send readings, oldest first, several at once."""
        await together(*(self._work() for _ in range(AT_ONCE)))

    @property
    def waiting(self) -> int:
        """Readings that wait to be sent."""
        return self._readings.qsize()

    async def _work(self) -> None:
        while True:
            reading, may_stand = await self._readings.get()
            await self._sent(reading, lambda: True, may_stand)

    async def _sent(self, compact: bytes, still: Callable[[], bool], may_stand: bool = False) -> str:
        message = read(compact)
        kind = str(message.kind)
        pause_s = _FIRST_PAUSE_S
        while still():
            try:
                stands = may_stand and await self._routes.stands(compact)
                may_stand = True
                result = WRITTEN if stands else (await self._routes.carry(compact)).result
                if result == SEQ_TAKEN and await self._routes.stands(compact):
                    result = WRITTEN
            except NoWay as error:
                self._lines.trouble(
                    _WAY, f"no way to the market: {error}; I keep my messages, and send them when it answers"
                )
            else:
                self._lines.over(_WAY, "the market answers again")
                if self._is_last(kind, result):
                    self._book.close(message.digest, kind, message.period, result)
                    if result == WRITTEN:
                        self._lines.over(CLOCK, "the market takes this machine's clock again")
                        self._lines.over(kind, f"the market takes a {kind} again")
                    elif kind == A_READING:
                        self._lines.tell(f"the reading of period {message.period} was refused: {result}")
                    return result
                self._unlucky(result, kind, message.period)
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self._book.close(message.digest, kind, message.period, TOO_LATE)
        return TOO_LATE

    def _is_last(self, kind: str, result: str) -> bool:
        return result == WRITTEN or (kind == A_READING and result in FOR_GOOD)

    def _unlucky(self, result: str, kind: str, period: int) -> None:
        if result == "clock_differs":
            self._lines.trouble(CLOCK, CLOCK_DIFFERS)
        else:
            self._lines.trouble(
                kind, f"the {kind} of period {period} is refused for now: {result}; I try again"
            )
