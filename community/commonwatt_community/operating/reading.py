# SPDX-License-Identifier: Apache-2.0
"""An operator's reads of the ledger before it acts: rules, registrations, market time, periods and bills."""

import time
from datetime import UTC, date, datetime, timedelta

from commonwatt_chaincode.market.forward.periods import Period, offset_at, period_at
from commonwatt_chaincode.market.tariff import MINUTE_S

from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import Configuration, Home, ListedPeriod

from .due import Community, DayBook, is_settled

HOMES_FRESH_S = 15.0
"""Registrations change rarely and are large: they are read so often."""

EPOCH = date(1970, 1, 1)


class Ledger:
    """A channel as the operator reads it; registrations are kept for a few seconds, everything else is asked for."""

    def __init__(self, market: ForwardMarket) -> None:
        self.market = market
        self._homes: tuple[Home, ...] = ()
        self._homes_at: float | None = None

    async def community(self) -> tuple[Community, int]:
        """Rules and registrations, and the market time."""
        standing = await self.market.get_configuration()
        if self._homes_at is None or time.monotonic() - self._homes_at > HOMES_FRESH_S:
            self._homes = await self.market.list_homes()
            self._homes_at = time.monotonic()
        return Community(standing.configuration, self._homes), standing.now_s

    def period_of(self, configuration: Configuration, minute: int) -> int:
        """The id of the period to which an epoch minute belongs."""
        return period_at(minute * MINUTE_S, configuration.lengths, configuration.offsets).id

    def homes_changed(self) -> None:
        """Read registrations anew the next time."""
        self._homes_at = None

    async def listed(self, from_period: int, to_period: int) -> dict[int, ListedPeriod]:
        """What stands of the periods of a span, by id."""
        return {one.period: one for one in await self.market.list_periods(from_period, to_period)}

    async def day(self, community: Community, day: int, now_s: int) -> DayBook:
        """What stands of a local day. Its bills are asked for once there can be any."""
        periods = community.periods(day)
        if not periods:
            return DayBook(day, {})
        listed = await self.listed(periods[0].id, periods[-1].id + periods[-1].length_min)
        ready = now_s >= community.ends_s(day) and all(
            is_settled(listed.get(one.id)) for one in periods if community.members(one.id)
        )
        billed = await self._billed(community, day) if ready else frozenset[int]()
        return DayBook(day, listed, billed)

    async def _billed(self, community: Community, day: int) -> frozenset[int]:
        """The parts of a day's bills that stand, each seen by the bill of a home that took part."""
        first = community.periods(day)[0]
        found = set()
        for number, homes in enumerate(community.bill_parts(day)):
            some = [home for home in community.members(first.id) if home in homes] or list(homes)
            if some and await self.has_bill(some[-1], day):
                found.add(number)
        return frozenset(found)

    async def has_bill(self, home: str, day: int) -> bool:
        """Whether a home has a bill of a local day."""
        try:
            await self.market.get_bill(home, day)
        except Refused as refused:
            if refused.code != "unknown_bill":
                raise
            return False
        return True


def local_time(community: Community, period: Period) -> str:
    """A period's start as people of the community read it."""
    offset_min = offset_at(period.start_s, community.configuration.offsets)
    return f"{datetime.fromtimestamp(period.start_s + offset_min * 60, UTC):%Y-%m-%d %H:%M}"


def date_of(day: int) -> str:
    """A local day as people read it."""
    return (EPOCH + timedelta(days=day)).isoformat()
