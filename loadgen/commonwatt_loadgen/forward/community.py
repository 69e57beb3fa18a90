# SPDX-License-Identifier: Apache-2.0
"""A community's days in the forward market in this process, and the same days under other forecasts and plans."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

from commonwatt_chaincode.market.battery import battery_of
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_community import plugins
from commonwatt_community.hems.forward.agent import ForwardAgent
from commonwatt_community.hems.home import HomeSpec

from commonwatt_loadgen.forward.agreement import EPOCH, feed_in_by_hour, rules_of
from commonwatt_loadgen.forward.data_files import ForwardTables
from commonwatt_loadgen.forward.engine import live
from commonwatt_loadgen.forward.inprocess import InProcessForwardMarket
from commonwatt_loadgen.forward.market import ForwardMarket
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.rules import ForwardRules
from commonwatt_loadgen.forward.tally import ForwardTally
from commonwatt_loadgen.simulate.beside import MOST_HOME_DAYS
from commonwatt_loadgen.simulate.inprocess import DEFAULT_HOMES, channel_of
from commonwatt_loadgen.simulate.people import draw_homes
from commonwatt_loadgen.simulate.tables import remove_data, wanted
from commonwatt_loadgen.traces import TraceSet

Json = dict[str, Any]
Advance = Callable[[int], None]


def community_in_process(
    options: ForwardOptions,
    traces: TraceSet,
    place: int,
    advance: Advance = lambda _: None,
    users: Mapping[str, str] = MappingProxyType({}),
    folder: Path | None = None,
    *,
    alone: bool = False,
) -> Json:
    """One community's days; `advance` is told the days that are done.

    `users`: the homes' ids on a ledger with their names, in order. The rest that is left when energy is divided goes
    by ids. So only a ledger's own ids repeat its days to the nAUD. The community's tables go to `folder`, as
    far as the options want them. `alone`: they are not traded once more under other forecasts and plans.

    Raises:
        UsageError: the options or the traces cannot be used.
    """
    home_ids = list(users) or [
        f"home{number:03d}" for number in range(1, (options.run.homes or DEFAULT_HOMES) + 1)
    ]
    first_day = options.first_day or traces.first_day
    rules = rules_of(options, home_ids, first_day)
    homes = draw_homes(
        options.run, home_ids, traces, options.run.seed + place, users, feed_in_by_hour(options.feed_in)
    )
    agents = agents_of(options, homes, rules)
    market = in_process(rules, agents)
    summary = asyncio.run(trade(options, rules, agents, market, first_day, advance, folder))
    return {
        "channel": channel_of(place),
        "first_day": first_day.isoformat(),
        **summary,
        "compared": None if alone else compared(options, homes, rules, summary),
    }


async def trade(
    options: ForwardOptions,
    rules: ForwardRules,
    agents: Sequence[ForwardAgent],
    market: ForwardMarket,
    first_day: date,
    advance: Advance = lambda _: None,
    folder: Path | None = None,
) -> Json:
    """Trade the days on any market, write the tables that are wanted, and sum up."""
    tally = ForwardTally(agents, rules, options.curtail)
    with ExitStack() as stack:
        tables = None
        if folder is not None and wanted(options.run.data, len(agents), options.run.days):
            specs = [agent.spec for agent in agents]
            tables = ForwardTables(folder, specs, rules, first_day, parquet=options.run.parquet)
            stack.enter_context(tables.tables)
        elif folder is not None:
            remove_data(folder)
        async for day in live(market, rules, agents, options.run.days):
            flows = tally.add(day)
            if tables is not None:
                tables.add(day, flows)
            advance(day.day + 1)
        if tables is not None:
            tables.add_pairs(tally.pairs())
    return {**tally.summary(), "forecast_error_wh": forecast_error_wh(agents)}


def agents_of(options: ForwardOptions, homes: Sequence[HomeSpec], rules: ForwardRules) -> list[ForwardAgent]:
    """An agent per home, with an empty battery, and that of the battery which they share.

    Raises:
        PluginError: the forecast or the battery plan comes from a package that cannot be used.
    """
    forecast = plugins.choose("forecasts", options.run.forecast)
    plan = plugins.choose("batteries", options.run.battery)
    agents = [
        ForwardAgent(
            home,
            battery_of(Parameters(), home.storage_wh),
            rules.period_min,
            forecast=forecast(),
            plan=plan,
            highest_feed_in=rules.highest_feed_in,
            curtails=options.curtail,
            carbon=rules.carbon,
        )
        for home in homes
    ]
    if options.community_battery:
        from commonwatt_community.planning.community_battery import CommunityBattery  # SciPy is an extra

        agents.append(CommunityBattery(options.community_battery, rules.period_min))
    return agents


def forecast_error_wh(agents: Sequence[ForwardAgent]) -> float | None:
    """By how much the homes' forecasts were off, on average of the periods that they bid for; None without any."""
    periods = sum(agent.error_of_periods for agent in agents)
    return round(sum(agent.error_wh for agent in agents) / periods, 1) if periods else None


def in_process(rules: ForwardRules, agents: Sequence[ForwardAgent]) -> InProcessForwardMarket:
    """A market of these homes in this process."""
    return InProcessForwardMarket(rules, {agent.home: agent.connection for agent in agents})


def compared(
    options: ForwardOptions, homes: Sequence[HomeSpec], rules: ForwardRules, community: Json
) -> list[Json] | None:
    """What the homes save under each forecast, and under each battery plan; the first is the run's own.

    None where the run is too long to be repeated.
    """
    run = options.run
    if len(homes) * run.days > MOST_HOME_DAYS:
        return None
    others = [(name, run.battery) for name in plugins.working("forecasts") if name != run.forecast]
    if any(home.storage_wh for home in homes):
        others += [(run.forecast, name) for name in plugins.working("batteries") if name != run.battery]
    rows = [_row(run.forecast, run.battery, community)]
    for forecast, plan in others:
        other = replace(options, run=replace(run, forecast=forecast, battery=plan))
        agents = agents_of(other, homes, rules)
        rows.append(
            _row(forecast, plan, asyncio.run(trade(other, rules, agents, in_process(rules, agents), EPOCH)))
        )
    return rows


def _row(forecast: str, plan: str, figures: Json) -> Json:
    totals, worse = figures["totals"], figures["key_figures"]["worse_off"]
    saved = {one["class"]: one["saved_naud"] for one in figures["classes"]}
    return {
        "forecast": forecast,
        "battery": plan,
        "saved_naud": totals["saved_naud"],
        "saved_percent": totals["saved_percent"],
        "prosumers_saved_naud": saved.get("prosumers", 0),
        "consumers_saved_naud": saved.get("consumers", 0),
        "worse_off": worse["homes"],
        "loss_naud": worse["loss_naud"],
        "forecast_error_wh": figures["forecast_error_wh"],
        "imbalance_naud": totals["imbalance_naud"],
        "over_wh": totals["over_wh"],
        "missing_wh": totals["missing_wh"],
        "traded_wh": totals["bought_wh"],
        "shared_wh": totals["shared_in_wh"],
    }
