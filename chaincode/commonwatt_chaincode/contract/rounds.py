# SPDX-License-Identifier: Apache-2.0
"""Opening and closing of rounds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..ledger import (
    CLEARED,
    CLOCK,
    COMMUNITY,
    LIVE,
    NUMBERS,
    OFFERS,
    OPEN,
    PRICE,
    SIMULATED,
    VOID,
    Bid,
    Clock,
    Community,
    Numbers,
    Price,
    RequestRecord,
    Round,
    SaleRecord,
    Version,
    account_key,
    award,
    bids_prefix,
    decode,
    decode_optional,
    encode,
    range_of,
    request_key,
    result_key,
    round_key,
    sale_key,
)
from ..market.battery import battery_of, settle_offer
from ..market.clearing import Clearing, clear
from ..market.history import history_entry
from ..market.invariants import check_account, check_clearing
from ..market.orders import Offer, Request, fixed_round_id
from ..market.parameters import FIXED_ROUNDS
from ..market.prices import PriceState, prices_after, sell_price
from ..market.tariff import local_minute, tou_at
from ..shim import Stub
from .arguments import CloseRound, OpenRound
from .callers import OPERATOR, View, require_member, require_operator, require_role, view_of
from .clock import moved, opening_time, require_no_at, round_time
from .records import account_of, community_of, emit, price_of, running_round_of, stored, with_energy
from .refusals import Code, refuse


async def open_round(stub: Stub, arguments: OpenRound) -> dict[str, Any]:
    """Open the next fixed round: its minute, tariff and suggested selling price are fixed from here on."""
    require_role(stub, OPERATOR)
    community_value, clock_value, numbers_value, price_value = await stub.get_states(
        [COMMUNITY, CLOCK, NUMBERS, PRICE]
    )
    community = community_of(community_value)
    require_operator(stub, community.mspid)
    now = opening_time(stub, community, clock_value, arguments.at)
    version = community.version_at(now)
    if version.parameters.auction != FIXED_ROUNDS:
        raise refuse(Code.OTHER_AUCTION, "rounds are opened by settle_interval, one for each need")
    minute = arguments.minute
    if minute is None:
        minute = local_minute(now, version.parameters.utc_offset_min)
    elif community.clock == LIVE:
        raise refuse(Code.CLOCK_NOT_SIMULATED, "the minute of a live round is that of its market time")
    number = 1 + (0 if numbers_value is None else decode(Numbers, numbers_value).last_round)
    offers_from = now + version.parameters.t_request_s
    round_ = new_round(
        stub,
        community,
        version,
        price_of(price_value).prices,
        fixed_round_id(number),
        minute,
        now,
        offers_from,
    )
    await stub.put_state(NUMBERS, encode(Numbers(number, stub.transaction_id)))
    if community.clock == SIMULATED:
        await stub.put_state(CLOCK, encode(Clock(now, stub.transaction_id)))
    await stub.put_state(round_key(round_.id), encode(round_))
    result = terms(round_)
    emit(stub, "round_opened", result)
    return result


def new_round(
    stub: Stub,
    community: Community,
    version: Version,
    prices: PriceState,
    round_id: str,
    minute: int,
    now: int,
    offers_from: int,
) -> Round:
    """A round that opens now with all that is fixed from here on; it takes requests until ``offers_from``."""
    parameters = version.parameters
    return Round(
        id=round_id,
        state=OPEN if offers_from > now else OFFERS,
        clock=community.clock,
        community=community.mspid,
        minute=minute,
        tou_uaud_per_kwh=tou_at(parameters.tou, minute),
        sell_price_uaud_per_kwh=sell_price(parameters, prices, minute),
        opened_at=now,
        offers_from=offers_from,
        closes_at=offers_from + parameters.t_offer_s,
        time=now,
        parameters_version=version.version,
        parameters=parameters,
        prices=prices,
        transaction=stub.transaction_id,
    )


def terms(round_: Round) -> dict[str, Any]:
    """What everybody may know of a round while it runs."""
    return {
        "round": round_.id,
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
    """Clear a round that is due, release what was not sold, and publish the totals."""
    require_member(stub)
    key = round_key(arguments.round)
    round_value, price_value = await stub.get_states([key, PRICE])
    round_ = running_round_of(round_value, arguments.round)
    round_ = _due(stub, round_, arguments.at)
    rows = await stub.get_state_by_range(*range_of(bids_prefix(round_.id))).rows()
    bids = [bid for bid in (decode(Bid, row.value) for row in rows) if bid.state == OPEN]
    requests, offers = requests_of(bids), offers_of(bids)
    clearing = clear(requests, offers, round_.tou_uaud_per_kwh)
    check_clearing(requests, offers, clearing, round_.tou_uaud_per_kwh, round_.parameters.feed_in)
    round_ = replace(round_, state=CLEARED if requests else VOID, transaction=stub.transaction_id)
    if requests:
        await _write_prices(stub, round_, price_of(price_value), requests, clearing)
    await _write_accounts(stub, round_, clearing)
    interval_starts = {bid.id: bid.interval_start for bid in bids}
    await _write_requests(stub, round_, clearing, interval_starts)
    await _write_sales(stub, round_, clearing, interval_starts)
    result = {
        "round": round_.id,
        "state": round_.state,
        "minute": round_.minute,
        "closed_at": round_time(stub, round_),
        **award(clearing),
        "transaction": stub.transaction_id,
    }
    await stub.put_state(key, encode(round_))
    await stub.put_state(result_key(round_.id), encode(result))
    emit(stub, "round_cleared", totals_alone(result))
    return seen_by(await view_of(stub, round_.community), result)


PUBLIC_TOTALS = ("p2p_energy_wh", "p2p_amount_naud", "tou_uaud_per_kwh")
"""Sums that everybody may read. The others tell, in a round of one request, its energy and its limit."""


def totals_alone(result: dict[str, Any]) -> dict[str, Any]:
    """An award without homes, bids and what would tell a single one."""
    totals = {"fills": len(result["fills"]), **{name: result["totals"][name] for name in PUBLIC_TOTALS}}
    heads = ("round", "state", "minute", "closed_at", "transaction")
    return {**{name: result[name] for name in heads}, "totals": totals}


def seen_by(view: View, result: dict[str, Any]) -> dict[str, Any]:
    """An award as a caller may read it: a home sees its own lines and the public totals."""
    if view.everything:
        return result
    return totals_alone(result) | {
        "fills": [fill for fill in result["fills"] if view.shows(fill["buyer"], fill["seller"])],
        "requests": [line for line in result["requests"] if view.shows(line["home"])],
        "offers": [line for line in result["offers"] if view.shows(line["home"])],
    }


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
    due_at = round_.closes_at
    if round_.clock == LIVE:  # else a closer whose clock is ahead would shorten the phase
        due_at += round_.parameters.clock_error_s
    if not operator:
        due_at += round_.parameters.grace_s
    now = round_time(stub, round_)
    if now < due_at:
        who = "the operator" if operator else "a member"
        raise refuse(Code.ROUND_NOT_DUE, f"{who} may close round {round_.id} from {due_at}, it is {now}")
    return round_


async def _write_prices(
    stub: Stub, round_: Round, before: Price, requests: Iterable[Request], clearing: Clearing
) -> None:
    """Append the round to the price history if it counts; the key stays untouched where nothing changes."""
    parameters = round_.parameters
    limits = {request.id: request.limit_uaud_per_kwh for request in requests}
    entry = history_entry(parameters, clearing.fills, limits, before.pairs)
    prices = prices_after(before.prices, entry, clearing.totals.redundancy_wh, parameters.window)
    pairs = before.pairs if entry is None else (*before.pairs, entry.pairs)[-parameters.window :]
    if (prices, pairs) != (before.prices, before.pairs) or entry is not None:
        await stub.put_state(PRICE, encode(Price(prices, pairs, round_.id, stub.transaction_id)))


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
        record = with_energy(account, after, stub.transaction_id)
        await stub.put_state(account_key(offer.home), encode(record))


async def _write_requests(
    stub: Stub, round_: Round, clearing: Clearing, interval_starts: Mapping[str, int]
) -> None:
    """Book what each request bought, beside what earlier rounds sold it for the same interval."""
    keys = [request_key(line.home, interval_starts[line.request]) for line in clearing.requests]
    values: Sequence[bytes | None] = await stub.get_states(keys) if keys else ()
    for line, key, value in zip(clearing.requests, keys, values, strict=True):
        known = decode_optional(RequestRecord, value)
        record = RequestRecord(
            request=line.request,
            round=round_.id,
            home=line.home,
            interval_start=interval_starts[line.request],
            energy_wh=line.energy_wh,
            bought_wh=line.p2p_energy_wh + (known.bought_wh if known else 0),
            bought_naud=line.p2p_amount_naud + (known.bought_naud if known else 0),
            state=line.state,
            transaction=stub.transaction_id,
        )
        await stub.put_state(key, encode(record))


async def _write_sales(
    stub: Stub, round_: Round, clearing: Clearing, interval_starts: Mapping[str, int]
) -> None:
    """Book each sale at the interval of the request that it served, so that a day's money sums to zero."""
    sales: dict[tuple[int, str], SaleRecord] = {}
    for fill in clearing.fills:
        start = interval_starts[fill.request]
        sale = sales.get((start, fill.offer)) or SaleRecord(
            fill.offer, round_.id, fill.seller, start, 0, 0, stub.transaction_id
        )
        sales[start, fill.offer] = replace(
            sale, sold_wh=sale.sold_wh + fill.energy_wh, revenue_naud=sale.revenue_naud + fill.amount_naud
        )
    for sale in sales.values():
        await stub.put_state(sale_key(sale.home, sale.interval_start, round_.id), encode(sale))
