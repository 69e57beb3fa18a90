# SPDX-License-Identifier: Apache-2.0
"""Bills of a day."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from ..ledger import (
    CLOCK,
    COMMUNITY,
    OPEN,
    BillRecord,
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
from ..market.billing import Metered, Purchase, Sale, bill
from ..market.tariff import DAY_S
from ..shim import Stub
from .arguments import SettleDay
from .callers import OPERATOR, require_operator, require_role
from .clock import time_of_day
from .records import clock_of, community_of, emit, home_of, reaching_back
from .refusals import Code, refuse


async def settle_day(stub: Stub, arguments: SettleDay) -> dict[str, Any]:
    """Compute the bills of a local day that is over. A bill that stays the same is not written again."""
    require_role(stub, OPERATOR)
    community_value, clock_value = await stub.get_states([COMMUNITY, CLOCK])
    community = community_of(community_value)
    require_operator(stub, community.mspid)
    now = time_of_day(stub, community, clock_of(clock_value))
    community = await reaching_back(stub, community, (arguments.day - 1) * DAY_S)
    start, end = community.day_start(arguments.day), community.day_start(arguments.day + 1)
    if now < end:
        raise refuse(Code.DAY_NOT_OVER, f"day {arguments.day} ends at {end}, the market time is {now}")
    homes = await _homes(stub, arguments.home)
    known = await _bills(stub, arguments.day)
    day = await _read_day(stub, start, end)
    bills = [_bill(stub, arguments.day, home, day, known.get(home)) for home in homes]
    fresh = [record for record in bills if record.transaction == stub.transaction_id]
    for record in fresh:
        await stub.put_state(bill_key(record.day, record.home), encode(record))
    emit(
        stub,
        "day_settled",
        {
            "day": arguments.day,
            "homes": len(homes),
            "changed": len(fresh),
            "amount_naud": sum(record.bill.amount_naud for record in bills),
        },
    )
    return {
        "day": arguments.day,
        "homes": len(homes),
        "changed": len(fresh),
        "bills": [bill_json(record) for record in bills],
        "transaction": stub.transaction_id,
    }


def bill_json(record: BillRecord) -> dict[str, Any]:
    """A bill as callers read it: one flat object."""
    return {
        "home": record.home,
        "day": record.day,
        "version": record.version,
        "transaction": record.transaction,
        **to_json(record.bill),
    }


async def _homes(stub: Stub, wanted: str | None) -> list[str]:
    if wanted is not None:
        return [home_of(await stub.get_state(home_key(wanted)), wanted).home]
    rows = await stub.get_state_by_range(*range_of(home_key(""))).rows()
    return [decode(Home, row.value).home for row in rows]


async def _bills(stub: Stub, day: int) -> dict[str, BillRecord]:
    rows = await stub.get_state_by_range(*range_of(bills_prefix(day))).rows()
    records = [decode(BillRecord, row.value) for row in rows]
    return {record.home: record for record in records}


class _Day:
    """The lines of a day's bills, by home."""

    def __init__(self) -> None:
        self.purchases: dict[str, list[Purchase]] = defaultdict(list)
        self.sales: dict[str, list[Sale]] = defaultdict(list)
        self.readings: dict[str, dict[int, Metered]] = defaultdict(dict)


async def _read_day(stub: Stub, from_s: int, to_s: int) -> _Day:
    day = _Day()
    async for row in stub.get_state_by_range(*span_of("request", from_s, to_s)):
        request = decode(RequestRecord, row.value)
        if request.state != OPEN:
            day.purchases[request.home].append(
                Purchase(
                    request.p2p_energy_wh,
                    request.grid_energy_wh,
                    request.p2p_amount_naud,
                    request.grid_amount_naud,
                )
            )
    async for row in stub.get_state_by_range(*span_of("sale", from_s, to_s)):
        sale = decode(SaleRecord, row.value)
        day.sales[sale.home].append(Sale(sale.sold_wh, sale.revenue_naud))
    async for row in stub.get_state_by_range(*span_of("reading", from_s, to_s)):
        reading = decode(ReadingRecord, row.value)  # versions come in order: the last one counts
        day.readings[reading.home][reading.interval_start] = Metered(
            *(getattr(reading, name) for name in Metered._fields)
        )
    return day


def _bill(stub: Stub, number: int, home: str, day: _Day, known: BillRecord | None) -> BillRecord:
    computed = bill(day.purchases[home], day.sales[home], day.readings[home].values())
    if known is None:
        return BillRecord(home, number, 1, computed, stub.transaction_id)
    if known.bill == computed:
        return known
    return replace(known, version=known.version + 1, bill=computed, transaction=stub.transaction_id)
