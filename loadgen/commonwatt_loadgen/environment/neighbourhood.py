# SPDX-License-Identifier: Apache-2.0
"""A community in the forward market, some of whose homes are told what to do. Both environments are built on it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from commonwatt_chaincode.market.battery import battery_of
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_client.exit_codes import UsageError
from commonwatt_community import plugins
from commonwatt_community.hems.forward.agent import ForwardAgent
from numpy.typing import NDArray

from commonwatt_loadgen.environment.acting import ActingAgent, Action
from commonwatt_loadgen.environment.observing import OBSERVED, observed
from commonwatt_loadgen.forward.agreement import feed_in_by_hour, rules_of
from commonwatt_loadgen.forward.community import agents_of, in_process
from commonwatt_loadgen.forward.market import Award
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.steps import Steps
from commonwatt_loadgen.forward.without_market import WithoutMarket
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import draw_homes

DEFAULT = ForwardOptions(run=SimulationOptions(homes=10, share_percent=40, noise_percent=20))
"""A day of ten homes, four of which have PV and a battery, with noise so that episodes differ."""

MOST_SEEDS = 2**31
_NAUD_PER_AUD = 10**9


def home_ids(options: ForwardOptions) -> list[str]:
    """The homes' names, the same in every episode. UsageError where the options cannot be."""
    if options.run.homes < 1:
        raise UsageError("an environment needs `homes` of at least 1")
    return [f"home{number:03d}" for number in range(1, options.run.homes + 1)]


@dataclass(frozen=True)
class Outcome:
    """What a home's periods that were settled in a step came to, in nAUD, with the market and without it."""

    amount_naud: int
    without_naud: int

    @property
    def saved_aud(self) -> float:
        return (self.without_naud - self.amount_naud) / _NAUD_PER_AUD

    def as_info(self) -> dict[str, Any]:
        """For an environment's `info`."""
        return {"amount_naud": self.amount_naud, "without_naud": self.without_naud}


class Neighbourhood:
    """One episode: the homes that `seed` draws, from the first period to the last."""

    def __init__(self, options: ForwardOptions, seed: int, acting: Collection[str]) -> None:
        """`acting` are the homes that are told what to do; "" among them is the first home with a battery.

        Raises:
            UsageError: the options cannot be, or there is no such home.
        """
        options = replace(options, run=replace(options.run, seed=seed))
        options.check()
        traces, _ = options.run.trace_set()
        names = home_ids(options)
        rules = rules_of(options, names, options.first_day or traces.first_day)
        feed_in = feed_in_by_hour(options.feed_in)
        homes = draw_homes(options.run, names, traces, seed, feed_in_by_hour=feed_in)
        chosen = {name or next((one.home for one in homes if one.storage_wh), names[0]) for name in acting}
        strangers = chosen - set(names)
        if strangers:
            raise UsageError(f"{min(strangers)} is no home of this community: {names[0]} to {names[-1]} are")
        forecast = plugins.choose("forecasts", options.run.forecast)
        self.acting: dict[str, ActingAgent] = {
            home.home: ActingAgent(
                home,
                battery_of(Parameters(), home.storage_wh),
                rules.period_min,
                forecast(),
                rules.highest_feed_in,
                options.curtail,
            )
            for home in homes
            if home.home in chosen
        }
        agents: list[ForwardAgent] = [
            self.acting.get(agent.home, agent) for agent in agents_of(options, homes, rules)
        ]
        self._without = WithoutMarket(agents, options.curtail)
        self._steps = Steps(in_process(rules, agents), rules, agents, options.run.days)
        self._awards: Mapping[str, Award] = {}

    @property
    def over(self) -> bool:
        """Whether the last period is settled."""
        return self._steps.over

    @property
    def steps(self) -> Steps:
        return self._steps

    def observe(self, home: str) -> NDArray[np.float32]:
        """What a home sees before it acts; after the last period, only zeros."""
        if self.over:
            return np.zeros(len(OBSERVED), dtype=np.float32)
        last = self._awards.get(home, Award())
        return observed(self.acting[home], self._steps.place, self._steps.outlook, last)

    def act(self, actions: Mapping[str, Action]) -> dict[str, Outcome]:
        """Bid for the next period; what the acting homes' periods that were settled came to."""
        for home, action in actions.items():
            self.acting[home].action = action
        step = self._steps.step()
        self._awards = step.cleared.awards
        sums = {home: [0, 0] for home in self.acting}
        for record in step.settled:
            for home, read in record.reads.items():
                one = record.settled[home]
                without = self._without.live(home, read, one.prices, record.caps.get(home))
                if home in sums:
                    sums[home][0] += one.line.amount_naud
                    sums[home][1] += without.amount_naud
        return {home: Outcome(amount, without) for home, (amount, without) in sums.items()}
