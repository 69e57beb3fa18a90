# SPDX-License-Identifier: Apache-2.0
"""Communities that trade on an exchange what each leaves over, beside the same communities on their own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from commonwatt_chaincode.market.exchange.clearing import Link
from commonwatt_chaincode.market.tariff import MINUTE_S

from commonwatt_loadgen.forward.agreement import feed_in_by_hour, rules_of
from commonwatt_loadgen.forward.community import Advance, agents_of
from commonwatt_loadgen.forward.engine import DayRecord, live
from commonwatt_loadgen.forward.exchange import InProcessExchange, links_of_all
from commonwatt_loadgen.forward.inprocess import InProcessForwardMarket
from commonwatt_loadgen.forward.market import fixed_naud
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.inprocess import DEFAULT_HOMES, channel_of
from commonwatt_loadgen.simulate.people import draw_homes
from commonwatt_loadgen.traces import TraceSet

Json = dict[str, Any]
DEFAULT_LIMIT_W = 100_000
COMPARED = ("amount_naud", "grid_in_wh", "grid_out_wh")


def region_in_process(
    options: ForwardOptions,
    traces: TraceSet,
    alone: Sequence[Json],
    users: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Json:
    """The days of the communities of `alone`, with an exchange, and what each gains by it.

    `users`: by channel the homes' ids on a ledger with their names; without them homes are numbered.

    Raises:
        UsageError: the options or the traces cannot be used.
    """
    names = list(users) or [channel_of(place) for place in range(len(alone))]
    exchange = InProcessExchange(names, links_of(options, names))
    totals = asyncio.run(_live(options, traces, names, users, exchange))
    return with_exchange(options, names, totals, exchange.flows, alone)


def links_of(options: ForwardOptions, names: Sequence[str]) -> list[Link]:
    """The links of the options."""
    fee = round((options.link_fee or 0) * 10_000)
    return links_of_all(names, _limit_w(options) * options.period * MINUTE_S // 3_600, fee)


def _limit_w(options: ForwardOptions) -> int:
    return DEFAULT_LIMIT_W if options.link_limit_w is None else options.link_limit_w


def with_exchange(
    options: ForwardOptions,
    names: Sequence[str],
    totals: Sequence[Counter[str]],
    flows: Counter[tuple[str, str, str]],
    alone: Sequence[Json],
) -> Json:
    """What communities with an exchange came to, by `totals` and `flows`, beside the same ones alone."""
    communities = [
        _row(name, total, before["totals"]) for name, total, before in zip(names, totals, alone, strict=True)
    ]
    rows: list[Json] = [
        {
            "from": seller,
            "to": buyer,
            **{name: flows[seller, buyer, name] for name in ("energy_wh", "seller_naud", "fee_naud")},
        }
        for seller, buyer in sorted({one[:2] for one in flows})
    ]
    whole: Counter[str] = sum((Counter(one) for one in totals), Counter())
    fee_naud = sum(one["fee_naud"] for one in rows)
    return {
        "link_fee_c_per_kwh": options.link_fee,
        "link_limit_w": _limit_w(options),
        "communities": communities,
        "flows": rows,
        "traded_wh": sum(one["energy_wh"] for one in rows),
        "link_fee_naud": fee_naud,
        "gained_naud": sum(one["gained_naud"] for one in communities),
        "money_balances": sum(one["amount_naud"] - one["grid_naud"] for one in totals) == fee_naud
        and all(one["amount_naud"] == one["grid_naud"] + one["exchange_naud"] for one in totals),
        "energy_balances": whole["imported_wh"] == whole["exported_wh"]
        and whole["grid_in_wh"] - whole["grid_out_wh"] - whole["breach_wh"]
        == whole["import_wh"] - whole["export_wh"],
    }


async def _live(
    options: ForwardOptions,
    traces: TraceSet,
    names: Sequence[str],
    users: Mapping[str, Mapping[str, str]],
    exchange: InProcessExchange,
) -> list[Counter[str]]:
    async with asyncio.TaskGroup() as group:
        running = [
            group.create_task(_community(options, traces, place, name, users.get(name, {}), exchange))
            for place, name in enumerate(names)
        ]
    return [one.result() for one in running]


async def _community(
    options: ForwardOptions,
    traces: TraceSet,
    place: int,
    name: str,
    users: Mapping[str, str],
    exchange: InProcessExchange,
) -> Counter[str]:
    """The same homes, seed and days as alone."""
    home_ids = list(users) or [
        f"home{number:03d}" for number in range(1, (options.run.homes or DEFAULT_HOMES) + 1)
    ]
    rules = rules_of(options, home_ids, options.first_day or traces.first_day)
    seed = options.run.seed + place
    homes = draw_homes(options.run, home_ids, traces, seed, users, feed_in_by_hour(options.feed_in))
    agents = agents_of(options, homes, rules)
    connections = {agent.home: agent.connection for agent in agents}
    market = InProcessForwardMarket(rules, connections, name, exchange)
    return await totals_of(live(market, rules, agents, options.run.days))


async def totals_of(days: AsyncIterator[DayRecord], advance: Advance = lambda _: None) -> Counter[str]:
    """What a community's days came to; `advance` is told the days that are done."""
    total: Counter[str] = Counter()
    async for day in days:
        _count(total, day)
        advance(day.day + 1)
    return total


def _count(total: Counter[str], day: DayRecord) -> None:
    for period in day.periods:
        for one in period.settled.values():
            line, outside = one.line, one.metered.outside
            total["import_wh"] += one.metered.import_wh
            total["export_wh"] += one.metered.export_wh
            for name in ("grid_in_wh", "grid_out_wh", "breach_wh", "amount_naud"):
                total[name] += getattr(line, name)
            total["grid_naud"] += line.grid_naud + line.fee_naud
            total["imported_wh"] += outside.imported_wh
            total["exported_wh"] += outside.exported_wh
            total["exchange_naud"] += outside.amount_naud
    for bill in day.bills.values():
        total["fixed_naud"] += fixed_naud(bill)


def _row(name: str, total: Counter[str], alone: Json) -> Json:
    amount_naud = total["amount_naud"] + total["fixed_naud"]
    with_exchange = {**total, "amount_naud": amount_naud}
    return {
        "channel": name,
        "imported_wh": total["imported_wh"],
        "exported_wh": total["exported_wh"],
        "exchange_naud": total["exchange_naud"],
        **{one: {"with": with_exchange.get(one, 0), "alone": alone[one]} for one in COMPARED},
        "gained_naud": alone["amount_naud"] - amount_naud,
    }
