# SPDX-License-Identifier: Apache-2.0
"""The rules of a simulated community put into force on its channel, before the first simulated day."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from commonwatt_chaincode.market.forward.bids import Connection
from commonwatt_chaincode.market.forward.periods import offset_at
from commonwatt_chaincode.market.forward.tariffs import Version
from commonwatt_chaincode.market.tariff import MINUTE_S, day_start, local_day
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import MARKET, Community, NetworkFile
from commonwatt_community.hems.home import HomeSpec
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import Configuration

from commonwatt_loadgen.forward.agreement import EPOCH
from commonwatt_loadgen.forward.onledger import Exchange, OnLedgerForwardMarket
from commonwatt_loadgen.forward.parties import Parties, key_file
from commonwatt_loadgen.forward.rules import ForwardRules
from commonwatt_loadgen.forward.setup import configured, with_homes

Json = dict[str, Any]
VOID_AFTER_S = 240
"""Until so long after a gate a community brings its residual: until its round is void."""


async def first_day_on(parties: Parties, wanted: date, asked_for: bool) -> date:
    """The day with which a simulation begins on a channel: `wanted` on a new one, else one that lies ahead of it.

    Raises:
        UsageError: the day was asked for, and homes can no longer bid for its first period.
    """
    try:
        standing = await parties.operator.get_configuration()
    except Refused as refusal:
        if refusal.code != "not_configured":
            raise
        return wanted
    configuration = standing.configuration
    opens_before_s = max(one.times.opens_before_s for one in configuration.rules)
    ahead = local_day(standing.now_s + opens_before_s + MINUTE_S - 1, configuration.offsets) + 1
    if asked_for and (wanted - EPOCH).days < ahead:
        raise UsageError(
            f"--first-day {wanted}: the channel's market time is past it; the first day that lies ahead is "
            f"{EPOCH + timedelta(days=ahead)}"
        )
    return max(wanted, EPOCH + timedelta(days=ahead))


async def found(
    parties: Parties,
    network: NetworkFile,
    community: Community,
    homes: Sequence[HomeSpec],
    connections: Mapping[str, Connection],
    rules: ForwardRules,
    exchange: tuple[str, Exchange] | None = None,
) -> OnLedgerForwardMarket:
    """Configure a new channel by `rules`, register its homes from the first simulated day on, and give them keys.

    A channel that has traded by these rules before goes on. `exchange`: the channel and the rounds of the exchange on
    which the community trades.

    Raises:
        UsageError: the channel has a live clock, or other rules.
    """
    midnight_s = day_start(rules.first_day, rules.offsets)
    first = first_configuration(rules, midnight_s - rules.times.opens_before_s - MINUTE_S)
    if exchange is not None:
        first["exchange"] = {"channel": exchange[0], "chaincode": MARKET, "void_after_s": VOID_AFTER_S}
    # A channel that nobody has configured runs on no clock yet: the topology says which one is meant.
    simulated = network.clock(community.channel) == "simulated"
    standing = await configured(parties.operator, first) if simulated else None
    if standing is None or standing.configuration.clock != "simulated":
        raise UsageError(
            f"channel {community.channel} runs on a live clock; `simulate` needs `clock: simulated` in the topology"
        )
    named = standing.configuration.rules[0].exchange
    if not _agrees(standing.configuration, rules, midnight_s) or (named and named.channel) != (
        exchange and exchange[0]
    ):
        raise UsageError(
            f"channel {community.channel} has traded by other rules; begin with a new ledger: "
            "`make network-reset network-up`"
        )
    others = {one.home for one in await parties.operator.list_homes()} - connections.keys()
    if others:
        raise UsageError(
            f"channel {community.channel} has {len(others)} registered homes that this simulation leaves out, and each "
            "period needs their readings to settle; simulate all homes (--homes 0), or begin with a new ledger: "
            "`make network-reset network-up`"
        )
    version = standing.configuration.version
    for starts_s, offset_min in rules.offsets:
        if offset_at(starts_s, standing.configuration.offsets) != offset_min and starts_s > midnight_s:
            done = await parties.operator.configure(
                version, from_period=starts_s // MINUTE_S, utc_offset_min=offset_min
            )
            version = done.version
    authors = await with_homes(
        parties,
        community.channel,
        standing.configuration.net,
        [
            {
                "home": home.home,
                "home_class": "prosumer" if home.prosumer else "consumer",
                "storage_wh": home.storage_wh,
                **connections[home.home]._asdict(),
            }
            for home in homes
        ],
        {home.home: key_file(network, community, home.home) for home in homes},
    )
    for one in sorted(rules.envelopes, key=lambda envelope: envelope.published_s):
        await parties.grid.set_envelope(
            one.from_period, one.to_period, home=one.home, import_w=one.import_w, export_w=one.export_w
        )
    if rules.keys_ppm:
        await parties.operator.set_sharing_keys(midnight_s // MINUTE_S, rules.keys_ppm)
    rounds = None if exchange is None else exchange[1]
    return OnLedgerForwardMarket(parties.operator, rules, authors, standing.now_s, rounds)


def first_configuration(rules: ForwardRules, at_s: int) -> Json:
    """The argument of a channel's first `configure`, with its clock at a time."""
    return {
        "clock": "simulated",
        "at_s": at_s,
        "period_min": rules.period_min,
        "utc_offset_min": rules.offsets[0][1],
        "times": asdict(rules.times),
        "pricing": rules.pricing,
        "sharing": rules.sharing,
        "estimate_w": rules.estimate_w,
        "tariff": _tariff(rules.tariffs[0]),
        **({} if rules.carbon is None else {"carbon": asdict(rules.carbon)}),
    }


def _tariff(version: Version) -> Json:
    return {
        "schedules": [
            {
                "days": one.days._asdict(),
                "bands": [band._asdict() for band in one.bands],
            }
            for one in version.schedules
        ],
        "local_fee": version.local_fee,
        "supply_naud_per_day": version.supply_naud_per_day,
        "demand": version.demand and {**version.demand._asdict(), "days": version.demand.days._asdict()},
    }


def _agrees(configuration: Configuration, rules: ForwardRules, midnight_s: int) -> bool:
    """Whether a channel trades by these rules: by its first configuration, with no other rules or tariff since."""
    in_force = configuration.rules[0]
    return (
        len(configuration.rules) == len(configuration.lengths) == len(configuration.tariffs) == 1
        and configuration.lengths[0][1] == rules.period_min
        and offset_at(midnight_s, configuration.offsets) == offset_at(midnight_s, rules.offsets)
        and in_force.times == rules.times
        and (in_force.pricing, in_force.sharing) == (rules.pricing, rules.sharing)
        and (in_force.estimate_w, in_force.carbon) == (rules.estimate_w, rules.carbon)
        and _tariff(configuration.tariffs[0]) == _tariff(rules.tariffs[0])
    )
