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
from .arguments import GetParameters, HomeDay, OneHome, OneRound, SomeRounds, SuggestedPrice
from .billing import bill_json
from .callers import GRID, OPERATOR, require_member, require_own_or_overseer
from .clock import time_of_day
from .records import account_of, clock_of, community_of, home_of, prices_of, round_of, stored
from .refusals import Code, refuse
from .rounds import terms


async def suggested_price(stub: Stub, arguments: SuggestedPrice) -> dict[str, Any]:
    """p_S and, with an energy, p_B: of an open round, or as a round opened now would state them."""
    require_member(stub)
    if arguments.round is not None:
        round_ = round_of(await stub.get_state(round_key(arguments.round)), arguments.round)
        parameters, prices, minute = round_.parameters, round_.prices, round_.minute
    else:
        community_value, clock_value, price_value = await stub.get_states([COMMUNITY, CLOCK, PRICE])
        community, prices = community_of(community_value), prices_of(price_value)
        now = time_of_day(stub, community, clock_of(clock_value))
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


async def get_round(stub: Stub, arguments: OneRound) -> dict[str, Any]:
    """A round with its award once closed; a home sees its own lines of it."""
    require_member(stub)
    round_value, result_value, community_value = await stub.get_states(
        [round_key(arguments.round), result_key(arguments.round), COMMUNITY]
    )
    answer = terms(round_of(round_value, arguments.round))
    if result_value is not None:
        result = json.loads(result_value)
        answer["result"] = _own_lines(stub, result, community_of(community_value).mspid)
    return answer


def _own_lines(stub: Stub, result: dict[str, Any], community_mspid: str) -> dict[str, Any]:
    if _sees_all(stub, community_mspid):
        return result
    home = stub.creator.attribute("home.id") if stub.creator.mspid == community_mspid else None
    return result | {
        "fills": [fill for fill in result["fills"] if home in (fill["buyer"], fill["seller"])],
        "requests": [line for line in result["requests"] if line["home"] == home],
        "offers": [line for line in result["offers"] if line["home"] == home],
    }


def _sees_all(stub: Stub, community_mspid: str) -> bool:
    role = stub.creator.attribute("role")
    return role == GRID or (role == OPERATOR and stub.creator.mspid == community_mspid)


async def list_rounds(stub: Stub, arguments: SomeRounds) -> dict[str, Any]:
    """Rounds by number."""
    require_member(stub)
    last = clock_of(await stub.get_state(CLOCK)).last_round
    numbers = _numbers(arguments, last)
    values = await stub.get_states([round_key(number) for number in numbers]) if numbers else []
    rounds = [terms(round_of(value, number)) for value, number in zip(values, numbers, strict=True)]
    return {"rounds": rounds, "last_round": last}


def _numbers(arguments: SomeRounds, last: int) -> range:
    first = arguments.from_round
    return range(first, min(arguments.to_round, last, first + arguments.limit - 1) + 1)


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
    parameters = community.parameters_at(time_of_day(stub, community, clock_of(clock_value)))
    return {
        "home": home.home,
        "storage_wh": home.storage_wh,
        "battery_wh": account.energy_wh,
        "reserved_wh": account.reserved_wh,
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


async def list_trades(stub: Stub, arguments: SomeRounds) -> dict[str, Any]:
    """Fills of closed rounds: a home's own, or all for operator and grid; the totals are of all."""
    require_member(stub)
    clock_value, community_value = await stub.get_states([CLOCK, COMMUNITY])
    last, mspid = clock_of(clock_value).last_round, community_of(community_value).mspid
    numbers = _numbers(arguments, last)
    values = await stub.get_states([result_key(number) for number in numbers]) if numbers else []
    results = [json.loads(value) for value in values if value is not None]
    trades = [
        fill | {"round": result["round"], "closed_at": result["closed_at"]}
        for result in results
        for fill in _own_lines(stub, result, mspid)["fills"]
    ]
    after = numbers.stop
    return {
        "trades": trades,
        "totals": {
            "fills": sum(len(result["fills"]) for result in results),
            "energy_wh": sum(result["totals"]["p2p_energy_wh"] for result in results),
            "amount_naud": sum(result["totals"]["p2p_amount_naud"] for result in results),
        },
        "next_round": after if after <= min(last, arguments.to_round) else None,
    }


async def get_parameters(stub: Stub, arguments: GetParameters) -> dict[str, Any]:
    """The parameters that count now, or one version of them; and the channel's clock."""
    require_member(stub)
    community_value, clock_value = await stub.get_states([COMMUNITY, CLOCK])
    community, clock = community_of(community_value), clock_of(clock_value)
    now = time_of_day(stub, community, clock)
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
        "last_round": clock.last_round,
        "transaction": version.transaction,
    }


async def audit(stub: Stub, arguments: OneRound) -> dict[str, Any]:
    """Everything needed to recompute a round's prices and award, whoever asks."""
    require_member(stub)
    round_value, result_value = await stub.get_states(
        [round_key(arguments.round), result_key(arguments.round)]
    )
    round_ = round_of(round_value, arguments.round)
    rows = await stub.get_state_by_range(*range_of(bids_prefix(round_.number))).rows()
    bids = [decode(Bid, row.value) for row in rows]
    standing = [bid.id for bid in bids if bid.state == OPEN]
    seed = round_seed(standing)
    return {
        "round": terms(round_),
        "parameters": as_json(round_.parameters),
        "price_basis": to_json(round_.prices),
        "bids": [json.loads(encode(bid)) for bid in bids],
        "seed": seed,
        "keys": {order_id: tie_key(seed, order_id) for order_id in standing},
        "result": None if result_value is None else json.loads(result_value),
    }
