# SPDX-License-Identifier: Apache-2.0
"""Before the first round: the channel's parameters, its homes, and where its market stands."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from commonwatt_chaincode.market.battery import Account
from commonwatt_chaincode.market.parameters import Parameters, changed
from commonwatt_chaincode.market.tariff import DAY_S, MINUTE_S
from commonwatt_client.exit_codes import UsageError
from commonwatt_community.hems.home import HomeSpec

from commonwatt_loadgen.past_prices import PastPrices, past_prices
from commonwatt_loadgen.schedule import local_midnight_s
from commonwatt_loadgen.simulate.calls import OPERATOR, MarketCalls, Refused, Result


@dataclass(frozen=True)
class Standing:
    """Where a channel's market stands: its rules, 0:00 of the day to simulate, what batteries hold, and what the rounds
    so far left to the suggested prices.
    """

    rules: Parameters
    midnight_s: int
    accounts: Mapping[str, Account]
    past: PastPrices


async def prepare(
    calls: MarketCalls,
    channel: str,
    homes: Sequence[HomeSpec],
    first_day: date,
    changes: Mapping[str, Any],
    needed_by: str = "`simulate`",
) -> Standing:
    """Configure the channel if it is new, register its homes, and find the next day to simulate.

    A new channel begins with `first_day`; one that has been simulated before goes on with its next day, since its
    clock only moves forward. `needed_by` says in a refusal what needs a simulated clock.

    Raises:
        UsageError: the channel runs on a live clock.
    """
    described = await _configured(calls, first_day, changes)
    if described["clock"] != "simulated":
        raise UsageError(
            f"channel {channel} runs on a live clock; {needed_by} needs one with `clock: simulated` "
            f"(channels.{channel}.clock of the topology)"
        )
    rules = changed(Parameters(), described["parameters"])
    offset_s = rules.utc_offset_min * MINUTE_S
    known = [one for one in await _in_turn_of(16, [_battery(calls, home) for home in homes]) if one]
    metered = [one["metered_until"] for one in known if one["metered_until"] is not None]
    latest_s = max(described["market_time"], *metered, 0)
    midnight_s = -(-(latest_s + offset_s) // DAY_S) * DAY_S - offset_s
    if not metered:
        midnight_s = max(midnight_s, local_midnight_s(first_day, rules.utc_offset_min))
    if described["market_time"] < midnight_s:
        await calls.submit(OPERATOR, "advance_clock", {"at": midnight_s})
    await _in_turn_of(8, [_register(calls, home) for home in homes])
    await _in_turn_of(16, [_meter_again(calls, one, midnight_s) for one in known])
    batteries = await _in_turn_of(
        16, [calls.evaluate(OPERATOR, "get_battery", {"home": one.home}) for one in homes]
    )
    accounts = {
        one["home"]: Account(one["battery_wh"], one["reserved_wh"], one["sold_wh"]) for one in batteries
    }
    past = past_prices(await calls.evaluate(OPERATOR, "get_prices", {}))
    return Standing(rules, midnight_s, accounts, past)


async def _configured(calls: MarketCalls, first_day: date, changes: Mapping[str, Any]) -> Result:
    try:
        described = await calls.evaluate(OPERATOR, "get_parameters", {})
    except Refused as refusal:
        if refusal.code != "not_configured":
            raise
        offset_min = changes.get("utc_offset_min", Parameters().utc_offset_min)
        at = local_midnight_s(first_day, offset_min)
        await calls.submit(
            OPERATOR, "configure", {"clock": "simulated", "at": at, "parameters": dict(changes)}
        )
        return await calls.evaluate(OPERATOR, "get_parameters", {})
    if any(described["parameters"][name] != value for name, value in changes.items()):
        await calls.submit(OPERATOR, "configure", {"parameters": dict(changes)})
        return await calls.evaluate(OPERATOR, "get_parameters", {})
    return described


async def _register(calls: MarketCalls, home: HomeSpec) -> None:
    home_class = "prosumer" if home.prosumer else "consumer"
    wanted = (home_class, home.pv_w, home.storage_wh)
    try:
        known = await calls.evaluate(OPERATOR, "get_home", {"home": home.home})
    except Refused as refusal:
        if refusal.code != "unknown_home":
            raise
    else:
        if (known["home_class"], known["pv_w"], known["storage_wh"]) == wanted:
            return
    argument = {
        "home": home.home,
        "home_class": home_class,
        "pv_w": home.pv_w,
        "storage_wh": home.storage_wh,
    }
    await calls.submit(OPERATOR, "register_home", argument)


async def _battery(calls: MarketCalls, home: HomeSpec) -> Result | None:
    """A home's account, None before its registration."""
    try:
        return await calls.evaluate(OPERATOR, "get_battery", {"home": home.home})
    except Refused as refusal:
        if refusal.code != "unknown_home":
            raise
        return None


async def _meter_again(calls: MarketCalls, battery: Result, midnight_s: int) -> None:
    """Report the minute before midnight for a home that was silent for a while.

    Its account then states what is certainly left in its battery, and the home may sell from 0:00 on.
    """
    if battery["metered_until"] is None or battery["metered_until"] >= midnight_s:
        return
    argument = {
        "home": battery["home"],
        "interval_start": midnight_s - MINUTE_S,
        "interval_end": midnight_s,
        "use_wh": 0,
        "generation_wh": 0,
    }
    await calls.submit(battery["home"], "report_reading", argument)


async def _in_turn_of(width: int, work: Sequence[Any]) -> list[Any]:
    """Results of all of `work`, at most `width` of it at once."""
    slots = asyncio.Semaphore(width)

    async def one(waiting: Any) -> Any:
        async with slots:
            return await waiting

    return await asyncio.gather(*(one(waiting) for waiting in work))
