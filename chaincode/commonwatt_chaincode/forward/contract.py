# SPDX-License-Identifier: Apache-2.0
"""The contract ``forward``: its transactions by name, each told in a module of its own."""

from typing import Any

from ..shim import Contract, Stub, evaluate, transaction
from . import (
    batches,
    billing,
    carbon,
    carrier_keys,
    clearing,
    closing,
    configuring,
    digests,
    envelopes,
    forgetting,
    freezing,
    gap_settling,
    homes,
    importing,
    keyring,
    losses,
    periods,
    queries,
    residuals,
    settlement_queries,
    settling,
    sharing,
    standing,
)
from .arguments import (
    AdvanceClock,
    Batch,
    CarbonOfDay,
    ClearPeriod,
    Configure,
    ConfirmHome,
    ConfirmHomes,
    ConfirmKey,
    EndHome,
    ForgetHome,
    ForgetHomes,
    FreezePeriod,
    HomeDay,
    HomePeriod,
    HomeSpan,
    KeysOf,
    KnownKeys,
    NewHome,
    NewHomes,
    Nothing,
    OneCarrier,
    OneHome,
    OneKey,
    OneMessage,
    OnePart,
    OnePeriod,
    ReportFeeder,
    SetEnvelope,
    SetIntensity,
    SetSharingKeys,
    SettleDay,
    SettleGap,
    SomeMessages,
    Span,
)

Json = dict[str, Any]


class ForwardMarket(Contract):
    """A market of periods ahead: one JSON object in, one out; ``docs/forward-contract.md`` describes each."""

    name = "forward"
    title = "Commonwatt forward market"

    # Set up

    @transaction
    async def configure(self, stub: Stub, arguments: Configure) -> Json:
        """Operator: found the community, or change its configuration."""
        return await configuring.configure(stub, arguments)

    @transaction
    async def advance_clock(self, stub: Stub, arguments: AdvanceClock) -> Json:
        """Operator of a simulated channel: move its clock forward."""
        return await configuring.advance_clock(stub, arguments)

    @transaction
    async def register_home(self, stub: Stub, arguments: NewHome | NewHomes) -> Json:
        """Operator: propose registrations, or other connections."""
        return await homes.register_home(stub, arguments)

    @transaction
    async def confirm_home(self, stub: Stub, arguments: ConfirmHome | ConfirmHomes) -> Json:
        """Grid: confirm what is proposed of homes."""
        return await homes.confirm_home(stub, arguments)

    @transaction
    async def end_home(self, stub: Stub, arguments: EndHome) -> Json:
        """Operator: propose the end of a registration."""
        return await homes.end_home(stub, arguments)

    @transaction
    async def set_key(self, stub: Stub, arguments: KeysOf) -> Json:
        """Operator: set a first key; every role: replace a key by one to which it agrees."""
        return await keyring.set_key(stub, arguments)

    @transaction
    async def set_carrier_key(self, stub: Stub, arguments: OneCarrier) -> Json:
        """Operator or grid: set the next key of a carrier of the caller's own organisation."""
        return await carrier_keys.set_carrier_key(stub, arguments)

    @transaction
    async def propose_key(self, stub: Stub, arguments: KeysOf) -> Json:
        """Operator: propose a key for an author who lost the old one, or drop the proposal."""
        return await keyring.propose_key(stub, arguments)

    @transaction
    async def confirm_key(self, stub: Stub, arguments: ConfirmKey) -> Json:
        """Grid: confirm a proposed key."""
        return await keyring.confirm_key(stub, arguments)

    @transaction
    async def set_envelope(self, stub: Stub, arguments: SetEnvelope) -> Json:
        """Grid: publish the power that is allowed for some periods."""
        return await envelopes.set_envelope(stub, arguments)

    @transaction
    async def set_sharing_keys(self, stub: Stub, arguments: SetSharingKeys) -> Json:
        """Operator: set all static sharing keys from a period on."""
        return await sharing.set_sharing_keys(stub, arguments)

    @transaction
    async def set_intensity(self, stub: Stub, arguments: SetIntensity) -> Json:
        """Grid: publish what a kWh of the grid emits in periods to come."""
        return await carbon.set_intensity(stub, arguments)

    @transaction
    async def report_feeder(self, stub: Stub, arguments: ReportFeeder) -> Json:
        """Grid: report what the feeder's meter counted."""
        return await envelopes.report_feeder(stub, arguments)

    # A period, before it begins

    @transaction
    async def submit_messages(self, stub: Stub, arguments: Batch) -> Json:
        """Every role: write signed messages of one kind and period."""
        return await batches.submit_messages(stub, arguments)

    @transaction
    async def close_gate(self, stub: Stub, arguments: OnePeriod) -> Json:
        """Operator, members after the grace: close a period's gate."""
        return await closing.close_gate(stub, arguments)

    @transaction
    async def clear_period(self, stub: Stub, arguments: ClearPeriod) -> Json:
        """Members: clear a period whose gate is closed."""
        return await clearing.clear_period(stub, arguments)

    @transaction
    async def import_residual(self, stub: Stub, arguments: OnePeriod) -> Json:
        """Members: import what the exchange's round came to for the community."""
        return await importing.import_residual(stub, arguments)

    @transaction
    async def declare_lost(self, stub: Stub, arguments: OneKey) -> Json:
        """Operator, grid: declare a message lost that no peer holds."""
        return await losses.declare_lost(stub, arguments)

    # A period, once it is over

    @transaction
    async def freeze_period(self, stub: Stub, arguments: FreezePeriod) -> Json:
        """Members: freeze the readings of a period so far, from when they are due or all are there."""
        return await freezing.freeze_period(stub, arguments)

    @transaction
    async def settle_period(self, stub: Stub, arguments: OnePart) -> Json:
        """Members: settle a part of the homes by the readings that are frozen."""
        return await settling.settle_period(stub, arguments)

    @transaction
    async def settle_gap(self, stub: Stub, arguments: SettleGap) -> Json:
        """Members: spread what a meter's totals say over the periods in which it was silent."""
        return await gap_settling.settle_gap(stub, arguments)

    @transaction
    async def settle_carbon(self, stub: Stub, arguments: SettleDay) -> Json:
        """Operator once a local day is over, members a day later: settle the carbon of a part of the homes."""
        return await carbon.settle_carbon(stub, arguments)

    @transaction
    async def settle_day(self, stub: Stub, arguments: SettleDay) -> Json:
        """Operator once a local day is over, members a day later: bill a part of the homes."""
        return await billing.settle_day(stub, arguments)

    @transaction
    async def forget_home(self, stub: Stub, arguments: ForgetHome | ForgetHomes) -> Json:
        """Operator, grid: purge what is private of homes, once the books of its periods are closed."""
        return await forgetting.forget_home(stub, arguments)

    # Queries

    @evaluate
    async def get_configuration(self, stub: Stub, _: Nothing = Nothing()) -> Json:  # noqa: B008
        """Every role: the configuration, and the market time."""
        return await queries.get_configuration(stub)

    @evaluate
    async def get_home(self, stub: Stub, arguments: OneHome) -> Json:
        """The home, operator, grid, carrier: a registration."""
        return await queries.get_home(stub, arguments)

    @evaluate
    async def list_homes(self, stub: Stub, _: Nothing = Nothing()) -> Json:  # noqa: B008
        """Operator, grid, carrier: all registrations."""
        return await queries.list_homes(stub)

    @evaluate
    async def get_keys(self, stub: Stub, arguments: KnownKeys) -> Json:
        """Every role: public keys of an author."""
        return await queries.get_keys(stub, arguments)

    @evaluate
    async def get_envelopes(self, stub: Stub, arguments: HomePeriod) -> Json:
        """A home: its own and those for all; operator, grid, carrier: the envelopes of a period."""
        return await queries.get_envelopes(stub, arguments)

    @evaluate
    async def get_sharing_keys(self, stub: Stub, arguments: OnePeriod) -> Json:
        """A home: its own; operator, grid, carrier: all sharing keys of a period."""
        return await queries.get_sharing_keys(stub, arguments)

    @evaluate
    async def get_period(self, stub: Stub, arguments: OnePeriod) -> Json:
        """Every role: a period's times, prices, state and sums."""
        return await periods.get_period(stub, arguments)

    @evaluate
    async def list_periods(self, stub: Stub, arguments: Span) -> Json:
        """Every role: the states of periods."""
        return await periods.list_periods(stub, arguments)

    @evaluate
    async def get_residual(self, stub: Stub, arguments: OnePeriod) -> Json:
        """Every role: what a cleared period leaves over for the exchange, until it is too late to bring it."""
        return await residuals.get_residual(stub, arguments)

    @evaluate
    async def get_prices(self, stub: Stub, arguments: Span) -> Json:
        """Every role: what periods were cleared at."""
        return await periods.get_prices(stub, arguments)

    @evaluate
    async def list_digests(self, stub: Stub, arguments: Span) -> Json:
        """Every role: digests of settled periods, which the exchange anchors."""
        return await digests.list_digests(stub, arguments)

    @evaluate
    async def list_awards(self, stub: Stub, arguments: HomeSpan) -> Json:
        """A home: its own; operator, grid, carrier: all awards of periods."""
        return await periods.list_awards(stub, arguments)

    @evaluate
    async def list_messages(self, stub: Stub, arguments: SomeMessages) -> Json:
        """A home: its own; operator, grid, carrier: all messages of a period."""
        return await standing.list_messages(stub, arguments)

    @evaluate
    async def message_status(self, stub: Stub, arguments: OneMessage) -> Json:
        """Every role: whether a message stands on the ledger."""
        return await standing.message_status(stub, arguments)

    @evaluate
    async def list_lines(self, stub: Stub, arguments: HomeSpan) -> Json:
        """A home its own, operator, grid and carriers all: settled periods, line by line."""
        return await settlement_queries.list_lines(stub, arguments)

    @evaluate
    async def get_bill(self, stub: Stub, arguments: HomeDay) -> Json:
        """A home its own, operator, grid and carriers all: the bill of a local day."""
        return await settlement_queries.get_bill(stub, arguments)

    @evaluate
    async def get_carbon(self, stub: Stub, arguments: CarbonOfDay) -> Json:
        """Every role: the sums of a day's carbon; a home its own, operator, grid and carriers every home's line."""
        return await carbon.get_carbon(stub, arguments)
