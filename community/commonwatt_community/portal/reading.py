# SPDX-License-Identifier: Apache-2.0
"""Read what the portal shows of a home. Billed days are asked for as bills, so a month costs a question a day."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_chaincode.market.forward.periods import period_at

from ..market.attestations import Attestations, nobody_attests
from ..market.refused import Refused
from ..market.results import ClearedPrice, Configuration, HomeLine, PeriodAwards
from ..statement.attested import AttestedPeriods
from ..statement.reading import UNKNOWN_BILL, ReadsBills, attested_of_day, lines_of_day
from .prices import AHEAD_S
from .summary import Known

AWARD_PERIODS = 60
"""Periods whose trades are shown: an answer costs the peer the awards of all homes."""
DAYS_KEPT = 5_000
DAY_KEPT_S = 300.0
_AT_ONCE = 4

Kind = TypeVar("Kind")


class ReadsHome(ReadsBills, Protocol):
    """The queries of a market that the portal needs."""

    async def get_prices(self, from_period: int, to_period: int) -> tuple[ClearedPrice, ...]: ...

    async def list_awards(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> tuple[PeriodAwards, ...]: ...


class _Days(Generic[Kind]):
    """What is known of homes' days, for `DAY_KEPT_S`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[tuple[str, int], tuple[float, Kind]] = OrderedDict()

    def get(self, home: str, day: int) -> Kind | None:
        kept = self._kept.get((home, day))
        return kept[1] if kept and self._clock() - kept[0] < DAY_KEPT_S else None

    def keep(self, home: str, day: int, known: Kind) -> None:
        self._kept[home, day] = (self._clock(), known)
        while len(self._kept) > DAYS_KEPT:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()


class HomeReader:
    """Reads homes. It keeps bills a while, for they never change once they are written, and what the grid attested."""

    def __init__(
        self,
        market: ReadsHome,
        clock: Callable[[], float] = time.monotonic,
        attestations: Attestations = nobody_attests,
    ) -> None:
        self._market = market
        self._attestations = attestations
        self._bills: _Days[Bill] = _Days(clock)
        self._attested: _Days[AttestedPeriods] = _Days(clock)
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
        billed = [day for day in days if bills[day] is not None]
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
            await self._attested_of(home, billed, configuration),
        )

    def forget(self) -> None:
        """Keep no day any longer: the ledger forgot a home."""
        self._bills.clear()
        self._attested.clear()

    async def _bill(self, home: str, day: int, today: int) -> Bill | None:
        if day >= today:
            return None
        kept = self._bills.get(home, day)
        if kept is not None:
            return kept
        async with self._slots:
            try:
                bill = await self._market.get_bill(home, day)
            except Refused as refused:
                if refused.code != UNKNOWN_BILL:
                    raise
                return None
        self._bills.keep(home, day, bill)
        return bill

    async def _attested_of(
        self, home: str, days: Sequence[int], configuration: Configuration
    ) -> AttestedPeriods | None:
        """What the grid attested of billed days; None without a bill, and where nobody can say."""
        found = []
        for day in days:
            known = self._attested.get(home, day)
            if known is None:
                known = await attested_of_day(self._market, home, day, configuration, self._attestations)
                if known is None:
                    return None
                self._attested.keep(home, day, known)
            found.append(known)
        return AttestedPeriods(*map(sum, zip(*found, strict=True))) if found else None

    async def _lines(self, home: str, day: int, configuration: Configuration) -> Sequence[HomeLine]:
        async with self._slots:
            return await lines_of_day(self._market, home, day, configuration)
