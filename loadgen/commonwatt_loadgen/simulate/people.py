# SPDX-License-Identifier: Apache-2.0
"""The homes and agents of a community as the options want them, on a ledger or in this process alike."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from commonwatt_chaincode.market.battery import Account
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.tariff import HOUR_MIN, TABLE_2, tou_at
from commonwatt_client.exit_codes import UsageError
from commonwatt_community import plugins
from commonwatt_community.hems.agent import HomeAgent
from commonwatt_community.hems.devices.household import Prices, with_devices
from commonwatt_community.hems.energy import MINUTES_PER_DAY, SLOT_MINUTES
from commonwatt_community.hems.flexibility import with_flexible_consumers
from commonwatt_community.hems.home import HomeSpec
from commonwatt_community.hems.noise import with_noise

from commonwatt_loadgen.community import make_community
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.traces import TraceSet

_UAUD_PER_CENT = 10_000
FEED_IN_BY_HOUR = (Parameters().feed_in,) * 24


def draw_homes(
    options: SimulationOptions,
    home_ids: Sequence[str],
    traces: TraceSet,
    seed: int,
    users: Mapping[str, str] = MappingProxyType({}),
    feed_in_by_hour: Sequence[int] = FEED_IN_BY_HOUR,
) -> list[HomeSpec]:
    """Homes with their types, noise, installations and devices drawn; raises UsageError where the traces cannot do.

    `users`: the name of each home whose id is random. `feed_in_by_hour`, in µAUD per kWh, counts for devices alone.
    """
    try:
        homes = make_community(
            traces,
            list(home_ids),
            prosumer_share_ppm=round(options.share_percent * 10_000),
            storage_wh=options.storage_wh,
            seed=seed,
            strategies=list(options.strategies),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    named = [replace(home, user=users.get(home.home, "")) for home in homes]
    return with_devices(
        with_noise(named, options.noise_percent, seed),
        _prices(feed_in_by_hour),
        seed,
        ev_percent=options.ev_percent,
        hot_water_percent=options.hot_water_percent,
        deferrable_percent=options.deferrable_percent,
        planned=not options.devices_at_once,
    )


def _prices(feed_in_by_hour: Sequence[int]) -> Prices:
    """What devices plan by: Table 2, and what the grid pays."""
    minutes = range(0, MINUTES_PER_DAY, SLOT_MINUTES)
    return Prices(
        tuple(tou_at(TABLE_2, minute) for minute in minutes),
        tuple(feed_in_by_hour[minute // HOUR_MIN] for minute in minutes),
    )


def as_they_live(options: SimulationOptions, homes: list[HomeSpec], rules: Parameters) -> list[HomeSpec]:
    """The homes with consumers' loads moved under the community's tariff, where the options want that."""
    if options.disutility is None:
        return homes
    return with_flexible_consumers(homes, rules.tou, max(1, round(options.disutility * _UAUD_PER_CENT)))


def agents_of(
    options: SimulationOptions,
    homes: Sequence[HomeSpec],
    rules: Parameters,
    accounts: Mapping[str, Account],
    seed: int,
) -> list[HomeAgent]:
    """An agent per home that holds what its account holds; a home without one begins with an empty battery.

    Raises:
        PluginError: a strategy comes from a package that cannot be used.
    """
    strategies = {name: plugins.choose("strategies", name) for name in {home.strategy for home in homes}}
    agents = []
    for home in homes:
        agent = HomeAgent(
            home,
            rules,
            seed,
            strategy=strategies[home.strategy](),
            forecast=options.forecast,
            battery_policy=options.battery,
        )
        agent.account = accounts.get(home.home, agent.account)
        agents.append(agent)
    return agents
