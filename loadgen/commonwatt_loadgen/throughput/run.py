# SPDX-License-Identifier: Apache-2.0
"""A throughput test: communities prepared, shares dealt to the generators, everything watched until the end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from commonwatt_chaincode.messages.fields import HIGHEST_SEQ
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import NetworkFile, default_path, read_network_file

from commonwatt_loadgen.simulate.market_choice import EX_POST, FORWARD, market_on, require_channels_with
from commonwatt_loadgen.throughput.arrivals import intended_times
from commonwatt_loadgen.throughput.generator import Share
from commonwatt_loadgen.throughput.measure import Progress
from commonwatt_loadgen.throughput.messages import Messages
from commonwatt_loadgen.throughput.options import LoadOptions
from commonwatt_loadgen.throughput.processes import run_in_processes
from commonwatt_loadgen.throughput.resources import NetworkSampler
from commonwatt_loadgen.throughput.summary import summarize
from commonwatt_loadgen.throughput.workload import MESSAGES, READINGS, Readings, Workload

Json = dict[str, Any]

USUAL_BATCH = 500
_PHASES_TO_END = 3  # endorse, order, commit: each may last until its deadline
_SLACK_S = 30.0
_CLOSED_LOOP_PER_S = 20_000  # more than any network here takes


class Watcher(Protocol):
    """An onlooker while a test runs."""

    def started(self, planned: int, workers: int, sampler: NetworkSampler) -> None:
        """The first transaction is about to be sent."""

    def told(self, generator: int, progress: Progress) -> None:
        """A generator's news, about once a second."""


@dataclass(frozen=True)
class Ready:
    """A network whose communities are ready for `transactions` in all."""

    network: NetworkFile
    workloads: tuple[Workload, ...]
    transactions: int


def make_ready(options: LoadOptions, transactions: int, *, or_fewer: bool = False) -> Ready:
    """Prepare every community of the network for its part of so many transactions.

    `or_fewer`, and a closed loop: where the homes cannot send so many, for as many as they can.

    Raises:
        UsageError: the network file cannot be used, or a channel has another market or clock than the scenario needs.
        Refused, ClientError: the contract or the network failed a transaction.
    """
    network = read_network_file(options.network_file or default_path())
    if _scenario(options, network) == MESSAGES:
        return _ready_for_messages(options, network, transactions, or_fewer)
    from commonwatt_loadgen.throughput.prepare import (  # numpy is slow to load
        most_transactions,
        prepare_workload,
    )

    per_community = -(-transactions // len(network.communities))
    if options.in_flight or or_fewer:
        smallest = min(len(community.homes) for community in network.communities)
        per_community = min(per_community, most_transactions(smallest))
        transactions = per_community * len(network.communities)

    async def prepared() -> list[Readings]:
        return await asyncio.gather(
            *(prepare_workload(network, community, per_community) for community in network.communities)
        )

    return Ready(network, tuple(asyncio.run(prepared())), transactions)


def _scenario(options: LoadOptions, network: NetworkFile) -> str:
    """The scenario that is asked for, or the one that the network's market takes."""
    markets = {market_on(network, community.channel) for community in network.communities}
    scenario = options.scenario or (MESSAGES if markets == {FORWARD} else READINGS)
    if scenario == MESSAGES:
        require_channels_with(
            FORWARD, network, "the scenario `messages` needs forward, `readings` takes ex_post"
        )
    else:
        require_channels_with(
            EX_POST, network, "the scenario `readings` needs ex_post, `messages` takes forward"
        )
    return scenario


def _ready_for_messages(
    options: LoadOptions, network: NetworkFile, transactions: int, or_fewer: bool
) -> Ready:
    from commonwatt_loadgen.throughput.prepare_messages import prepare_messages

    per_community = -(-transactions // len(network.communities))
    fewer = bool(options.in_flight) or or_fewer
    homes = min(len(community.homes) for community in network.communities)
    size = options.batch or min(USUAL_BATCH, homes * HIGHEST_SEQ)

    async def prepared() -> list[Messages]:
        return await asyncio.gather(
            *(
                prepare_messages(network, community, per_community, size, options.duration_s, or_fewer=fewer)
                for community in network.communities
            )
        )

    workloads = asyncio.run(prepared())
    if fewer:
        per_community = min(per_community, *(workload.most for workload in workloads))
        transactions = per_community * len(network.communities)
    return Ready(network, tuple(workloads), transactions)


def load(options: LoadOptions, watcher: Watcher | None = None) -> Json:
    """Load every community of the network at once and return the summary.

    Raises:
        UsageError: the options or the network file cannot be used.
        IncompleteRun: a generator was lost, or totals don't add up.
        Refused, ClientError: the network could not be prepared.
    """
    times = schedule(options)
    most = round(options.duration_s * _CLOSED_LOOP_PER_S) if options.in_flight else len(times)
    return run(options, make_ready(options, most), times, watcher)


def schedule(options: LoadOptions) -> list[float]:
    """Intended times in seconds from the start; none in a closed loop.

    Raises:
        UsageError: the options cannot be used.
    """
    options.check()
    if options.in_flight:
        return []
    times = intended_times(options.rate, options.duration_s, options.seed)
    if not times:
        raise UsageError(f"--rate {options.rate}: nothing to send within {options.duration_s:g} s")
    return times


def run(
    options: LoadOptions, ready: Ready, times: Sequence[float], watcher: Watcher | None = None, first: int = 0
) -> Json:
    """Send transactions `first`, `first` + 1, ... at `times`, or in a closed loop, and return the summary.

    Raises:
        UsageError: the engine of several machines cannot be used.
        IncompleteRun: a generator was lost, or totals don't add up.
    """
    after = ready.transactions if options.in_flight else first + len(times)
    shares = [
        Share(
            ready.network.path.absolute(),
            ready.workloads,
            range(first + place, after, options.workers),
            tuple(times[place :: options.workers]),
            options.timeout_s,
            -(-options.in_flight // options.workers),
            options.duration_s,
            options.ask_status,
            options.connections,
        )
        for place in range(options.workers)
    ]
    sampler = NetworkSampler(ready.network)

    began_at = ""

    def started() -> None:
        nonlocal began_at
        began_at = datetime.now(UTC).isoformat(timespec="seconds")
        sampler.start()
        if watcher:
            watcher.started(len(times), len(shares), sampler)

    def told(generator: int, progress: Progress) -> None:
        if watcher:
            watcher.told(generator, progress)

    longest_s = options.duration_s + _PHASES_TO_END * options.timeout_s + _SLACK_S
    try:
        if options.dask:
            from commonwatt_loadgen.throughput.machines import run_on_machines

            reports = run_on_machines(options.dask, shares, longest_s, started, told)
        else:
            reports = run_in_processes(shares, longest_s, started, told)
    finally:
        sampler.stop()
    return summarize(options, ready.network, shares, reports, sampler.processes, sampler.nodes, began_at)
