# SPDX-License-Identifier: Apache-2.0
"""A channel of the forward market made ready for a load of messages: homes with keys, and periods that take bids."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from commonwatt_chaincode.market.forward.gates import gate_s, window_opens_s
from commonwatt_chaincode.market.forward.periods import Period, period_at
from commonwatt_chaincode.market.tariff import DAY_S, MINUTE_S
from commonwatt_chaincode.messages.fields import HIGHEST_SEQ
from commonwatt_chaincode.messages.message import BID
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import Community, NetworkFile
from commonwatt_community.market.forward import ForwardMarket, organizations_of
from commonwatt_community.market.results import Configuration, Standing

from commonwatt_loadgen.forward.parties import grid_user, key_file, parties_of
from commonwatt_loadgen.forward.setup import configured, with_homes
from commonwatt_loadgen.throughput.messages import Messages
from commonwatt_loadgen.throughput.workload import Sender

PERIOD_MIN = 5
_OPENS_BEFORE_S = 7 * DAY_S  # as far ahead as the contract allows: so many periods take bids at once
_FIRST_S = 1_735_689_600  # 1 January 2025
_TOU, _FEED_IN = 300_000, 100_000
_SPARE_S = 60
_MARGIN_S = 5  # signing, and the last batch on its way

_EVERYWHERE: Mapping[str, Any] = {
    "utc_offset_min": 0,
    "tariff": {
        "schedules": [
            {
                "days": {"weekdays": [0, 1, 2, 3, 4, 5, 6], "holidays": True},
                "bands": [
                    {
                        "name": "all day",
                        "from_min": 0,
                        "to_min": 1440,
                        "tou": _TOU,
                        "feed_in": _FEED_IN,
                        "sharing_price": None,
                    }
                ],
            }
        ]
    },
}
FIRST: Mapping[str, Mapping[str, Any]] = {
    "simulated": {
        **_EVERYWHERE,
        "clock": "simulated",
        "at_s": _FIRST_S,
        "period_min": PERIOD_MIN,
        "key_delay_h": _OPENS_BEFORE_S // 3_600,
        "times": {"opens_before_s": _OPENS_BEFORE_S},
    },
    # Short periods: homes that were registered just now take part within a minute.
    "live": {
        **_EVERYWHERE,
        "clock": "live",
        "period_min": 1,
        "times": {"opens_before_s": 300, "closes_before_s": 60, "clock_error_s": 10, "gate_grace_s": 10},
    },
}
"""What a new channel is configured with, by its clock in the topology."""


async def prepare_messages(
    network: NetworkFile, community: Community, batches: int, size: int, duration_s: float, *, or_fewer: bool
) -> Messages:
    """Register the community's homes with keys, and find periods that take bids for so long.

    On a simulated clock it moves past the periods of earlier loads; on a live one it waits until a period takes bids of
    every home. `or_fewer`: as many batches as fit will do.

    Raises:
        UsageError: so many batches do not fit.
    """
    channel = community.channel
    homes = [
        {"home": home, "home_class": "consumer", "connection_w": 24_000, "pv_w": 0, "battery_w": 0}
        for home in community.homes
    ]
    if size > len(homes) * HIGHEST_SEQ:
        raise UsageError(
            f"--batch {size}: a period takes {HIGHEST_SEQ} messages of each home, so the {len(homes)} homes of channel "
            f"{channel} send {len(homes) * HIGHEST_SEQ} at most; lower it, or start the network with more homes"
        )
    key_files = {home: key_file(network, community, home) for home in community.homes}
    async with parties_of(network, community) as parties:
        standing = await configured(parties.operator, FIRST[network.clock(channel)])
        await with_homes(parties, channel, standing.configuration.net, homes, key_files, as_they_are=True)
        if standing.configuration.clock == "simulated":
            to_s = _past_open_windows_s(standing)
            await parties.operator.advance_clock(to_s)
            periods = _open_periods(standing.configuration, to_s, to_s)
        else:
            periods = await _open_live_periods(parties.operator, community.homes, round(duration_s))
    workload = Messages(
        channel,
        standing.configuration.net,
        (Sender(community.organization, community.operator), Sender(*grid_user(network, community))),
        tuple(network.content["channels"][channel]["organizations"]),
        organizations_of(network.content, network.path, channel),
        key_files,
        periods,
        size,
        _TOU // 2,
    )
    if workload.most < batches and not (or_fewer and workload.most):
        raise UsageError(
            f"{batches:,} batches of {size} messages do not fit channel {channel}: {len(periods)} periods take bids "
            f"now, so {workload.most:,} do. Lower the rate or the duration, start the network with more homes, or "
            "begin with a new ledger and `clock: simulated`. Its periods take a load's bids seven days ahead"
        )
    return workload


async def _open_live_periods(operator: ForwardMarket, homes: Collection[str], duration_s: int) -> range:
    """The periods that take bids of all homes now and for so long, and hold none yet; it waits for the next window.

    A home that bids anew under numbers that it used contradicts itself.
    """
    from_period = max(
        one.versions[0].from_period
        for one in await operator.list_homes()
        if one.home in homes and one.versions
    )
    while True:
        standing = await operator.get_configuration()
        configuration, now_s = standing.configuration, standing.now_s
        found = _open_periods(configuration, now_s, now_s + duration_s + _MARGIN_S)
        for period in found:
            if period >= from_period and await operator.list_messages(BID, period):
                from_period = period + found.step
        free = range(max(found.start, from_period), max(found.stop, from_period), found.step)
        following = period_at(from_period * MINUTE_S, configuration.lengths, configuration.offsets)
        opens_s = window_opens_s(following, configuration.rules_of(following.id).times)
        if free or opens_s <= now_s:
            return free
        await asyncio.sleep(opens_s - now_s)


def _past_open_windows_s(standing: Standing) -> int:
    """A time at which no period takes bids that took any before, and the homes just registered take part."""
    configuration = standing.configuration
    widest_s = max(one.times.opens_before_s for one in configuration.rules)
    return standing.now_s + widest_s + _SPARE_S


def _open_periods(configuration: Configuration, from_s: int, until_s: int) -> range:
    """The periods that take bids at both times, as a range of their ids."""
    found: list[Period] = []
    period = period_at(from_s, configuration.lengths, configuration.offsets)
    while True:
        times = configuration.rules_of(period.id).times
        if window_opens_s(period, times) > from_s:
            break
        if gate_s(period, times) > until_s and (not found or period.length_min == found[0].length_min):
            found.append(period)
        period = period_at(period.end_s, configuration.lengths, configuration.offsets)
    if not found:
        return range(0)
    return range(found[0].id, found[-1].id + 1, found[0].length_min)
