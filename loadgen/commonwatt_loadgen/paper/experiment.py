# SPDX-License-Identifier: Apache-2.0
"""One simulated day of an experiment, and what is kept of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from commonwatt_chaincode.market.battery import Account
from commonwatt_chaincode.market.parameters import PAPER, Parameters, changed
from commonwatt_chaincode.market.settlement import settle_interval
from commonwatt_chaincode.market.tariff import tou_at
from commonwatt_community.hems.agent import HomeAgent, Settlement
from commonwatt_community.hems.energy import MINUTES_PER_DAY

from commonwatt_loadgen.community import make_community
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.records import DayRecord
from commonwatt_loadgen.simulate.hours import by_hour
from commonwatt_loadgen.traces import default_types

VARIANTS = (
    "gross feed-in",
    "net feed-in",
    "own battery, surplus fed in",
    "own battery, surplus wasted",
    "without PV",
)
"""What a prosumer might pay without the market; the paper leaves it open."""


@dataclass(frozen=True)
class Preset:
    """A reading of the paper's inputs: the scale of usage and what becomes of spilt energy."""

    name: str
    usage_scale_ppm: int
    spill_policy: str
    description: str


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("RAW", 1_000_000, "WASTE", "the 15 types as measured, 10.4 kWh a day"),
        Preset(
            "NSW",
            1_684_000,
            "WASTE",
            "usage x 1.684: the Ausgrid sample's mean with controlled load, 17.5 kWh a day",
        ),
        Preset(
            "FIT",
            1_800_000,
            "FEED_IN",
            "usage x 1.8, and surplus that finds no room sold at the feed-in tariff",
        ),
    )
}


@dataclass(frozen=True)
class Experiment:
    """What one run is given, and how it reads what the paper leaves open.

    `begin_percent` is how full batteries are at 0:00, between the least and the most that they hold. `storage_wh`: None
    is the community's own. `ties` other than 0 gives homes other ids, by which equal prices are ordered; each draws the
    same.
    """

    preset: str
    users: int
    share_percent: int
    seed: int
    begin_percent: int = 0
    storage_wh: int | None = None
    ties: int = 0


@dataclass(frozen=True)
class Outcome:
    """What is kept of a run: money in nAUD, energy in Wh, by the hour of the day in which it flowed where so named."""

    experiment: Experiment
    requests: int
    offers: int
    fills: int
    use_wh: int
    need_wh: int
    p2p_wh: int
    consumers: int
    consumers_naud: int
    consumers_traditional_naud: int
    prosumers: int
    prosumers_naud: int
    prosumers_traditional_naud: tuple[int, ...]
    p2p_by_hour_wh: tuple[int, ...]
    grid_by_hour_wh: tuple[int, ...]
    paid_by_hour_naud: tuple[int, ...]


def run(experiment: Experiment) -> Outcome:
    """Trade one day, one round per request."""
    preset = PRESETS[experiment.preset]
    rules = changed(Parameters(), {**PAPER, "spill_policy": preset.spill_policy})
    homes = make_community(
        default_types(preset.usage_scale_ppm),
        [f"home{number:03d}" for number in range(1, experiment.users + 1)],
        prosumer_share_ppm=experiment.share_percent * 10_000,
        storage_wh=rules.storage_wh if experiment.storage_wh is None else experiment.storage_wh,
        seed=experiment.seed,
    )
    if experiment.ties:
        homes = [replace(home, home=f"{experiment.ties}-{home.home}", user=home.home) for home in homes]
    agents = [HomeAgent(home, rules, experiment.seed) for home in homes]
    for agent in agents:
        agent.account = beginning(agent, experiment.begin_percent)
    day = InProcessMarket(rules).run_day(agents, 0)
    return _kept(experiment, rules, agents, day)


def beginning(agent: HomeAgent, percent: int) -> Account:
    """What a home's battery holds at 0:00, if it is that full."""
    battery = agent.battery
    return Account(battery.e_min_wh + (battery.e_max_wh - battery.e_min_wh) * percent // 100)


def _kept(experiment: Experiment, rules: Parameters, agents: Sequence[HomeAgent], day: DayRecord) -> Outcome:
    consumers = [day.bills[agent.home] for agent in agents if not agent.spec.prosumer]
    prosumers = [agent for agent in agents if agent.spec.prosumer]
    p2p, grid, paid = [0] * 24, [0] * 24, [0] * 24
    for one in day.rounds:
        request = one.request
        for sums, flow in (
            (p2p, request.p2p_energy_wh),
            (grid, request.grid_energy_wh),
            (paid, request.amount_naud),
        ):
            for hour, part in by_hour(one.minute, one.opened_min, flow):
                sums[hour] += part
    by_home: dict[str, list[Settlement]] = {agent.home: [] for agent in prosumers}
    for settled in day.settlements:
        if settled.home in by_home:
            by_home[settled.home].append(settled)
    variants = [0] * len(VARIANTS)
    for agent in prosumers:
        begin = beginning(agent, experiment.begin_percent)
        for place, amount in enumerate(traditional_variants(agent, rules, by_home[agent.home], begin)):
            variants[place] += amount
    return Outcome(
        experiment=experiment,
        requests=len(day.rounds),
        offers=sum(len(one.offers) for one in day.rounds),
        fills=sum(len(one.fills) for one in day.rounds),
        use_wh=sum(settled.use_wh for settled in day.settlements),
        need_wh=sum(one.request.energy_wh for one in day.rounds),
        p2p_wh=sum(p2p),
        consumers=len(consumers),
        consumers_naud=sum(bill.amount_naud for bill in consumers),
        consumers_traditional_naud=sum(bill.traditional_naud for bill in consumers),
        prosumers=len(prosumers),
        prosumers_naud=sum(day.bills[agent.home].amount_naud for agent in prosumers),
        prosumers_traditional_naud=tuple(variants),
        p2p_by_hour_wh=tuple(p2p),
        grid_by_hour_wh=tuple(grid),
        paid_by_hour_naud=tuple(paid),
    )


def traditional_variants(
    agent: HomeAgent, rules: Parameters, intervals: Sequence[Settlement], account: Account
) -> list[int]:
    """A prosumer's cost without the market in nAUD, by each of `VARIANTS`; its battery begins with `account`."""
    gross = net = fed_in = wasted = no_pv = 0
    for one in intervals:
        tou = tou_at(rules.tou, one.start_min % MINUTES_PER_DAY)
        net_wh = one.use_wh - one.generation_wh
        gross += one.use_wh * tou - one.generation_wh * rules.feed_in
        net += max(0, net_wh) * tou - max(0, -net_wh) * rules.feed_in
        no_pv += one.use_wh * tou
        alone = settle_interval(
            agent.battery, account, one.end_min - one.start_min, one.use_wh, one.generation_wh
        )
        account = alone.account
        wasted += alone.need_wh * tou
        fed_in += alone.need_wh * tou - alone.spill_wh * rules.feed_in
    return [gross, net, fed_in, wasted, no_pv]
