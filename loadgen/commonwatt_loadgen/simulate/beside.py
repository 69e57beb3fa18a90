# SPDX-License-Identifier: Apache-2.0
"""The same homes, days and seed traded once more in this process, with one thing changed.

So the report sets a day with loads that move beside the day with loads at rest, and each battery policy beside the
others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from commonwatt_chaincode.market.battery import Account
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_community.hems.battery import usable_policies
from commonwatt_community.hems.home import HomeSpec

from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.past_prices import PastPrices
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import agents_of
from commonwatt_loadgen.simulate.summary import Tally

Json = dict[str, Any]
MOST_HOME_DAYS = 2_000  # each policy costs a whole run in-process


@dataclass(frozen=True)
class Beginning:
    """What a community begins its first day with: its rules, accounts and prices."""

    rules: Parameters
    accounts: Mapping[str, Account] = field(default_factory=dict)
    midnight_s: int = 0
    past: PastPrices = field(default_factory=PastPrices)


class MarketBeside:
    """A community's days in-process, from the accounts and prices that they began with."""

    def __init__(
        self, options: SimulationOptions, homes: Sequence[HomeSpec], beginning: Beginning, seed: int
    ) -> None:
        self._agents = agents_of(options, homes, beginning.rules, beginning.accounts, seed)
        self._market = InProcessMarket(beginning.rules, beginning.midnight_s, beginning.past)
        held_wh = {home: account.energy_wh for home, account in beginning.accounts.items()}
        self._tally = Tally(homes, beginning.rules, held_wh)

    def trade(self, day: int) -> None:
        """Trade the next day."""
        self._tally.add(self._market.run_day(self._agents, day))

    def summary(self) -> Json:
        """The figures of the days so far."""
        return self._tally.summary()


def by_policy(
    options: SimulationOptions, homes: Sequence[HomeSpec], beginning: Beginning, seed: int, community: Json
) -> list[Json] | None:
    """What the homes save under each battery policy; that of `community`, a summary, is the run's own.

    None where the run is too long to be repeated, or no home has a battery.
    """
    if len(homes) * options.days > MOST_HOME_DAYS or not any(home.storage_wh for home in homes):
        return None
    rows = []
    for policy in sorted(usable_policies(), key=lambda name: (name != options.battery, name)):
        figures = community
        if policy != options.battery:
            market = MarketBeside(replace(options, battery=policy), homes, beginning, seed)
            for day in range(options.days):
                market.trade(day)
            figures = market.summary()
        rows.append(_row(policy, figures))
    return rows


def _row(policy: str, figures: Json) -> Json:
    totals, worse = figures["totals"], figures["key_figures"]["worse_off"]
    saved = {one["class"]: one["saved_naud"] for one in figures["classes"]}
    return {
        "policy": policy,
        "saved_naud": totals["saved_naud"],
        "saved_percent": totals["saved_percent"],
        "prosumers_saved_naud": saved.get("prosumers", 0),
        "consumers_saved_naud": saved.get("consumers", 0),
        "worse_off": worse["homes"],
        "loss_naud": worse["loss_naud"],
        "revenue_naud": totals["p2p_amount_naud"],
        "p2p_wh": totals["p2p_wh"],
    }
