# SPDX-License-Identifier: Apache-2.0
"""Simulations without a network: the chaincode's own rules in this process, day after day in bounded memory.

Communities are independent of each other, so several of them use as many processes; the days of one follow each other.
"""

import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from types import MappingProxyType
from typing import Any

from commonwatt_chaincode.market.parameters import Parameters, changed

from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.schedule import local_midnight_s
from commonwatt_loadgen.simulate.beside import Beginning, MarketBeside, by_policy
from commonwatt_loadgen.simulate.data_files import data_files
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import agents_of, as_they_live, draw_homes
from commonwatt_loadgen.simulate.summary import Tally
from commonwatt_loadgen.traces import TraceSet

Json = dict[str, Any]
DEFAULT_HOMES = 60


def communities_in_process(
    options: SimulationOptions, traces: TraceSet, communities: int, progress: Callable[[str, int, int], None]
) -> list[Json]:
    """The communities' summaries, the same whatever the number of processes."""
    return communities_by(
        community_in_process, options, traces, communities, options.days, options.out, progress
    )


def communities_by(
    run: Callable[..., Json],
    options: object,
    traces: TraceSet,
    communities: int,
    days: int,
    out: Path,
    progress: Callable[[str, int, int], None],
) -> list[Json]:
    """The summaries of communities, each by `run(options, traces, place, ...)`, several in as many processes."""
    if communities == 1:
        return [
            run(options, traces, 0, lambda done: progress(channel_of(0), done, days), folder=out),
        ]
    summaries: dict[int, Json] = {}
    # Spawned: a fork of a process whose gRPC threads run may crash.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(communities, os.cpu_count() or 1), mp_context=spawn) as processes:
        runs = {
            processes.submit(run, options, traces, place, folder=out / channel_of(place)): place
            for place in range(communities)
        }
        for one in as_completed(runs):
            summaries[runs[one]] = one.result()
            progress(channel_of(runs[one]), days, days)
    return [summaries[place] for place in range(communities)]


def community_in_process(
    options: SimulationOptions,
    traces: TraceSet,
    place: int,
    advance: Callable[[int], None] = lambda _: None,
    users: Mapping[str, str] = MappingProxyType({}),
    folder: Path | None = None,
    *,
    alone: bool = False,
) -> Json:
    """One community's days; `advance` is told the days that are done.

    `users`: the homes' ids on a ledger with their names, in order. Ties between equal prices go by ids, so the day of a
    ledger is repeated to the nAUD with its ids alone. The community's tables go to `folder`, as far as the options
    want them. `alone`: they are not traded once more under other policies.
    """
    rules = changed(Parameters(), options.parameter_changes())
    home_ids = list(users) or [
        f"home{number:03d}" for number in range(1, (options.homes or DEFAULT_HOMES) + 1)
    ]
    seed = options.seed + place
    midnight_s = local_midnight_s(traces.first_day, rules.utc_offset_min)
    drawn = draw_homes(options, home_ids, traces, seed, users)
    homes = as_they_live(options, drawn, rules)
    beginning = Beginning(rules, midnight_s=midnight_s)
    at_rest = None if options.disutility is None else MarketBeside(options, drawn, beginning, seed)
    agents = agents_of(options, homes, rules, {}, seed)
    market, tally = InProcessMarket(rules, midnight_s), Tally(homes, rules)
    with data_files(options, folder, homes, rules, midnight_s, traces.first_day) as tables:
        for day in range(options.days):
            record = market.run_day(agents, day)
            tally.add(record)
            if tables is not None:
                tables.add(record, tally.without_naud)
            if at_rest is not None:
                at_rest.trade(day)
            advance(day + 1)
    summary = tally.summary(at_rest.summary() if at_rest is not None else None)
    return {
        "channel": channel_of(place),
        "first_day": traces.first_day.isoformat(),
        **summary,
        "policies": None if alone else by_policy(options, homes, beginning, seed, summary),
    }


def channel_of(place: int) -> str:
    """What a community without a channel is called."""
    return "in-process" if place == 0 else f"in-process-{place + 1}"
