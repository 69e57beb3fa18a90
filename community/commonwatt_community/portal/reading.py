# SPDX-License-Identifier: Apache-2.0
"""Read what the portal shows of a home. Billed days are asked for as bills, so a month costs a question a day."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_chaincode.market.forward.periods import period_at

from ..market.refused import Refused
from ..market.results import ClearedPrice, Configuration, HomeLine, PeriodAwards
from ..statement.reading import UNKNOWN_BILL, ReadsBills, lines_of_day
from .prices import AHEAD_S
from .summary import Known

AWARD_PERIODS = 60
"""Periods whose trades are shown: an answer costs the peer the awards of all homes."""
BILLS_KEPT = 5_000
BILL_KEPT_S = 300.0
_AT_ONCE = 4


class ReadsHome(ReadsBills, Protocol):
    """The queries of a market that the portal needs."""

    async def get_prices(self, from_period: int, to_period: int) -> tuple[ClearedPrice, ...]: ...

    async def list_awards(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> tuple[PeriodAwards, ...]: ...


class HomeReader:
    """Reads homes; bills are kept a while, for they never change once they are written."""

    def __init__(self, market: ReadsHome, clock: Callable[[], float] = time.monotonic) -> None:
        self._market = market
        self._clock = clock
        self._bills: OrderedDict[tuple[str, int], tuple[float, Bill]] = OrderedDict()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def read(self, home: str) -> Known:
        """A home as the ledger stands. Raises Refused for one that does not exist."""
        market = self._market
        standing = await market.get_configuration()
        configuration, now_s = standing.configuration, standing.now_s
        known = Known(await market.get_home(home), now_s, configuration)
        days = [day for day in known.month.days if day <= known.today]
        running = period_at(now_s, configuration.lengths, configuration.offsets)
        ahead = configuration.rules_of(running.id).times.opens_before_s // 60 + running.length_min
        bills = dict(
            zip(
                days, await asyncio.gather(*(self._bill(home, day, known.today) for day in days)), strict=True
            )
        )
        open_days = [day for day in days if bills[day] is None]
        lines = await asyncio.gather(*(self._lines(home, day, configuration) for day in open_days))
        return Known(
            known.home,
            now_s,
            configuration,
            {day: bill for day, bill in bills.items() if bill is not None},
            dict(zip(open_days, lines, strict=True)),
            await market.get_prices(running.id, running.id + AHEAD_S // 60),
            await market.list_awards(
                running.id - AWARD_PERIODS * running.length_min, running.id + ahead, home
            ),
        )

    def forget(self) -> None:
        """Keep no bill any longer: the ledger forgot a home."""
        self._bills.clear()

    async def _bill(self, home: str, day: int, today: int) -> Bill | None:
        if day >= today:
            return None
        kept = self._bills.get((home, day))
        if kept and self._clock() - kept[0] < BILL_KEPT_S:
            return kept[1]
        async with self._slots:
            try:
                bill = await self._market.get_bill(home, day)
            except Refused as refused:
                if refused.code != UNKNOWN_BILL:
                    raise
                return None
        self._bills[home, day] = (self._clock(), bill)
        while len(self._bills) > BILLS_KEPT:
            self._bills.popitem(last=False)
        return bill

    async def _lines(self, home: str, day: int, configuration: Configuration) -> Sequence[HomeLine]:
        async with self._slots:
            return await lines_of_day(self._market, home, day, configuration)
