# SPDX-License-Identifier: Apache-2.0
"""Opening and closing of rounds."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..ledger import (
    CLEARED,
    CLOCK,
    COMMUNITY,
    LIVE,
    OPEN,
    PRICE,
    VOID,
    Bid,
    Clock,
    HomeAccount,
    Price,
    RequestRecord,
    Round,
    SaleRecord,
    account_key,
    award,
    bids_prefix,
    decode,
    encode,
    range_of,
    request_key,
    result_key,
    round_key,
    sale_key,
)
from ..market.battery import battery_of, settle_offer
from ..market.clearing import Clearing, clear
from ..market.invariants import check_account, check_clearing
from ..market.orders import Offer, Request
from ..market.prices import prices_after, sell_price
from ..market.tariff import local_minute, tou_at
from ..shim import Stub
from .arguments import CloseRound, OpenRound
from .callers import OPERATOR, require_member, require_operator, require_role
from .clock import moved, opening_time, require_no_at, round_time
from .records import account_of, clock_of, community_of, emit, prices_of, running_round_of, stored
from .refusals import Code, refuse


async def open_round(stub: Stub, arguments: OpenRound) -> dict[str, Any]:
    """Open the next round: its minute, tariff and suggested selling price are fixed from here on."""
    require_role(stub, OPERATOR)
    community_value, clock_value, price_value = await stub.get_states([COMMUNITY, CLOCK, PRICE])
    community, clock = community_of(community_value), clock_of(clock_value)
    require_operator(stub, community.mspid)
    now = opening_time(stub, community, clock, arguments.at)
    version = community.version_at(now)
    parameters = version.parameters
    prices = prices_of(price_value)
    minute = arguments.minute
    if minute is None:
        minute = local_minute(now, parameters.utc_offset_min)
    round_ = Round(
        number=clock.last_round + 1,
        state=OPEN,
        clock=community.clock,
        community=community.mspid,
        minute=minute,
        tou_uaud_per_kwh=tou_at(parameters.tou, minute),
        sell_price_uaud_per_kwh=sell_price(parameters, prices, minute),
        opened_at=now,
        offers_from=now + parameters.t_request_s,
        closes_at=now + parameters.t_request_s + parameters.t_offer_s,
        time=now,
        parameters_version=version.version,
        parameters=parameters,
        prices=prices,
        transaction=stub.transaction_id,
    )
    await stub.put_state(CLOCK, encode(Clock(now, round_.number, stub.transaction_id)))
    await stub.put_state(round_key(round_.number), encode(round_))
    result = terms(round_)
    emit(stub, "round_opened", result)
    return result


def terms(round_: Round) -> dict[str, Any]:
    """What everybody may know of a round while it runs."""
    return {
        "round": round_.number,
        "state": round_.state,
        "minute": round_.minute,
        "tou_uaud_per_kwh": round_.tou_uaud_per_kwh,
        "feed_in_uaud_per_kwh": round_.parameters.feed_in,
        "sell_price_uaud_per_kwh": round_.sell_price_uaud_per_kwh,
        "opened_at": round_.opened_at,
        "offers_from": round_.offers_from,
        "closes_at": round_.closes_at,
        "auction": round_.parameters.auction,
        "parameters_version": round_.parameters_version,
        "transaction": round_.transaction,
    }


async def close_round(stub: Stub, arguments: CloseRound) -> dict[str, Any]:
    """Clear a round that is due, release what was not sold, and publish the award."""
    require_member(stub)
    key = round_key(arguments.round)
    round_value, price_value = await stub.get_states([key, PRICE])
    round_ = running_round_of(round_value, arguments.round)
    round_ = _due(stub, round_, arguments.at)
    rows = await stub.get_state_by_range(*range_of(bids_prefix(round_.number))).rows()
    bids = [bid for bid in (decode(Bid, row.value) for row in rows) if bid.state == OPEN]
    requests, offers = requests_of(bids), offers_of(bids)
    clearing = clear(requests, offers, round_.tou_uaud_per_kwh)
    check_clearing(requests, offers, clearing, round_.tou_uaud_per_kwh, round_.parameters.feed_in)
    round_ = replace(round_, state=CLEARED if requests else VOID, transaction=stub.transaction_id)
    if requests:
        await _write_prices(stub, round_, price_value, clearing)
    await _write_accounts(stub, round_, clearing)
    await _write_trades(stub, round_, clearing, {bid.id: bid.interval_start for bid in bids})
    result = {
        "round": round_.number,
        "state": round_.state,
        "minute": round_.minute,
        "closed_at": round_time(stub, round_),
        **award(clearing),
        "transaction": stub.transaction_id,
    }
    await stub.put_state(key, encode(round_))
    await stub.put_state(result_key(round_.number), encode(result))
    emit(stub, "round_cleared", result)
    return result


def requests_of(bids: Iterable[Bid]) -> list[Request]:
    """The requests among the bids of a round."""
    return [
        Request(bid.id, bid.home, bid.energy_wh, bid.price_uaud_per_kwh) for bid in bids if bid.kind == "R"
    ]


def offers_of(bids: Iterable[Bid]) -> list[Offer]:
    """The offers among the bids of a round."""
    return [Offer(bid.id, bid.home, bid.energy_wh, bid.price_uaud_per_kwh) for bid in bids if bid.kind == "O"]


def _due(stub: Stub, round_: Round, at: int | None) -> Round:
    """The round at the market time of its closing, if the caller may close it by then."""
    caller = stub.creator
    operator = caller.attribute("role") == OPERATOR and caller.mspid == round_.community
    if round_.clock == LIVE:
        require_no_at(at)
    elif at is not None:
        require_operator(stub, round_.community)
        round_ = moved(round_, at)
    due_at = round_.closes_at if operator else round_.closes_at + round_.parameters.grace_s
    now = round_time(stub, round_)
    if now < due_at:
        who = "the operator" if operator else "a member"
        raise refuse(Code.ROUND_NOT_DUE, f"{who} may close round {round_.number} from {due_at}, it is {now}")
    return round_


async def _write_prices(stub: Stub, round_: Round, price_value: bytes | None, clearing: Clearing) -> None:
    """Append the round to the price history; the key stays untouched where nothing changes."""
    prices = prices_of(price_value)
    totals = clearing.totals
    after = prices_after(
        prices,
        totals.price_s_uaud_per_kwh,
        totals.price_b_uaud_per_kwh,
        totals.redundancy_wh,
        round_.parameters.window,
    )
    if clearing.fills or after != prices:
        await stub.put_state(PRICE, encode(Price(after, round_.number, stub.transaction_id)))


async def _write_accounts(stub: Stub, round_: Round, clearing: Clearing) -> None:
    """Lift every reservation; what was sold leaves the seller's battery."""
    sellers = [offer.home for offer in clearing.offers]
    values: Sequence[bytes | None] = (
        await stub.get_states([account_key(home) for home in sellers]) if sellers else ()
    )
    battery = battery_of(round_.parameters, capacity_wh=0)  # losses alone count here
    for offer, value in zip(clearing.offers, values, strict=True):
        account = account_of(value, offer.home)
        after = settle_offer(battery, stored(account), offer.energy_wh, offer.sold_wh)
        check_account(after)
        record = HomeAccount(after.energy_wh, after.reserved_wh, account.metered_until, stub.transaction_id)
        await stub.put_state(account_key(offer.home), encode(record))


async def _write_trades(
    stub: Stub, round_: Round, clearing: Clearing, interval_starts: dict[str, int]
) -> None:
    """Book each request as it ended, and each sale at the interval of the request that it served."""
    for result in clearing.requests:
        start = interval_starts[result.request]
        record = RequestRecord(
            round=round_.number, interval_start=start, transaction=stub.transaction_id, **result._asdict()
        )
        await stub.put_state(request_key(start, result.home), encode(record))
    sales: dict[tuple[int, str], SaleRecord] = {}
    for fill in clearing.fills:
        start = interval_starts[fill.request]
        sale = sales.get((start, fill.offer)) or SaleRecord(
            fill.offer, round_.number, fill.seller, start, 0, 0, stub.transaction_id
        )
        sales[start, fill.offer] = replace(
            sale, sold_wh=sale.sold_wh + fill.energy_wh, revenue_naud=sale.revenue_naud + fill.amount_naud
        )
    for sale in sales.values():
        await stub.put_state(sale_key(sale.interval_start, sale.home, round_.number), encode(sale))
