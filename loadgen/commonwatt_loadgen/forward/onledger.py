# SPDX-License-Identifier: Apache-2.0
"""A forward market on its channel's ledger: homes' signed messages in batches, gates, clearings, settlements, bills.

Every transaction of a simulated channel reads its clock, so the clock moves only while none is under way. Transactions
that do not depend on one another, as the settlement of one period and the bids for another, are under way together.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bids import REQUEST, Bid
from commonwatt_chaincode.market.forward.bills import Bill, Settled
from commonwatt_chaincode.market.forward.gates import closes_from_s, window_opens_s
from commonwatt_chaincode.market.forward.outside import NOTHING, Outside
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.readings import Reading
from commonwatt_chaincode.market.forward.settlement import Line
from commonwatt_chaincode.market.tariff import day_start, local_day
from commonwatt_chaincode.messages.message import A_READING, BID
from commonwatt_client.exit_codes import CommandError
from commonwatt_community.market.carrier import LARGEST_BATCH, WRITTEN
from commonwatt_community.market.forward import ForwardMarket as Calls
from commonwatt_community.market.results import HomeLine, OutsideSums
from commonwatt_community.messages.author import Author

from commonwatt_loadgen.forward.market import Award, Cleared
from commonwatt_loadgen.forward.rules import ForwardRules
from commonwatt_loadgen.forward.setup import MOST_HOMES, in_turn_of

_BILLS_AT_ONCE = 16
_LINES_AT_ONCE, _PERIODS_AT_ONCE = 10_000, 200  # well below what the contract lists at once


class Exchange(Protocol):
    """The rounds in which a community trades with others."""

    async def trade(self, period_id: int, left_over: bool) -> None:
        """Have a period's round closed, with what this community left over, if it did."""
        ...


class NotTaken(CommandError):
    """The ledger refuses what a simulated home says."""


class OnLedgerForwardMarket:
    """One community's market on its channel; see `commonwatt_loadgen.forward.market`.

    `calls` are the operator's; `now_s` is the channel's market time. With an exchange it brings what its clearings
    leave over to a round of all communities.
    """

    def __init__(
        self,
        calls: Calls,
        rules: ForwardRules,
        authors: Mapping[str, Author],
        now_s: int,
        exchange: Exchange | None = None,
    ) -> None:
        self._calls = calls
        self._exchange = exchange
        self._rules = rules
        self._authors = authors
        self._clock = Clock(calls, now_s)
        self._coming_s = now_s  # where the period that is bid for moves the clock
        self._lines = DayLines(calls, rules, len(authors))

    async def period(self, period: Period, bids: Sequence[Bid]) -> Cleared:
        """Have the homes' bids written, close the gate, clear; the awards as the ledger has them."""
        times = self._rules.times
        self._coming_s = closes_from_s(period, times, operator=True)
        await self._clock.reach(window_opens_s(period, times))
        await self._say(BID, period, [self._bid(period, bid) for bid in bids])
        await self._clock.reach(self._coming_s)
        async with self._clock.still():
            await self._calls.close_gate(period.id)
        async with self._clock.still():
            cleared = await self._calls.clear_period(period.id)
        if self._exchange is not None:
            await self._exchange.trade(period.id, cleared.left_over)
            if cleared.left_over:
                async with self._clock.still():
                    await self._calls.import_residual(period.id)
        found = await self._calls.list_awards(period.id, period.id + 1)
        outside = {one.home: outside_of(one) for one in found[0].exchange}
        awards = {
            one.home: Award(one.bought_wh, one.sold_wh, one.code, outside.get(one.home, NOTHING))
            for one in found[0].awards
        }
        return Cleared(found[0].price_uaud_per_kwh, awards)

    async def settle(self, period: Period, readings: Sequence[Reading]) -> Mapping[str, Settled]:
        """Have the homes' readings written, freeze them, and settle the period; the lines as the ledger has them."""
        if self._coming_s >= period.end_s:
            await self._clock.passed(period.end_s)  # a move of the clock less
        else:
            await self._clock.reach(period.end_s)
        await self._say(A_READING, period, [self._reading(period, reading) for reading in readings])
        async with self._clock.still():
            await self._calls.freeze_period(period.id)
        parts = -(-len(self._authors) // MOST_HOMES)
        for part in range(parts):
            async with self._clock.still():
                await self._calls.settle_period(period.id, part if parts > 1 else None)
        return await self._lines.of(period)

    async def bill(self, day: int) -> Mapping[str, Bill]:
        """Bill every home's day."""
        await self._clock.reach(day_start(day + 1, self._rules.offsets))
        parts = -(-len(self._authors) // MOST_HOMES)
        if self._rules.carbon is not None:
            for part in range(parts):
                async with self._clock.still():
                    await self._calls.settle_carbon(day, part if parts > 1 else None)
        for part in range(parts):
            async with self._clock.still():
                await self._calls.settle_day(day, part if parts > 1 else None)
        bills = await in_turn_of(_BILLS_AT_ONCE, [self._calls.get_bill(home, day) for home in self._authors])
        return {bill.home: bill for bill in bills}

    def _bid(self, period: Period, bid: Bid) -> bytes:
        author = self._authors[bid.home]
        if bid.kind == REQUEST:
            return author.request(period.id, bid.energy_wh, bid.price_uaud_per_kwh)
        return author.offer(period.id, bid.energy_wh, bid.price_uaud_per_kwh)

    def _reading(self, period: Period, reading: Reading) -> bytes:
        author = self._authors[reading.home]
        return author.reading(period.id, reading.import_wh, reading.export_wh, reading.quality)

    async def _say(self, kind: str, period: Period, messages: Sequence[bytes]) -> None:
        for first in range(0, len(messages), LARGEST_BATCH):
            async with self._clock.still():
                batch = messages[first : first + LARGEST_BATCH]
                results = (await self._calls.submit_messages(kind, period.id, batch)).results
            refused = [result for result in results if result != WRITTEN]
            if refused:
                raise NotTaken(
                    f"{len(refused)} of {len(results)} messages of kind {kind} for period {period.id} were refused, "
                    f"the first one with {refused[0]}"
                )


class DayLines:
    """Settled lines, asked for once a day and not once a period: a peer that answers delays the next bids."""

    def __init__(self, calls: Calls, rules: ForwardRules, homes: int) -> None:
        self._calls = calls
        self._rules = rules
        self._most = max(1, min(_PERIODS_AT_ONCE, _LINES_AT_ONCE // max(1, homes)))
        self._waiting: dict[int, list[tuple[Period, asyncio.Future[Mapping[str, Settled]]]]] = {}
        self._left: dict[int, int] = {}

    async def of(self, period: Period) -> Mapping[str, Settled]:
        """The lines of a settled period by home, once its day is settled, or as many periods as one answer takes."""
        day = local_day(period.start_s, self._rules.offsets)
        if day not in self._left:
            self._left[day] = len(self._rules.periods(day - self._rules.first_day))
        self._left[day] -= 1
        waiting = self._waiting.setdefault(day, [])
        mine: asyncio.Future[Mapping[str, Settled]] = asyncio.get_running_loop().create_future()
        waiting.append((period, mine))
        if self._left[day] == 0 or len(waiting) == self._most:
            del self._waiting[day]
            await self._answer(waiting)
        return await mine

    async def _answer(self, waiting: Sequence[tuple[Period, asyncio.Future[Mapping[str, Settled]]]]) -> None:
        first = min(period.id for period, _ in waiting)
        end = max(period.id + period.length_min for period, _ in waiting)
        found: dict[int, list[HomeLine]] = {}
        for line in await self._calls.list_lines(first, end):
            found.setdefault(line.period, []).append(line)
        for period, answer in waiting:
            if not answer.cancelled():
                answer.set_result({line.home: _settled(period, line) for line in found.get(period.id, ())})


class Clock:
    """A simulated channel's market time: it moves forward while no transaction that reads it is under way."""

    def __init__(self, calls: Calls, now_s: int) -> None:
        self._calls = calls
        self._now_s = now_s
        self._reading = 0
        self._moving = asyncio.Lock()
        self._idle = asyncio.Condition()

    async def reach(self, time_s: int) -> None:
        """Move the clock to a time, unless it is there."""
        if self._now_s >= time_s:
            return
        async with self._moving:
            if self._now_s >= time_s:
                return
            async with self._idle:
                await self._idle.wait_for(lambda: self._reading == 0)
            await self._calls.advance_clock(time_s)
            self._now_s = time_s
        async with self._idle:
            self._idle.notify_all()

    async def passed(self, time_s: int) -> None:
        """Wait until somebody has moved the clock to a time, or beyond."""
        async with self._idle:
            await self._idle.wait_for(lambda: self._now_s >= time_s)

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Keep the clock where it is."""
        async with self._moving:
            self._reading += 1
        try:
            yield
        finally:
            async with self._idle:
                self._reading -= 1
                self._idle.notify_all()


def outside_of(one: OutsideSums) -> Outside:
    """What was traded with other communities, as the market's rules have it."""
    return Outside(one.imported_wh, one.exported_wh, one.amount_naud, one.fee_naud)


def _settled(period: Period, line: HomeLine) -> Settled:
    metered = Metered(
        line.home,
        line.bought_wh,
        line.sold_wh,
        line.import_wh,
        line.export_wh,
        line.export_cap_wh,
        line.key_ppm,
        line.quality == "estimated",
        NOTHING if line.exchange is None else outside_of(line.exchange),
    )
    settlement = Line(*(getattr(line, name) for name in Line._fields))
    prices = Prices(line.tou, line.feed_in, line.local_fee)
    return Settled(period, line.band, prices, metered, settlement, line.quality, line.final)
