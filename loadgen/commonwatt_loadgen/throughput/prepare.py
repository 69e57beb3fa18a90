# SPDX-License-Identifier: Apache-2.0
"""A community made ready for a throughput test; apart from the workload, so that generators start without pandas."""

import secrets

from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import Community, NetworkFile

from commonwatt_loadgen.community import make_community
from commonwatt_loadgen.simulate.gateway import GatewayCalls
from commonwatt_loadgen.simulate.latency import Latencies
from commonwatt_loadgen.simulate.preparation import prepare
from commonwatt_loadgen.throughput.workload import Workload
from commonwatt_loadgen.traces import default_types


async def prepare_workload(network: NetworkFile, community: Community, transactions: int) -> Workload:
    """Register the community's homes where needed and find a stretch of past market time that no run has used.

    Raises:
        UsageError: the channel's clock is not simulated.
    """
    traces = default_types()
    homes = make_community(traces, list(community.homes), prosumer_share_ppm=200_000, storage_wh=5000, seed=1)
    calls = GatewayCalls(network.path, community, Latencies())
    try:
        standing = await prepare(calls, community.channel, homes, traces.first_day, {})
        if standing.midnight_s > standing.market_time:
            await calls.submit("operator", "advance_clock", {"at": standing.midnight_s})
    finally:
        await calls.close()
    needed = transactions // len(community.homes) + 1
    if needed >= standing.midnight_s // 4:
        raise UsageError("so many transactions do not fit the market's past; lower the rate or the duration")
    first = secrets.randbelow(standing.midnight_s // 2 - needed)  # decades before any simulated day
    return Workload(community.channel, community.organization, tuple(community.homes.items()), first)
