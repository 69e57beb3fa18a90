# SPDX-License-Identifier: Apache-2.0
"""The contract ``market``: its transactions by name, each told in a module of its own."""

from typing import Any

from ..shim import Contract, Stub, evaluate, transaction
from . import (
    administration,
    billing,
    corrections,
    intervals,
    metering,
    offers,
    pages,
    queries,
    requests,
    rounds,
)
from .arguments import (
    AdvanceClock,
    CloseRound,
    Configure,
    CorrectReading,
    GetParameters,
    HomeDay,
    Nothing,
    OneHome,
    OneRound,
    OpenRound,
    OwnBid,
    RegisterHome,
    ReportReading,
    SettleDay,
    SettleInterval,
    SomeReadings,
    SomeRounds,
    SubmitOffer,
    SubmitRequest,
    SuggestedPrice,
)

Json = dict[str, Any]


class Market(Contract):
    """A community's energy market: one JSON object in, one out; ``docs/contract.md`` describes each."""

    name = "market"
    title = "Commonwatt energy market"

    @transaction
    async def configure(self, stub: Stub, arguments: Configure) -> Json:
        """Operator: add a version of the parameters."""
        return await administration.configure(stub, arguments)

    @transaction
    async def register_home(self, stub: Stub, arguments: RegisterHome) -> Json:
        """Operator: register a home, or update its registration."""
        return await administration.register_home(stub, arguments)

    @transaction
    async def advance_clock(self, stub: Stub, arguments: AdvanceClock) -> Json:
        """Operator of a simulated channel: move its clock, or a round's, forward."""
        return await administration.advance_clock(stub, arguments)

    @transaction
    async def open_round(self, stub: Stub, arguments: OpenRound = OpenRound()) -> Json:  # noqa: B008
        """Operator: open the next round of many requests."""
        return await rounds.open_round(stub, arguments)

    @transaction
    async def settle_interval(self, stub: Stub, arguments: SettleInterval) -> Json:
        """Home or meter: report an interval, and open a round for what it needs."""
        return await intervals.settle_interval(stub, arguments)

    @transaction
    async def submit_request(self, stub: Stub, arguments: SubmitRequest) -> Json:
        """Home: ask in a fixed round for what a reported interval needs."""
        return await requests.submit_request(stub, arguments)

    @transaction
    async def cancel_request(self, stub: Stub, arguments: OwnBid) -> Json:
        """Home: take back a request."""
        return await requests.cancel_request(stub, arguments)

    @transaction
    async def submit_offer(self, stub: Stub, arguments: SubmitOffer) -> Json:
        """Prosumer home: offer energy, or replace the open offer."""
        return await offers.submit_offer(stub, arguments)

    @transaction
    async def withdraw_offer(self, stub: Stub, arguments: OwnBid) -> Json:
        """Prosumer home: take back an offer."""
        return await offers.withdraw_offer(stub, arguments)

    @transaction
    async def close_round(self, stub: Stub, arguments: CloseRound) -> Json:
        """Operator from the deadline, any member after the grace: clear a round."""
        return await rounds.close_round(stub, arguments)

    @transaction
    async def report_reading(self, stub: Stub, arguments: ReportReading) -> Json:
        """Home or meter: report an interval for which nothing is bid."""
        return await metering.report_reading(stub, arguments)

    @transaction
    async def correct_reading(self, stub: Stub, arguments: CorrectReading) -> Json:
        """Meter or operator: correct a reported interval, and say why."""
        return await corrections.correct_reading(stub, arguments)

    @transaction
    async def settle_day(self, stub: Stub, arguments: SettleDay) -> Json:
        """Operator: bill a day that is over."""
        return await billing.settle_day(stub, arguments)

    @evaluate
    async def suggested_price(self, stub: Stub, arguments: SuggestedPrice = SuggestedPrice()) -> Json:  # noqa: B008
        """Members: suggested prices of sellers and buyers."""
        return await queries.suggested_price(stub, arguments)

    @evaluate
    async def get_prices(self, stub: Stub, _: Nothing = Nothing()) -> Json:  # noqa: B008
        """Operator, grid: the price history."""
        return await queries.get_prices(stub)

    @evaluate
    async def get_round(self, stub: Stub, arguments: OneRound) -> Json:
        """Members: a round and its award."""
        return await queries.get_round(stub, arguments)

    @evaluate
    async def list_rounds(self, stub: Stub, arguments: SomeRounds = SomeRounds()) -> Json:  # noqa: B008
        """Members: rounds by time, or by number."""
        return await pages.list_rounds(stub, arguments)

    @evaluate
    async def get_home(self, stub: Stub, arguments: OneHome) -> Json:
        """The home, operator, grid: a registration."""
        return await queries.get_home(stub, arguments)

    @evaluate
    async def get_battery(self, stub: Stub, arguments: OneHome) -> Json:
        """The home, operator, grid: a battery account."""
        return await queries.get_battery(stub, arguments)

    @evaluate
    async def get_bill(self, stub: Stub, arguments: HomeDay) -> Json:
        """The home, operator, grid: a bill."""
        return await queries.get_bill(stub, arguments)

    @evaluate
    async def list_trades(self, stub: Stub, arguments: SomeRounds = SomeRounds()) -> Json:  # noqa: B008
        """Members: own fills and the sums of all; operator and grid: all fills."""
        return await pages.list_trades(stub, arguments)

    @evaluate
    async def list_readings(self, stub: Stub, arguments: SomeReadings) -> Json:
        """The home, operator, grid: intervals with what was needed and bought."""
        return await pages.list_readings(stub, arguments)

    @evaluate
    async def get_parameters(self, stub: Stub, arguments: GetParameters = GetParameters()) -> Json:  # noqa: B008
        """Members: parameters and clock."""
        return await queries.get_parameters(stub, arguments)

    @evaluate
    async def audit(self, stub: Stub, arguments: OneRound) -> Json:
        """Members: all that is needed to recompute a closed round's award; a home: its own lines."""
        return await queries.audit(stub, arguments)
