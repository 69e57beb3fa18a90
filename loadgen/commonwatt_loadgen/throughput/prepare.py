# SPDX-License-Identifier: Apache-2.0
"""A community made ready for a throughput test; apart from the workload, so that generators start without pandas."""

import asyncio

from commonwatt_chaincode.market.tariff import DAY_S, MINUTE_S
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import Community, NetworkFile

from commonwatt_loadgen.community import make_community
from commonwatt_loadgen.simulate.calls import OPERATOR, MarketCalls
from commonwatt_loadgen.simulate.gateway import GatewayCalls
from commonwatt_loadgen.simulate.latency import Latencies
from commonwatt_loadgen.simulate.preparation import prepare
from commonwatt_loadgen.throughput.workload import DAYS_APART, INTERVAL_S, Readings
from commonwatt_loadgen.traces import default_types

_MOST_DAYS = 3_650 // DAYS_APART - 2  # the contract takes readings for ten years at most


def most_transactions(homes: int) -> int:
    """How many readings so many homes can report late: all half hours of every second day of ten years."""
    return _MOST_DAYS * (DAY_S // INTERVAL_S) * homes


async def prepare_workload(network: NetworkFile, community: Community, transactions: int) -> Readings:
    """Register the community's homes where needed, and move the market's clock past days that nobody reported.

    Raises:
        UsageError: the channel's clock is not simulated, or so many transactions need more than ten years of readings.
    """
    traces = default_types()
    homes = make_community(traces, list(community.homes), prosumer_share_ppm=200_000, storage_wh=5000, seed=1)
    most = most_transactions(len(homes))
    if transactions > most:
        raise UsageError(
            f"{transactions:,} transactions do not fit channel {community.channel}: with {len(homes)} homes at most "
            f"{most:,} do. Lower the rate or the duration, or start the network with more homes"
        )
    reported_days = min(transactions // len(homes) + 1, _MOST_DAYS)
    days = DAYS_APART * (reported_days + 1)
    calls = GatewayCalls(network.path, community, Latencies())
    try:
        standing = await prepare(
            calls,
            community.channel,
            homes,
            traces.first_day,
            {},
            "the scenario `readings`, which reports past days,",
        )
        end_s = standing.midnight_s + days * DAY_S
        if standing.rules.correct_within_d <= days:
            await calls.submit(OPERATOR, "configure", {"parameters": {"correct_within_d": days + 1}})
        await calls.submit(OPERATOR, "advance_clock", {"at": end_s})
        await asyncio.gather(*(_meter_until(calls, home.home, end_s) for home in homes))
    finally:
        await calls.close()
    users = tuple(community.homes.items())
    return Readings(
        community.channel, community.organization, users, standing.midnight_s + DAY_S, reported_days
    )


async def _meter_until(calls: MarketCalls, home: str, end_s: int) -> None:
    """Report a home's last minute, so that all days before it count as reported late."""
    argument = {
        "home": home,
        "interval_start": end_s - MINUTE_S,
        "interval_end": end_s,
        "use_wh": 0,
        "generation_wh": 0,
    }
    await calls.submit(home, "report_reading", argument)
