# SPDX-License-Identifier: Apache-2.0
"""Bills of a day."""

from dataclasses import replace
from typing import Any

from ..ledger import (
    CLOCK,
    COMMUNITY,
    OPEN,
    SIMULATED,
    BillRecord,
    Community,
    Home,
    ReadingRecord,
    RequestRecord,
    SaleRecord,
    bill_key,
    bills_prefix,
    decode,
    encode,
    home_key,
    range_of,
    span_of,
    to_json,
)
from ..market.billing import Bill, Metered, Sale, bill
from ..market.estimate import REMEMBERED_S, Used, estimates, gaps
from ..market.tariff import DAY_S, MINUTE_S
from ..shim import Stub
from .arguments import SettleDay
from .callers import OPERATOR, require_operator, require_role
from .clock import market_time
from .metering import readings_between
from .records import community_of, emit, home_of, reaching_back
from .refusals import Code, refuse


async def settle_day(stub: Stub, arguments: SettleDay) -> dict[str, Any]:
    """Compute the bills of a local day that is over. A bill that stays the same is not written again."""
    require_role(stub, OPERATOR)
    community_value, clock_value = await stub.get_states([COMMUNITY, CLOCK])
    community = community_of(community_value)
    require_operator(stub, community.mspid)
    now = market_time(stub, community, clock_value)
    community = await reaching_back(stub, community, (arguments.day - 2) * DAY_S - REMEMBERED_S)
    start, end = community.day_start(arguments.day), community.day_start(arguments.day + 1)
    due_at = _due_at(community, end)
    if now < due_at:
        raise refuse(
            Code.DAY_NOT_OVER, f"day {arguments.day} is settled from {due_at}, the market time is {now}"
        )
    homes = await _homes(stub, arguments.home)
    known = await _bills(stub, arguments.day)
    bills = []
    for home in homes:
        computed = await _bill_of(stub, community, home, start, end)
        bills.append(_versioned(stub, arguments.day, home.home, computed, known.get(home.home)))
    fresh = [record for record in bills if record.transaction == stub.transaction_id]
    for record in fresh:
        await stub.put_state(bill_key(record.day, record.home), encode(record))
    event = {"day": arguments.day, "homes": len(homes), "changed": len(fresh)}
    if arguments.home is None:  # else the sum would be a home's own amount
        event["amount_naud"] = sum(record.bill.amount_naud for record in bills)
    emit(stub, "day_settled", event)
    return {
        "day": arguments.day,
        "homes": len(homes),
        "changed": len(fresh),
        "bills": [bill_json(record) for record in bills],
        "transaction": stub.transaction_id,
    }


def _due_at(community: Community, end: int) -> int:
    """When a day that ends at ``end`` may be settled: on a live channel once no bid for it can come any more."""
    if community.clock == SIMULATED:
        return end
    parameters = community.parameters_at(end - 1)
    beyond_s = 0 if parameters.cut_at_bands else parameters.st_max * MINUTE_S
    return end + beyond_s + parameters.report_within_s + parameters.clock_error_s


def bill_json(record: BillRecord) -> dict[str, Any]:
    """A bill as callers read it: one flat object."""
    return {
        "home": record.home,
        "day": record.day,
        "version": record.version,
        "transaction": record.transaction,
        **to_json(record.bill),
    }


async def _homes(stub: Stub, wanted: str | None) -> list[Home]:
    if wanted is not None:
        return [home_of(await stub.get_state(home_key(wanted)), wanted)]
    rows = await stub.get_state_by_range(*range_of(home_key(""))).rows()
    return [decode(Home, row.value) for row in rows]


async def _bills(stub: Stub, day: int) -> dict[str, BillRecord]:
    rows = await stub.get_state_by_range(*range_of(bills_prefix(day))).rows()
    records = [decode(BillRecord, row.value) for row in rows]
    return {record.home: record for record in records}


async def _bill_of(stub: Stub, community: Community, home: Home, start: int, end: int) -> Bill:
    """A home's bill for the intervals that began in [start, end), and for the time that none covers."""
    # An interval that began the day before may reach into this one.
    around = await readings_between(stub, home.home, start - DAY_S, end)
    requests: dict[int, RequestRecord] = {}
    async for row in stub.get_state_by_range(*span_of("request", home.home, start, end)):
        request = decode(RequestRecord, row.value)
        if request.state == OPEN:
            raise refuse(Code.ROUND_RUNNING, f"round {request.round} of this day is still to be closed")
        requests[request.interval_start] = request
    sales = []
    async for row in stub.get_state_by_range(*span_of("sale", home.home, start, end)):
        sale = decode(SaleRecord, row.value)
        sales.append(Sale(sale.sold_wh, sale.revenue_naud))
    intervals = [
        _metered(reading, requests.get(reading.interval_start))
        for reading in around
        if reading.interval_start >= start
    ]
    spans = list(gaps(max(start, home.registered_at), end, map(_used, around)))
    past: list[Used] = []
    if spans:
        past = [_used(one) for one in await readings_between(stub, home.home, start - REMEMBERED_S, start)]
    return bill(intervals, sales, estimates(spans, past, community.dated))


def _used(reading: ReadingRecord) -> Used:
    return Used(reading.interval_start, reading.interval_end, reading.use_wh)


def _metered(reading: ReadingRecord, request: RequestRecord | None) -> Metered:
    return Metered(
        use_wh=reading.use_wh,
        generation_wh=reading.generation_wh,
        own_wh=reading.own_wh,
        need_wh=reading.need_wh,
        charged_wh=reading.charged_wh,
        spill_wh=reading.spill_wh,
        grid_charge_wh=reading.grid_charge_wh,
        bought_wh=request.bought_wh if request else 0,
        bought_naud=request.bought_naud if request else 0,
        tou_uaud_per_kwh=reading.tou_uaud_per_kwh,
        feed_in_uaud_per_kwh=reading.feed_in_uaud_per_kwh,
        spill_price_uaud_per_kwh=reading.spill_price_uaud_per_kwh,
    )


def _versioned(stub: Stub, day: int, home: str, computed: Bill, known: BillRecord | None) -> BillRecord:
    if known is None:
        return BillRecord(home, day, 1, computed, stub.transaction_id)
    if known.bill == computed:
        return known
    return replace(known, version=known.version + 1, bill=computed, transaction=stub.transaction_id)
