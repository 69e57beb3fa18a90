# SPDX-License-Identifier: Apache-2.0
"""Requests of homes: for a round, or of the grid at once."""

from dataclasses import replace
from typing import Any

from ..ledger import (
    CANCELLED,
    COMMUNITY,
    LIVE,
    OFFERS,
    OPEN,
    Bid,
    RequestRecord,
    Round,
    decode_optional,
    encode,
    home_key,
    request_bid_key,
    request_key,
    round_key,
)
from ..market.clearing import GRID_ONLY
from ..market.orders import grid_request_id, request_id
from ..market.prices import buy_price
from ..market.tariff import band_at, local_minute, tou_at
from ..shim import Stub
from .arguments import OwnBid, SubmitRequest
from .callers import HOME, pseudonym, require_home, require_role
from .clock import round_time
from .records import community_of, emit, home_of, reaching_back, running_round_of
from .refusals import Code, refuse


async def submit_request(stub: Stub, arguments: SubmitRequest) -> dict[str, Any]:
    """Ask for energy: bid for it in a round, or buy it from the grid at once."""
    require_role(stub, HOME)
    if arguments.bid:
        return await _bid(stub, arguments)
    return await _buy_from_grid(stub, arguments)


async def _bid(stub: Stub, arguments: SubmitRequest) -> dict[str, Any]:
    if arguments.round is None:
        raise refuse(Code.BAD_ARGUMENT, "round is missing; a request that bids belongs to a round")
    number, start = arguments.round, arguments.interval_start
    bid_key, record_key = request_bid_key(number, arguments.home), request_key(start, arguments.home)
    round_value, home_value, bid_value, record_value = await stub.get_states(
        [round_key(number), home_key(arguments.home), bid_key, record_key]
    )
    require_home(stub, home_of(home_value, arguments.home), HOME)
    round_ = running_round_of(round_value, number)
    _require_request_phase(stub, round_)
    parameters = round_.parameters
    _require_band(stub, round_, start)
    known = decode_optional(Bid, bid_value)
    if record_value is not None or (known is not None and known.state == OPEN):
        raise refuse(
            Code.DUPLICATE_REQUEST, f"{arguments.home} has requested energy for {start} or in round {number}"
        )
    limit = round_.tou_uaud_per_kwh if arguments.limit_uaud_per_kwh is None else arguments.limit_uaud_per_kwh
    _check_request(arguments.energy_wh, parameters.max_request_wh)
    if limit < parameters.feed_in:
        raise refuse(
            Code.LIMIT_BELOW_FEED_IN, f"a limit of {limit} is below the feed-in tariff, {parameters.feed_in}"
        )
    if limit > round_.tou_uaud_per_kwh:
        raise refuse(
            Code.LIMIT_ABOVE_TARIFF, f"a limit of {limit} is above the tariff, {round_.tou_uaud_per_kwh}"
        )
    identifier = request_id(number, arguments.home)
    bid = Bid(
        "R", identifier, number, arguments.home, arguments.energy_wh, limit, start, OPEN, stub.transaction_id
    )
    await stub.put_state(bid_key, encode(bid))
    await stub.put_state(record_key, encode(_request_record(stub, arguments, identifier, number)))
    if parameters.auction == "per_request":
        round_ = replace(round_, state=OFFERS, transaction=stub.transaction_id)
        await stub.put_state(round_key(number), encode(round_))
    emit(
        stub,
        "request_opened",
        {
            "round": number,
            "energy_wh": arguments.energy_wh,
            "pseudonym": pseudonym(stub, arguments.home),
            "closes_at": round_.closes_at,
        },
    )
    return {
        "request": identifier,
        "round": number,
        "state": OPEN,
        "energy_wh": arguments.energy_wh,
        "limit_uaud_per_kwh": limit,
        "grid_price_uaud_per_kwh": round_.tou_uaud_per_kwh,
        "suggested_price_uaud_per_kwh": buy_price(
            parameters, round_.prices, arguments.energy_wh, round_.minute
        ),
        "offers_from": round_.offers_from,
        "closes_at": round_.closes_at,
        "transaction": stub.transaction_id,
    }


async def _buy_from_grid(stub: Stub, arguments: SubmitRequest) -> dict[str, Any]:
    if arguments.round is not None or arguments.limit_uaud_per_kwh is not None:
        raise refuse(Code.BAD_ARGUMENT, "a request without bidding takes neither round nor limit")
    start = arguments.interval_start
    record_key = request_key(start, arguments.home)
    community_value, home_value, record_value = await stub.get_states(
        [COMMUNITY, home_key(arguments.home), record_key]
    )
    require_home(stub, home_of(home_value, arguments.home), HOME)
    community = community_of(community_value)
    if community.clock == LIVE and start > stub.timestamp.seconds:
        raise refuse(Code.FUTURE_INTERVAL, f"the interval begins at {start}, later than the market time")
    community = await reaching_back(stub, community, start)
    parameters = community.parameters_at(start)
    if record_value is not None:
        raise refuse(Code.DUPLICATE_REQUEST, f"{arguments.home} has requested energy for {start}")
    _check_request(arguments.energy_wh, parameters.max_request_wh)
    price = tou_at(parameters.tou, local_minute(start, parameters.utc_offset_min))
    identifier = grid_request_id(start, arguments.home)
    amount_naud = arguments.energy_wh * price
    record = replace(
        _request_record(stub, arguments, identifier, 0),
        grid_energy_wh=arguments.energy_wh,
        grid_amount_naud=amount_naud,
        amount_naud=amount_naud,
        state=GRID_ONLY,
    )
    await stub.put_state(record_key, encode(record))
    emit(
        stub,
        "request_recorded",
        {"energy_wh": arguments.energy_wh, "pseudonym": pseudonym(stub, arguments.home)},
    )
    return {
        "request": identifier,
        "state": GRID_ONLY,
        "energy_wh": arguments.energy_wh,
        "grid_price_uaud_per_kwh": price,
        "amount_naud": amount_naud,
        "transaction": stub.transaction_id,
    }


async def cancel_request(stub: Stub, arguments: OwnBid) -> dict[str, Any]:
    """Take back a request while its round still takes requests."""
    key = request_bid_key(arguments.round, arguments.home)
    require_role(stub, HOME)
    round_value, home_value, bid_value = await stub.get_states(
        [round_key(arguments.round), home_key(arguments.home), key]
    )
    require_home(stub, home_of(home_value, arguments.home), HOME)
    round_ = running_round_of(round_value, arguments.round)
    bid = _open_request(bid_value, arguments)
    now = round_time(stub, round_)
    if round_.state != OPEN or now >= round_.offers_from:
        raise refuse(
            Code.NOT_REQUEST_PHASE, f"requests of round {round_.number} stand since its request phase ended"
        )
    await stub.put_state(key, encode(replace(bid, state=CANCELLED, transaction=stub.transaction_id)))
    await stub.delete_state(request_key(bid.interval_start, bid.home))
    emit(stub, "request_cancelled", {"round": round_.number, "pseudonym": pseudonym(stub, bid.home)})
    return {"request": bid.id, "state": CANCELLED, "transaction": stub.transaction_id}


def _open_request(value: bytes | None, arguments: OwnBid) -> Bid:
    bid = decode_optional(Bid, value)
    if bid is None or bid.state != OPEN:
        raise refuse(Code.NO_OPEN_REQUEST, f"{arguments.home} has no open request in round {arguments.round}")
    return bid


def _request_record(stub: Stub, arguments: SubmitRequest, identifier: str, number: int) -> RequestRecord:
    return RequestRecord(
        request=identifier,
        round=number,
        home=arguments.home,
        interval_start=arguments.interval_start,
        energy_wh=arguments.energy_wh,
        p2p_energy_wh=0,
        grid_energy_wh=0,
        p2p_amount_naud=0,
        grid_amount_naud=0,
        amount_naud=0,
        state=OPEN,
        transaction=stub.transaction_id,
    )


def _check_request(energy_wh: int, most_wh: int) -> None:
    if energy_wh > most_wh:
        raise refuse(Code.REQUEST_TOO_LARGE, f"{energy_wh} Wh are above max_request_wh, {most_wh} Wh")


def _require_request_phase(stub: Stub, round_: Round) -> None:
    now = round_time(stub, round_)
    if round_.state == OFFERS and now < round_.offers_from:
        raise refuse(Code.ROUND_TAKEN, f"round {round_.number} has its request")
    if round_.state != OPEN or now >= round_.offers_from:
        raise refuse(
            Code.NOT_REQUEST_PHASE,
            f"round {round_.number} takes requests until {round_.offers_from}, it is {now}",
        )


def _require_band(stub: Stub, round_: Round, interval_start: int) -> None:
    if interval_start > round_time(stub, round_):
        raise refuse(
            Code.FUTURE_INTERVAL, f"the interval begins at {interval_start}, later than the market time"
        )
    parameters = round_.parameters
    minute = local_minute(interval_start, parameters.utc_offset_min)
    if band_at(parameters.tou, minute) != band_at(parameters.tou, round_.minute):
        raise refuse(
            Code.WRONG_BAND, f"minute {minute} is in another tariff band than the round's {round_.minute}"
        )
