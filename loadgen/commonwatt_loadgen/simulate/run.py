"""A whole simulation: every community of the network, day after day, then the summary and the report."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from commonwatt_loadgen.errors import UsageFault
from commonwatt_loadgen.hems.agent import HomeAgent
from commonwatt_loadgen.hems.community import HomeSpec, make_community
from commonwatt_loadgen.network_file import Community, NetworkFile, read_network_file
from commonwatt_loadgen.records import DayRecord
from commonwatt_loadgen.simulate.gateway import GatewayCalls
from commonwatt_loadgen.simulate.latency import Latencies
from commonwatt_loadgen.simulate.onledger import MINUTE_S, OnLedgerMarket
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.preparation import Standing, prepare
from commonwatt_loadgen.simulate.summary import DEFINITIONS, community_summary
from commonwatt_loadgen.traces import TraceSet
from commonwatt_loadgen.traces.checks import counted

Json = dict[str, Any]
Progress = Callable[[str, int, int], None]  # community, minutes done, minutes in all


async def simulate(options: SimulationOptions, progress: Progress) -> Json:
    """Trade on the network that is up and return the summary.

    Raises:
        UsageFault: the options, the traces or the network file cannot be used.
        Refused, GatewayError: the contract or the network failed a transaction.
    """
    options.check()
    traces, problems = options.trace_set()
    network = read_network_file(options.network_file)
    latencies = Latencies()
    started = time.monotonic()
    runs = [
        asyncio.create_task(_community(options, network, place, community, traces, latencies, progress))
        for place, community in enumerate(network.communities)
    ]
    try:
        communities = await asyncio.gather(*runs)
    finally:
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
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
            "network": network.name,
            "backend": network.backend,
            "source": traces.source,
            "trace_problems": counted(problems),
            "first_day": communities[0]["first_day"],
        },
        "communities": communities,
        "performance": latencies.summary(time.monotonic() - started),
    }


async def _community(
    options: SimulationOptions,
    network: NetworkFile,
    place: int,
    community: Community,
    traces: TraceSet,
    latencies: Latencies,
    progress: Progress,
) -> Json:
    homes = homes_of(options, community, traces, options.seed + place)
    calls = GatewayCalls(network.path, community, latencies)
    try:
        standing = await prepare(calls, community.channel, homes, community.meters, traces.first_day, {})
        agents = agents_of(options, homes, standing, options.seed + place)
        market = OnLedgerMarket(calls, standing.rules, standing.midnight_s)
        days: list[DayRecord] = []
        for day in range(options.days):

            def advance(minute: int, before: int = day * 1440) -> None:
                progress(community.channel, before + minute, options.days * 1440)

            days.append(await market.run_day(agents, day, advance))
        first_day = datetime.fromtimestamp(standing.midnight_s, UTC) + timedelta(
            seconds=standing.rules.utc_offset_min * MINUTE_S
        )
        return {
            "channel": community.channel,
            "first_day": first_day.date().isoformat(),
            "first_round": standing.last_round + 1,
            **community_summary(homes, days, standing.rules),
        }
    finally:
        await calls.close()


def homes_of(options: SimulationOptions, community: Community, traces: TraceSet, seed: int) -> list[HomeSpec]:
    """The community's homes with their types drawn; raises UsageFault where there are too few."""
    known = sorted(community.homes)
    wanted = options.homes or len(known)
    if wanted > len(known):
        raise UsageFault(
            f"channel {community.channel} has {len(known)} homes, not {wanted}; "
            f"start the network with more: `make network-reset network-up HOMES={wanted}`"
        )
    try:
        return make_community(
            traces,
            known[:wanted],
            prosumer_share_ppm=round(options.share_percent * 10_000),
            storage_wh=options.storage_wh,
            seed=seed,
            strategies=list(options.strategies),
        )
    except ValueError as error:
        raise UsageFault(str(error)) from error


def agents_of(
    options: SimulationOptions, homes: list[HomeSpec], standing: Standing, seed: int
) -> list[HomeAgent]:
    """An agent per home that holds what the ledger's account holds."""
    agents = []
    for home in homes:
        agent = HomeAgent(
            home, standing.rules, seed, forecast=options.forecast, battery_policy=options.battery
        )
        agent.account = standing.accounts[home.home]
        agents.append(agent)
    return agents


def write_summary(options: SimulationOptions, summary: Json) -> None:
    """Write `summary.json`, one field a line, in a fixed order."""
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
    (options.out / "summary.json").write_text(text, "utf-8")
