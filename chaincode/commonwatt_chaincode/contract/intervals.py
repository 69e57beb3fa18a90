# SPDX-License-Identifier: Apache-2.0
"""An interval's end in one transaction: its reading, and the round in which its need is traded."""

from typing import Any

from ..ledger import PRICE, encode, round_key
from ..market.orders import own_round_id, request_id
from ..market.parameters import PER_REQUEST
from ..market.prices import buy_price
from ..market.tariff import local_minute
from ..shim import Stub
from .arguments import SettleInterval
from .metering import Metering, answer, emit_reading, take_reading
from .records import emit, price_of
from .refusals import Code, refuse
from .requests import check_energy, check_limit, put_request
from .rounds import new_round, terms


async def settle_interval(stub: Stub, arguments: SettleInterval) -> dict[str, Any]:
    """Take a reading; where it leaves a need and the home bids in time, open a round for exactly that need."""
    metering = await take_reading(stub, arguments)
    parameters = metering.version.parameters
    if arguments.bid and parameters.auction != PER_REQUEST:
        raise refuse(Code.OTHER_AUCTION, "requests go into the operator's rounds here; settle without a bid")
    if not arguments.bid and arguments.limit_uaud_per_kwh is not None:
        raise refuse(Code.BAD_ARGUMENT, "an interval without a bid takes no limit")
    in_time = 0 <= metering.now - arguments.interval_end <= parameters.report_within_s
    if not arguments.bid or not in_time or metering.reading.need_wh == 0:
        emit_reading(stub, metering.reading)
        return answer(metering) | {"round": None}
    return answer(metering) | await _open_own_round(stub, arguments, metering)


async def _open_own_round(stub: Stub, arguments: SettleInterval, metering: Metering) -> dict[str, Any]:
    """Open the home's round in its offer phase, with its one request; no other home can take it."""
    parameters, need_wh = metering.version.parameters, metering.reading.need_wh
    prices = price_of(await stub.get_state(PRICE)).prices
    round_id = own_round_id(arguments.interval_start, arguments.home)
    round_ = new_round(
        stub,
        metering.community,
        metering.version,
        prices,
        round_id,
        minute=local_minute(arguments.interval_start, parameters.utc_offset_min),
        now=metering.now,
        offers_from=metering.now,
    )
    check_energy(need_wh, parameters)
    limit = check_limit(arguments.limit_uaud_per_kwh, round_)
    await put_request(stub, round_, arguments.home, arguments.interval_start, need_wh, limit)
    await stub.put_state(round_key(round_id), encode(round_))
    opened = terms(round_)
    emit(stub, "round_opened", opened)
    return opened | {
        "request": request_id(round_id, arguments.home),
        "limit_uaud_per_kwh": limit,
        "suggested_price_uaud_per_kwh": buy_price(parameters, prices, need_wh, round_.minute),
    }
