# SPDX-License-Identifier: Apache-2.0
"""Requests of homes in rounds that the operator opens."""

from dataclasses import replace
from typing import Any

from ..ledger import (
    CANCELLED,
    OPEN,
    Bid,
    ReadingRecord,
    RequestRecord,
    Round,
    decode,
    decode_optional,
    encode,
    home_key,
    range_of,
    reading_prefix,
    request_bid_key,
    request_key,
    round_key,
)
from ..market.orders import request_id
from ..market.parameters import Parameters
from ..market.prices import buy_price
from ..market.tariff import band_at, local_minute
from ..shim import Stub
from .arguments import OwnBid, SubmitRequest
from .callers import HOME, require_home, require_role
from .clock import round_time
from .records import emit, home_of, running_round_of
from .refusals import Code, refuse


async def submit_request(stub: Stub, arguments: SubmitRequest) -> dict[str, Any]:
    """Ask in a round for what a reported interval still needs."""
    require_role(stub, HOME)
    round_id, home, start = arguments.round, arguments.home, arguments.interval_start
    round_value, home_value, bid_value, record_value = await stub.get_states(
        [
            round_key(round_id),
            home_key(home),
            request_bid_key(round_id, home),
            request_key(home, start),
        ]
    )
    require_home(stub, home_of(home_value, home), HOME)
    round_ = running_round_of(round_value, round_id)
    _require_request_phase(stub, round_)
    reading = await _reading(stub, home, start)
    _require_band(stub, round_, reading)
    bid, known = decode_optional(Bid, bid_value), decode_optional(RequestRecord, record_value)
    if (bid is not None and bid.state == OPEN) or (known is not None and known.state == OPEN):
        raise refuse(Code.DUPLICATE_REQUEST, f"{home} has a request for {start}, or in round {round_id}")
    left_wh = reading.need_wh - (known.bought_wh if known else 0)
    energy_wh = left_wh if arguments.energy_wh is None else arguments.energy_wh
    if not 0 < energy_wh <= left_wh:
        raise refuse(Code.REQUEST_TOO_LARGE, f"the interval from {start} needs {max(0, left_wh)} Wh more")
    check_energy(energy_wh, round_.parameters)
    limit = check_limit(arguments.limit_uaud_per_kwh, round_)
    identifier = await put_request(stub, round_, home, start, energy_wh, limit, known)
    emit(stub, "request_submitted", {"round": round_id})
    return {
        "request": identifier,
        "round": round_id,
        "state": OPEN,
        "energy_wh": energy_wh,
        "limit_uaud_per_kwh": limit,
        "grid_price_uaud_per_kwh": round_.tou_uaud_per_kwh,
        "suggested_price_uaud_per_kwh": buy_price(round_.parameters, round_.prices, energy_wh, round_.minute),
        "offers_from": round_.offers_from,
        "closes_at": round_.closes_at,
        "transaction": stub.transaction_id,
    }


async def put_request(
    stub: Stub,
    round_: Round,
    home: str,
    interval_start: int,
    energy_wh: int,
    limit: int,
    known: RequestRecord | None = None,
) -> str:
    """Write a request as the round's bid and as its interval's; ``known`` is what the interval bought before."""
    identifier = request_id(round_.id, home)
    bid = Bid("R", identifier, round_.id, home, energy_wh, limit, interval_start, OPEN, stub.transaction_id)
    record = RequestRecord(
        request=identifier,
        round=round_.id,
        home=home,
        interval_start=interval_start,
        energy_wh=energy_wh,
        bought_wh=known.bought_wh if known else 0,
        bought_naud=known.bought_naud if known else 0,
        state=OPEN,
        transaction=stub.transaction_id,
    )
    await stub.put_state(request_bid_key(round_.id, home), encode(bid))
    await stub.put_state(request_key(home, interval_start), encode(record))
    return identifier


def check_energy(energy_wh: int, parameters: Parameters) -> None:
    """Refuse a request above ``max_request_wh``."""
    most_wh = parameters.max_request_wh
    if energy_wh > most_wh:
        raise refuse(Code.REQUEST_TOO_LARGE, f"{energy_wh} Wh are above max_request_wh, {most_wh} Wh")


def check_limit(limit: int | None, round_: Round) -> int:
    """A request's limit, by default the grid's price; refused outside the feed-in tariff and that price."""
    if limit is None:
        return round_.tou_uaud_per_kwh
    feed_in = round_.parameters.feed_in
    if limit < feed_in:
        raise refuse(Code.LIMIT_BELOW_FEED_IN, f"a limit of {limit} is below the feed-in tariff, {feed_in}")
    if limit > round_.tou_uaud_per_kwh:
        raise refuse(
            Code.LIMIT_ABOVE_TARIFF, f"a limit of {limit} is above the tariff, {round_.tou_uaud_per_kwh}"
        )
    return limit


async def cancel_request(stub: Stub, arguments: OwnBid) -> dict[str, Any]:
    """Take back a request while its round still takes requests."""
    require_role(stub, HOME)
    key = request_bid_key(arguments.round, arguments.home)
    round_value, home_value, bid_value = await stub.get_states(
        [round_key(arguments.round), home_key(arguments.home), key]
    )
    require_home(stub, home_of(home_value, arguments.home), HOME)
    round_ = running_round_of(round_value, arguments.round)
    bid = decode_optional(Bid, bid_value)
    if bid is None or bid.state != OPEN:
        raise refuse(Code.NO_OPEN_REQUEST, f"{arguments.home} has no open request in round {round_.id}")
    _require_request_phase(stub, round_)
    record_key = request_key(bid.home, bid.interval_start)
    (record_value,) = await stub.get_states([record_key])
    record = decode_optional(RequestRecord, record_value)
    if record is not None:
        cancelled = replace(record, state=CANCELLED, transaction=stub.transaction_id)
        await stub.put_state(record_key, encode(cancelled))
    await stub.put_state(key, encode(replace(bid, state=CANCELLED, transaction=stub.transaction_id)))
    emit(stub, "request_cancelled", {"round": round_.id})
    return {"request": bid.id, "state": CANCELLED, "transaction": stub.transaction_id}


def _require_request_phase(stub: Stub, round_: Round) -> None:
    now = round_time(stub, round_)
    if round_.state != OPEN or now >= round_.offers_from:
        raise refuse(
            Code.NOT_REQUEST_PHASE,
            f"round {round_.id} takes and returns requests until {round_.offers_from}, it is {now}",
        )


async def _reading(stub: Stub, home: str, interval_start: int) -> ReadingRecord:
    rows = await stub.get_state_by_range(*range_of(reading_prefix(home, interval_start))).rows()
    if not rows:
        raise refuse(Code.INTERVAL_UNKNOWN, f"{home} reported no interval from {interval_start}")
    return decode(ReadingRecord, rows[-1].value)


def _require_band(stub: Stub, round_: Round, reading: ReadingRecord) -> None:
    """Only what ended just now, at the round's price of the grid, is traded."""
    parameters, age_s = round_.parameters, round_time(stub, round_) - reading.interval_end
    if age_s > parameters.report_within_s:
        raise refuse(Code.INTERVAL_TOO_OLD, f"the interval ended {age_s} s ago")
    if age_s < -2 * parameters.clock_error_s:  # the clocks of home and meter may differ by so much
        raise refuse(Code.FUTURE_INTERVAL, f"the interval ends at {reading.interval_end}")
    minute = local_minute(reading.interval_start, parameters.utc_offset_min)
    band = band_at(parameters.tou, minute)
    if band != band_at(parameters.tou, round_.minute) or reading.tou_uaud_per_kwh != round_.tou_uaud_per_kwh:
        raise refuse(
            Code.WRONG_BAND, f"minute {minute} is in another tariff band than the round's {round_.minute}"
        )
