# SPDX-License-Identifier: Apache-2.0
"""Days of a community in the forward market, in the order of market time.

A home bids for a period while earlier ones still run, so it knows its meter only as far as it has been read by then.
Only the perfect forecast sees what is to come.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from commonwatt_chaincode.market.forward.bids import Bid
from commonwatt_chaincode.market.forward.bills import Bill, Settled
from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.readings import HOME, MEASURED, Reading
from commonwatt_chaincode.market.tariff import DAY_MIN
from commonwatt_community.hems.forward.agent import HORIZON_MIN, NO_CAPS, ForwardAgent, PeriodRead

from commonwatt_loadgen.forward.market import Cleared, ForwardMarket
from commonwatt_loadgen.forward.rules import ForwardRules

FIRST_SEQ = FIRST_VERSION = 1


@dataclass(frozen=True, slots=True)
class PeriodRecord:
    """All that a period came to: bids, awards, the homes' readings and their settlement, by home."""

    period: Period
    minute: int
    bids: Sequence[Bid]
    cleared: Cleared
    reads: Mapping[str, PeriodRead]
    settled: Mapping[str, Settled]
    caps: Mapping[str, Caps] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DayRecord:
    """A simulated day, counted from 0: its periods in order, and the bills."""

    day: int
    periods: Sequence[PeriodRecord]
    bills: Mapping[str, Bill]


async def live(
    market: ForwardMarket, rules: ForwardRules, agents: Sequence[ForwardAgent], days: int
) -> AsyncIterator[DayRecord]:
    """Trade days from the rules' first one on, and yield each once it is billed.

    Periods are settled while later ones are bid for: on a ledger that takes time.
    """
    community = Community(market, rules, agents, days)
    lengths = [len(rules.periods(day)) for day in range(days)]
    last, lived, day = sum(lengths), 0, 0
    settling: list[asyncio.Task[PeriodRecord]] = []
    try:
        for place in range(last + 1):
            while lived < place and (place == last or community.is_over(lived, place)):
                settling.append(asyncio.create_task(community.settle(community.live(lived))))
                lived += 1
                if len(settling) == lengths[day]:
                    records = await asyncio.gather(*settling)
                    yield DayRecord(day, records, await market.bill(rules.first_day + day))
                    settling, day = [], day + 1
            if place < last:
                await community.bid(place, lived)
            for task in settling:
                if task.done():
                    task.result()  # what failed ends the simulation now
    finally:
        for task in settling:
            task.cancel()
        await asyncio.gather(*settling, return_exceptions=True)


class Community:
    """The homes of a community, with the periods that they bid for and have not lived yet."""

    def __init__(
        self, market: ForwardMarket, rules: ForwardRules, agents: Sequence[ForwardAgent], days: int
    ) -> None:
        self._market = market
        self._rules = rules
        self._agents = agents
        self._ahead = -(-HORIZON_MIN // rules.period_min)
        days_ahead = -(-HORIZON_MIN // DAY_MIN) + 1
        self._periods = [one for day in range(days + days_ahead) for one in rules.periods(day)]
        self._minutes = [rules.minute(period) for period in self._periods]
        self._tariffs = [rules.tariff(period).prices for period in self._periods]
        self._middles = [prices.middle for prices in self._tariffs]
        self._open: dict[int, tuple[Sequence[Bid], Cleared, Mapping[str, Caps]]] = {}

    def is_over(self, place: int, when_bidding_for: int) -> bool:
        """Whether a period's meters are read when homes bid for another one."""
        return self._periods[place].end_s <= self._rules.bids_s(self._periods[when_bidding_for])

    def outlook(self, place: int, lived: int) -> "Outlook":
        """What homes know of the times and prices of a period, with `lived` periods read."""
        until = place + 1 + self._ahead
        return Outlook(self._minutes[lived:until], self._middles[place:until], self._tariffs[place:until])

    async def bid(self, place: int, lived: int) -> Cleared:
        """Let every home bid for a period, and clear it; `lived` periods are read so far."""
        period = self._periods[place]
        prices = self._tariffs[place]
        minutes, middles, tariffs = self.outlook(place, lived)
        caps: Mapping[str, Caps] = {}
        if self._rules.envelopes:
            caps = {agent.home: self._rules.caps(agent.home, period) for agent in self._agents}
        bids = []
        for agent in self._agents:
            own_caps = caps.get(agent.home, NO_CAPS)
            bid = agent.bid(place, minutes, prices, middles, own_caps, FIRST_SEQ, tariffs)
            if bid is not None:
                bids.append(bid)
        cleared = await self._market.period(period, bids)
        for agent in self._agents:
            award = cleared.awards.get(agent.home)
            if award is not None:
                outside = award.outside
                agent.awarded(
                    place, award.sold_wh + outside.exported_wh, award.bought_wh + outside.imported_wh
                )
        self._open[place] = bids, cleared, caps
        return cleared

    def live(self, place: int) -> "Lived":
        """Let every home live a period and read its meter."""
        period, minute = self._periods[place], self._minutes[place]
        bids, cleared, caps = self._open.pop(place)
        reads = {agent.home: agent.live(minute, caps.get(agent.home, NO_CAPS)) for agent in self._agents}
        return Lived(period, minute, bids, cleared, reads, caps)

    async def settle(self, lived: "Lived") -> PeriodRecord:
        """Settle a period by the homes' readings; nothing that homes do later depends on it."""
        readings = [
            Reading(home, HOME, MEASURED, FIRST_SEQ, FIRST_VERSION, read.import_wh, read.export_wh)
            for home, read in lived.reads.items()
        ]
        settled = await self._market.settle(lived.period, readings)
        period, minute, bids, cleared, reads, caps = lived
        return PeriodRecord(period, minute, bids, cleared, reads, settled, caps)


class Outlook(NamedTuple):
    """What homes know when they bid for a period.

    The minutes of the periods from the first one that is not read; middle prices and tariffs from the one that is bid
    for.
    """

    minutes: Sequence[int]
    middles: Sequence[int]
    tariffs: Sequence[Prices]


class Lived(NamedTuple):
    """A period that homes have lived, before its settlement."""

    period: Period
    minute: int
    bids: Sequence[Bid]
    cleared: Cleared
    reads: Mapping[str, PeriodRead]
    caps: Mapping[str, Caps]
