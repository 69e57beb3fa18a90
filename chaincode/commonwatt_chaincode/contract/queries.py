# SPDX-License-Identifier: Apache-2.0
"""Transactions that only read."""

import json
from typing import Any

from ..ledger import (
    CLOCK,
    COMMUNITY,
    OPEN,
    PRICE,
    Bid,
    BillRecord,
    Version,
    account_key,
    bids_prefix,
    bill_key,
    decode,
    encode,
    home_key,
    range_of,
    result_key,
    round_key,
    to_json,
    version_key,
)
from ..market.battery import battery_of, sellable_wh
from ..market.parameters import as_json
from ..market.prices import buy_price, sell_price
from ..market.tariff import local_minute, tou_at
from ..market.ties import round_seed, tie_key
from ..shim import Stub
from .arguments import GetParameters, HomeDay, OneHome, OneRound, SuggestedPrice
from .billing import bill_json
from .callers import require_member, require_own_or_overseer, sees_all, view_of
from .clock import market_time
from .records import account_of, community_of, home_of, price_of, round_of, stored
from .refusals import Code, refuse
from .rounds import seen_by, terms


async def suggested_price(stub: Stub, arguments: SuggestedPrice) -> dict[str, Any]:
    """p_S and, with an energy, p_B: of an open round, or as a round opened now would state them."""
    require_member(stub)
    if arguments.round is not None:
        round_ = round_of(await stub.get_state(round_key(arguments.round)), arguments.round)
        parameters, prices, minute = round_.parameters, round_.prices, round_.minute
    else:
        community_value, clock_value, price_value = await stub.get_states([COMMUNITY, CLOCK, PRICE])
        community, prices = community_of(community_value), price_of(price_value).prices
        now = market_time(stub, community, clock_value)
        parameters = community.parameters_at(now)
        minute = local_minute(now, parameters.utc_offset_min)
    if arguments.minute is not None and arguments.round is None:
        minute = arguments.minute
    result = {
        "sell_price_uaud_per_kwh": sell_price(parameters, prices, minute),
        "tou_uaud_per_kwh": tou_at(parameters.tou, minute),
        "feed_in_uaud_per_kwh": parameters.feed_in,
    }
    if arguments.energy_wh is not None:
        result["buy_price_uaud_per_kwh"] = buy_price(parameters, prices, arguments.energy_wh, minute)
    return result


async def get_prices(stub: Stub) -> dict[str, Any]:
    """What the rounds so far left behind for the suggested prices, for operator and grid."""
    caller = require_member(stub)
    community_value, price_value = await stub.get_states([COMMUNITY, PRICE])
    if not sees_all(caller, community_of(community_value).mspid):
        raise refuse(Code.FORBIDDEN, "the price history names pairs of homes: operator and grid alone see it")
    price = price_of(price_value)
    return {**to_json(price.prices), "pairs": [[list(pair) for pair in pairs] for pairs in price.pairs]}


async def get_round(stub: Stub, arguments: OneRound) -> dict[str, Any]:
    """A round with its award once closed; a home sees its own lines of it."""
    require_member(stub)
    round_value, result_value = await stub.get_states(
        [round_key(arguments.round), result_key(arguments.round)]
    )
    round_ = round_of(round_value, arguments.round)
    answer = terms(round_)
    if result_value is not None:
        view = await view_of(stub, round_.community)
        answer["result"] = seen_by(view, json.loads(result_value))
    return answer


async def get_home(stub: Stub, arguments: OneHome) -> dict[str, Any]:
    """A home's registration."""
    home_value, community_value = await stub.get_states([home_key(arguments.home), COMMUNITY])
    require_member(stub)
    home = home_of(home_value, arguments.home)
    require_own_or_overseer(stub, home, community_of(community_value).mspid)
    record: dict[str, Any] = to_json(home)
    return record


async def get_battery(stub: Stub, arguments: OneHome) -> dict[str, Any]:
    """A home's account and what it may sell now."""
    require_member(stub)
    home_value, account_value, community_value, clock_value = await stub.get_states(
        [home_key(arguments.home), account_key(arguments.home), COMMUNITY, CLOCK]
    )
    home, community = home_of(home_value, arguments.home), community_of(community_value)
    require_own_or_overseer(stub, home, community.mspid)
    account = account_of(account_value, arguments.home)
    parameters = community.parameters_at(market_time(stub, community, clock_value))
    return {
        "home": home.home,
        "storage_wh": home.storage_wh,
        "battery_wh": account.energy_wh,
        "reserved_wh": account.reserved_wh,
        "sold_wh": account.sold_wh,
        "available_wh": sellable_wh(battery_of(parameters, home.storage_wh), stored(account)),
        "metered_until": account.metered_until if account.metered_until >= 0 else None,
        "transaction": account.transaction,
    }


async def get_bill(stub: Stub, arguments: HomeDay) -> dict[str, Any]:
    """A home's bill of a settled day."""
    require_member(stub)
    home_value, bill_value, community_value = await stub.get_states(
        [home_key(arguments.home), bill_key(arguments.day, arguments.home), COMMUNITY]
    )
    home = home_of(home_value, arguments.home)
    require_own_or_overseer(stub, home, community_of(community_value).mspid)
    if bill_value is None:
        raise refuse(Code.UNKNOWN_BILL, f"day {arguments.day} of {arguments.home} is not settled")
    return bill_json(decode(BillRecord, bill_value))


async def get_parameters(stub: Stub, arguments: GetParameters) -> dict[str, Any]:
    """The parameters that count now, or one version of them; and the channel's clock."""
    require_member(stub)
    community_value, clock_value = await stub.get_states([COMMUNITY, CLOCK])
    community = community_of(community_value)
    now = market_time(stub, community, clock_value)
    version = community.version_at(now)
    if arguments.version is not None:
        value = await stub.get_state(version_key(arguments.version))
        if value is None:
            raise refuse(Code.UNKNOWN_VERSION, f"the parameters have no version {arguments.version}")
        version = decode(Version, value)
    return {
        "version": version.version,
        "starts_at": version.starts_at,
        "parameters": as_json(version.parameters),
        "clock": community.clock,
        "market_time": now,
        "community_mspid": community.mspid,
        "transaction": version.transaction,
    }


async def audit(stub: Stub, arguments: OneRound) -> dict[str, Any]:
    """What proves a closed round's prices and award: everything for operator and grid, a home's own lines for it.

    The seed is the hash of ids: a home could guess from it who offered, and so does not get it.
    """
    require_member(stub)
    round_value, result_value = await stub.get_states(
        [round_key(arguments.round), result_key(arguments.round)]
    )
    round_ = round_of(round_value, arguments.round)
    if result_value is None:
        raise refuse(Code.ROUND_RUNNING, f"round {round_.id} is running; its bids are seen when it is closed")
    rows = await stub.get_state_by_range(*range_of(bids_prefix(round_.id))).rows()
    bids = [decode(Bid, row.value) for row in rows]
    seed = round_seed(bid.id for bid in bids if bid.state == OPEN)
    view = await view_of(stub, round_.community)
    bids = [bid for bid in bids if view.shows(bid.home)]
    return {
        "round": terms(round_),
        "parameters": as_json(round_.parameters),
        "price_basis": to_json(round_.prices),
        "bids": [json.loads(encode(bid)) for bid in bids],
        "seed": seed if view.everything else None,
        "keys": {bid.id: tie_key(seed, bid.id) for bid in bids if bid.state == OPEN},
        "result": seen_by(view, json.loads(result_value)),
    }
