# SPDX-License-Identifier: Apache-2.0
"""A whole simulation: every community of the network, day after day, then the summary and the report."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import Community, NetworkFile, read_network_file
from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.home import HomeSpec

from commonwatt_loadgen.simulate.beside import Beginning, MarketBeside, by_policy
from commonwatt_loadgen.simulate.calls import MarketCalls
from commonwatt_loadgen.simulate.data_files import data_files
from commonwatt_loadgen.simulate.definitions import DEFINITIONS
from commonwatt_loadgen.simulate.gateway import GatewayCalls
from commonwatt_loadgen.simulate.inprocess import communities_in_process
from commonwatt_loadgen.simulate.latency import Latencies
from commonwatt_loadgen.simulate.mechanism import mechanism_cost, processor_s
from commonwatt_loadgen.simulate.onledger import MINUTE_S, OnLedgerMarket
from commonwatt_loadgen.simulate.options import SimulationOptions, devices_of
from commonwatt_loadgen.simulate.people import FEED_IN_BY_HOUR, agents_of, as_they_live, draw_homes
from commonwatt_loadgen.simulate.preparation import Standing, prepare
from commonwatt_loadgen.simulate.resuming import FILE, ForeignTrade, ResumedCalls, Unfinished, resume
from commonwatt_loadgen.simulate.summary import Tally
from commonwatt_loadgen.throughput.resources import network_processes
from commonwatt_loadgen.traces import Problem, TraceSet
from commonwatt_loadgen.traces.checks import counted

HOMES = "homes.json"
Json = dict[str, Any]
Progress = Callable[[str, int, int], None]  # community, minutes (in-process: days) done, and in all


async def simulate(options: SimulationOptions, progress: Progress) -> Json:
    """Trade on the network that is up and return the summary; an interrupted simulation is continued.

    `progress` is told what is traded, not what a continued simulation finds on the ledger already.

    The caller calls `finished` once it has kept the summary.

    Raises:
        UsageError: the options, the traces or the network file cannot be used.
        Refused, GatewayError: the contract or the network failed a transaction.
    """
    options.check()
    traces, problems = options.trace_set()
    network = read_network_file(options.network_file)
    unfinished = _unfinished(options)
    latencies = Latencies()
    processes = await asyncio.to_thread(network_processes, network.path.parent)
    used_s = processor_s(processes)
    started = time.monotonic()
    runs = [
        asyncio.create_task(
            _Run(options, network, place, community, traces, latencies, unfinished).trade(progress)
        )
        for place, community in enumerate(network.communities)
    ]
    try:
        communities = await asyncio.gather(*runs)
    finally:
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
    return {
        **opening(options, traces, problems, communities, network.name, network.backend),
        "performance": {
            **latencies.summary(time.monotonic() - started),
            "mechanism": mechanism_cost(
                latencies.count,
                None if used_s is None else processor_s(processes, since_s=used_s),
                sum(one["totals"]["p2p_wh"] for one in communities),
            ),
        },
    }


def simulate_in_process(options: SimulationOptions, communities: int, progress: Progress) -> Json:
    """The same days by the chaincode's rules in this process, without a network.

    Raises:
        UsageError: the options or the traces cannot be used.
    """
    options.check()
    if not 1 <= communities <= 1000:
        raise UsageError(f"--communities {communities}: must be within 1..1000")
    traces, problems = options.trace_set()
    done = communities_in_process(options, traces, communities, progress)
    return {**opening(options, traces, problems, done, "", "in-process"), "performance": {}}


def other_is_unfinished(options: SimulationOptions) -> bool:
    """Whether an interrupted simulation with other options is there, which this one will not continue."""
    return _unfinished(options).other


def finished(options: SimulationOptions) -> None:
    """Say that the summary is kept: the next simulation begins with a new day."""
    Unfinished.forget(options.out / FILE)


def _unfinished(options: SimulationOptions) -> Unfinished:
    about = {name: value for name, value in asdict(options).items() if name not in ("out", "data", "parquet")}
    about = json.loads(json.dumps(about, default=str))
    about["network_file"] = str(options.network_file.absolute())
    return Unfinished(options.out / FILE, about)


def opening(
    options: SimulationOptions,
    traces: TraceSet,
    problems: list[Problem],
    communities: list[Json],
    network: str,
    backend: str,
) -> Json:
    """The summary of these communities: what was run, and their figures; `performance` is the caller's to add."""
    return {
        "schema": "commonwatt-simulation-1",
        "definitions": DEFINITIONS,
        "run": {
            "seed": options.seed,
            "days": options.days,
            "share_percent": options.share_percent,
            "strategies": list(options.strategies),
            "forecast": options.forecast,
            "battery": options.battery,
            "pv": options.pv,
            "noise_percent": options.noise_percent,
            "disutility_c_per_kwh_per_kw": options.disutility,
            **devices_of(options),
            "network": network,
            "backend": backend,
            "source": traces.source,
            "trace_problems": counted(problems),
            "first_day": communities[0]["first_day"],
        },
        "communities": communities,
    }


class _Run:
    """One community's simulation."""

    def __init__(
        self,
        options: SimulationOptions,
        network: NetworkFile,
        place: int,
        community: Community,
        traces: TraceSet,
        latencies: Latencies,
        unfinished: Unfinished,
    ) -> None:
        self._options = options
        self._community = community
        self._traces = traces
        self._unfinished = unfinished
        self._seed = options.seed + place
        alone = len(network.communities) == 1
        self._folder = options.out if alone else options.out / community.channel
        self._gateway = GatewayCalls(network.path, community, latencies)

    async def trade(self, progress: Progress) -> Json:
        options, channel = self._options, self._community.channel
        try:
            drawn = homes_of(options, self._community, self._traces, self._seed)
            write_homes(options, self._community, drawn)
            standing, calls = await self._begin(drawn)
            homes = as_they_live(options, drawn, standing.rules)
            agents = agents_of(options, homes, standing.rules, standing.accounts, self._seed)
            market = OnLedgerMarket(
                calls,
                standing.rules,
                standing.midnight_s,
                standing.past,
            )
            held_wh = {home: account.energy_wh for home, account in standing.accounts.items()}
            tally = Tally(homes, standing.rules, held_wh)
            total = options.days * MINUTES_PER_DAY
            first_day = _first_day(standing)
            with data_files(
                options, self._folder, homes, standing.rules, standing.midnight_s, first_day
            ) as tables:
                for day in range(options.days):

                    def advance(minute: int, before: int = day * MINUTES_PER_DAY) -> None:
                        if not (isinstance(calls, ResumedCalls) and calls.catching_up):
                            progress(channel, before + minute, total)

                    record = await market.run_day(agents, day, advance)
                    tally.add(record)
                    if tables is not None:
                        tables.add(record, tally.without_naud)
            beginning = Beginning(standing.rules, standing.accounts, standing.midnight_s, standing.past)
            summary = tally.summary(await self._at_rest(drawn, beginning))
            policies = await asyncio.to_thread(by_policy, options, homes, beginning, self._seed, summary)
        except ForeignTrade as error:
            raise UsageError(
                f"channel {channel}: {error}. Begin with a new day by --new-day, which forgets {options.out / FILE}"
            ) from error
        finally:
            await self._gateway.close()
        return {"channel": channel, "first_day": first_day.isoformat(), **summary, "policies": policies}

    async def _at_rest(self, drawn: list[HomeSpec], beginning: Beginning) -> Json | None:
        """The same days in-process without flexible loads, where consumers' loads moved."""
        options = self._options
        if options.disutility is None:
            return None
        market = MarketBeside(options, drawn, beginning, self._seed)
        for day in range(options.days):
            await asyncio.to_thread(market.trade, day)  # other communities may still be trading
        return market.summary()

    async def _begin(self, homes: list[HomeSpec]) -> tuple[Standing, MarketCalls]:
        """Where the simulation begins, or began before it was interrupted."""
        channel, calls = self._community.channel, self._gateway
        begun = self._unfinished.begun(channel)
        if begun is not None:
            return await resume(calls, begun)
        standing = await prepare(
            calls,
            channel,
            homes,
            self._traces.first_day,
            self._options.parameter_changes(),
        )
        self._unfinished.begin(channel, standing)
        return standing, calls


def _first_day(standing: Standing) -> date:
    local_s = standing.midnight_s + standing.rules.utc_offset_min * MINUTE_S
    return datetime.fromtimestamp(local_s, UTC).date()


def homes_of(
    options: SimulationOptions,
    community: Community,
    traces: TraceSet,
    seed: int,
    feed_in_by_hour: Sequence[int] = FEED_IN_BY_HOUR,
) -> list[HomeSpec]:
    """The community's homes with their types drawn; raises UsageError where there are too few."""
    known = list(community.homes)
    wanted = options.homes or len(known)
    if wanted > len(known):
        raise UsageError(
            f"channel {community.channel} has {len(known)} homes, not {wanted}; "
            f"start the network with more: `make network-reset network-up HOMES={wanted}`"
        )
    return draw_homes(options, known[:wanted], traces, seed, community.homes, feed_in_by_hour)


def write_homes(options: SimulationOptions, community: Community, homes: Sequence[HomeSpec]) -> None:
    """Keep which trace each home of a channel follows: the ledger is told of homes by their ids alone."""
    path = options.out / HOMES
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    known[community.channel] = {
        home.home: {
            "user": community.homes[home.home],
            "usage": home.usage_type,
            "generation": home.generation_type or None,
        }
        for home in homes
    }
    options.out.mkdir(parents=True, exist_ok=True)
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(json.dumps(known, indent=1) + "\n")


def write_summary(options: SimulationOptions, summary: Json) -> None:
    """Write `summary.json`, one field a line, in a fixed order."""
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
    (options.out / "summary.json").write_text(text, "utf-8")
