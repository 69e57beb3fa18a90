# SPDX-License-Identifier: Apache-2.0
"""A simulation of the forward market on the network that is up: every community on its channel, then the summary."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from commonwatt_chaincode.market.forward.clearing import PRICINGS
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import Community, NetworkFile, read_network_file
from commonwatt_community.hems.home import HomeSpec

from commonwatt_loadgen.forward.agreement import feed_in_by_hour, rules_of
from commonwatt_loadgen.forward.community import agents_of, compared, trade
from commonwatt_loadgen.forward.founding import first_day_on, found
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.parties import parties_of
from commonwatt_loadgen.forward.region_ledger import region_on_ledger
from commonwatt_loadgen.forward.rules import ForwardRules
from commonwatt_loadgen.forward.run import Progress, opening
from commonwatt_loadgen.simulate.latency import Latencies
from commonwatt_loadgen.simulate.mechanism import mechanism_cost, processor_s
from commonwatt_loadgen.simulate.run import homes_of, write_homes
from commonwatt_loadgen.throughput.resources import network_processes
from commonwatt_loadgen.traces import TraceSet

Json = dict[str, Any]


async def simulate_forward_on_ledger(options: ForwardOptions, progress: Progress) -> Json:
    """Trade days on every channel at once, each bid and reading a message that its home signed.

    Raises:
        UsageError: the options, the traces, the network file or a channel cannot be used.
        Refused, NotTaken, GatewayError: the contract or the network failed a transaction or a message.
    """
    options.check()
    if options.community_battery:
        raise UsageError("--community-battery: counts with --in-process alone, no channel registers it")
    if options.pricing not in PRICINGS:
        raise UsageError(
            f"--pricing {options.pricing}: counts with --in-process alone; the contract has {', '.join(PRICINGS)}"
        )
    traces, problems = options.run.trace_set()
    network = read_network_file(options.run.network_file)
    latencies = Latencies()
    processes = await asyncio.to_thread(network_processes, network.path.parent)
    used_s = processor_s(processes)
    started = time.monotonic()
    traded: list[_Traded] = []
    trading = None
    if options.link_fee is None:
        traded = await _side_by_side(options, network, traces, latencies, progress)
    else:
        trading = await region_on_ledger(options, network, traces, _counting(latencies), progress)
    elapsed_s = time.monotonic() - started
    network_s = None if used_s is None else processor_s(processes, since_s=used_s)
    communities = [await asyncio.to_thread(one.described, options) for one in traded]
    region: Json = {} if trading is None else await asyncio.to_thread(trading.described, traces)
    communities += region.pop("communities", [])
    local_wh = sum(one["totals"]["bought_wh"] + one["totals"]["shared_in_wh"] for one in communities)
    return {
        **opening(options, traces, problems, communities, network.name, network.backend),
        "performance": {
            **latencies.summary(elapsed_s),
            "mechanism": mechanism_cost(latencies.count, network_s, local_wh),
        },
        **region,
    }


async def _side_by_side(
    options: ForwardOptions, network: NetworkFile, traces: TraceSet, latencies: Latencies, progress: Progress
) -> list["_Traded"]:
    """Every community by itself, all at once."""
    runs = [
        asyncio.create_task(_community(options, network, place, community, traces, latencies, progress))
        for place, community in enumerate(network.communities)
    ]
    try:
        return await asyncio.gather(*runs)
    finally:
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)


@dataclass(frozen=True)
class _Traded:
    """What a community's days came to."""

    channel: str
    first_day: date
    homes: Sequence[HomeSpec]
    rules: ForwardRules
    summary: Json

    def described(self, options: ForwardOptions) -> Json:
        """With the same days under other forecasts and plans, in this process."""
        return {
            "channel": self.channel,
            "first_day": self.first_day.isoformat(),
            **self.summary,
            "compared": compared(options, self.homes, self.rules, self.summary),
        }


async def _community(
    options: ForwardOptions,
    network: NetworkFile,
    place: int,
    community: Community,
    traces: TraceSet,
    latencies: Latencies,
    progress: Progress,
) -> _Traded:
    run, channel = options.run, community.channel
    homes = homes_of(run, community, traces, run.seed + place, feed_in_by_hour(options.feed_in))
    write_homes(run, community, homes)
    folder = run.out if len(network.communities) == 1 else run.out / channel
    async with parties_of(network, community, _counting(latencies)) as parties:
        wanted = options.first_day or traces.first_day
        first_day = await first_day_on(parties, wanted, asked_for=options.first_day is not None)
        rules = rules_of(options, [home.home for home in homes], first_day)
        agents = agents_of(options, homes, rules)
        connections = {agent.home: agent.connection for agent in agents}
        market = await found(parties, network, community, homes, connections, rules)

        def advance(days: int) -> None:
            progress(channel, days, run.days)

        summary = await trade(options, rules, agents, market, first_day, advance, folder)
    return _Traded(channel, first_day, homes, rules, summary)


def _counting(latencies: Latencies) -> Callable[[str, float, int], None]:
    def told(transaction: str, elapsed_s: float, tries: int) -> None:
        latencies.record(transaction, elapsed_s)
        latencies.retries += tries - 1

    return told
