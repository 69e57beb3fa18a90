# SPDX-License-Identifier: Apache-2.0
"""Communities that trade on an exchange what each leaves over, beside the same communities on their own."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from commonwatt_chaincode.market.tariff import MINUTE_S

from commonwatt_loadgen.forward.agreement import rules_of
from commonwatt_loadgen.forward.community import agents_of
from commonwatt_loadgen.forward.engine import DayRecord, live
from commonwatt_loadgen.forward.exchange import InProcessExchange, links_of_all
from commonwatt_loadgen.forward.inprocess import InProcessForwardMarket
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.inprocess import DEFAULT_HOMES, channel_of
from commonwatt_loadgen.simulate.people import draw_homes
from commonwatt_loadgen.traces import TraceSet

Json = dict[str, Any]
DEFAULT_LIMIT_W = 100_000
COMPARED = ("amount_naud", "grid_in_wh", "grid_out_wh")


def region_in_process(options: ForwardOptions, traces: TraceSet, alone: Sequence[Json]) -> Json:
    """The days of the communities of `alone`, with an exchange, and what each gains by it.

    Raises:
        UsageError: the options or the traces cannot be used.
    """
    names = [channel_of(place) for place in range(len(alone))]
    limit_w = DEFAULT_LIMIT_W if options.link_limit_w is None else options.link_limit_w
    fee = round((options.link_fee or 0) * 10_000)
    limit_wh = limit_w * options.period * MINUTE_S // 3_600
    exchange = InProcessExchange(names, links_of_all(names, limit_wh, fee))
    totals = asyncio.run(_live(options, traces, names, exchange))
    communities = [
        _row(name, total, before["totals"]) for name, total, before in zip(names, totals, alone, strict=True)
    ]
    flows = exchange.flows
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
        "link_limit_w": limit_w,
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
    options: ForwardOptions, traces: TraceSet, names: Sequence[str], exchange: InProcessExchange
) -> list[Counter[str]]:
    async with asyncio.TaskGroup() as group:
        running = [
            group.create_task(_community(options, traces, place, exchange)) for place in range(len(names))
        ]
    return [one.result() for one in running]


async def _community(
    options: ForwardOptions, traces: TraceSet, place: int, exchange: InProcessExchange
) -> Counter[str]:
    """The same homes, seed and days as alone."""
    home_ids = [f"home{number:03d}" for number in range(1, (options.run.homes or DEFAULT_HOMES) + 1)]
    rules = rules_of(options, home_ids, options.first_day or traces.first_day)
    homes = draw_homes(options.run, home_ids, traces, options.run.seed + place)
    agents = agents_of(options, homes, rules)
    connections = {agent.home: agent.connection for agent in agents}
    market = InProcessForwardMarket(rules, connections, channel_of(place), exchange)
    total: Counter[str] = Counter()
    async for day in live(market, rules, agents, options.run.days):
        _count(total, day)
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
        total["fixed_naud"] += bill.supply_naud + (bill.demand.amount_naud if bill.demand else 0)


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
