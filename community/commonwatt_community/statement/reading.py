# SPDX-License-Identifier: Apache-2.0
"""Read what a statement rests on: a home's bills of a month, and the lines of their periods."""

import asyncio
from typing import Protocol

from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_chaincode.market.forward.periods import periods_of_day
from commonwatt_chaincode.market.tariff import local_day

from ..market.attestations import Attestations, nobody_attests
from ..market.refused import Refused
from ..market.results import Configuration, Home, HomeLine, Standing
from .attested import AttestedPeriods, attested_of
from .month import Month
from .monthly import Statement, statement_of

UNKNOWN_BILL = "unknown_bill"
LARGEST_SPAN = 400
"""Settled periods that one answer holds."""
_AT_ONCE = 4
"""Questions under way: a statement is one of many things that a peer answers."""


class ReadsBills(Protocol):
    """The queries of a market that a statement needs: `ForwardMarket` and the service's client both have them."""

    async def get_configuration(self) -> Standing: ...

    async def get_home(self, home: str) -> Home: ...

    async def get_bill(self, home: str, day: int) -> Bill: ...

    async def list_lines(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> tuple[HomeLine, ...]: ...


async def read_statement(
    market: ReadsBills,
    home: str,
    month: Month,
    *,
    community: str,
    attestations: Attestations = nobody_attests,
) -> Statement:
    """A home's statement of a month, as the ledger stands.

    ``community`` is the name that the statement shows; it says what the grid attested where ``attestations`` can say.
    Raises Refused for a home that does not exist or is another's.
    """
    standing = await market.get_configuration()
    configuration = standing.configuration
    registration = await market.get_home(home)
    over = local_day(standing.now_s, configuration.offsets)
    days = [day for day in month.days if day < over]
    slots = asyncio.Semaphore(_AT_ONCE)

    async def asked(day: int) -> tuple[Bill, tuple[HomeLine, ...]] | None:
        async with slots:
            try:
                bill = await market.get_bill(home, day)
            except Refused as refused:
                if refused.code != UNKNOWN_BILL:
                    raise
                return None
            return bill, await market.list_lines(*span_of_day(day, configuration), home)

    answers = dict(zip(days, await asyncio.gather(*map(asked, days)), strict=True))
    found = [answer for answer in answers.values() if answer is not None]
    attested: set[tuple[int, int]] | None = set() if found else None
    for bill, _ in found:
        of_day = await attestations(*span_of_day(bill.day, configuration))
        if of_day is None or attested is None:
            attested = None
            break
        attested.update(of_day)
    missing = [day for day in month.days if answers.get(day) is None]
    return statement_of(
        [bill for bill, _ in found],
        [line for _, lines in found for line in lines],
        configuration,
        month,
        home=home,
        community=community,
        unbilled=[day for day in missing if takes_part(registration, day, configuration)],
        attested=attested,
        battery=any(one.connection.battery_w for one in registration.versions),
    )


async def lines_of_day(
    market: ReadsBills, home: str, day: int, configuration: Configuration
) -> tuple[HomeLine, ...]:
    """A home's settled periods of a local day, in as many questions as a day of short periods needs."""
    periods = list(periods_of_day(day, configuration.lengths, configuration.offsets))
    found: list[HomeLine] = []
    for first in range(0, len(periods), LARGEST_SPAN):
        part = periods[first : first + LARGEST_SPAN]
        found += await market.list_lines(part[0].id, part[-1].id + part[-1].length_min, home)
    return tuple(found)


async def attested_of_day(
    market: ReadsBills, home: str, day: int, configuration: Configuration, attestations: Attestations
) -> AttestedPeriods | None:
    """How much of a home's local day the grid attested; None where nobody can say."""
    attested = await attestations(*span_of_day(day, configuration))
    return (
        None
        if attested is None
        else attested_of(await lines_of_day(market, home, day, configuration), attested)
    )


def span_of_day(day: int, configuration: Configuration) -> tuple[int, int]:
    """The first period of a local day, and the first after it."""
    periods = list(periods_of_day(day, configuration.lengths, configuration.offsets))
    return periods[0].id, periods[-1].id + periods[-1].length_min


def takes_part(registration: Home, day: int, configuration: Configuration) -> bool:
    """Whether a home is registered for a period of a local day of which the ledger has forgotten nothing."""
    if not registration.versions:
        return False
    from_period = min(one.from_period for one in registration.versions)
    from_period = max(from_period, registration.forgotten_before or 0)
    to_period = registration.to_period
    return any(
        from_period <= period.id and (to_period is None or period.id < to_period)
        for period in periods_of_day(day, configuration.lengths, configuration.offsets)
    )
