# SPDX-License-Identifier: Apache-2.0
"""Days of a community in the forward market, one period's bids at a time: for those who decide between periods."""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_community.hems.forward.agent import ForwardAgent

from commonwatt_loadgen.forward.engine import Community, Outlook, PeriodRecord
from commonwatt_loadgen.forward.inprocess import InProcessForwardMarket
from commonwatt_loadgen.forward.market import Award, Cleared
from commonwatt_loadgen.forward.rules import ForwardRules

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """What the bids for a period came to, and the earlier periods that were settled since, in order."""

    cleared: Cleared
    settled: Sequence[PeriodRecord]

    def award(self, home: str) -> Award:
        """What a home's bid came to."""
        return self.cleared.awards.get(home, Award())


class Steps:
    """The same days as `engine.live`, in the same order, to the nAUD."""

    def __init__(
        self, market: InProcessForwardMarket, rules: ForwardRules, agents: Sequence[ForwardAgent], days: int
    ) -> None:
        self._market = market
        self._rules = rules
        self._community = Community(market, rules, agents, days)
        self._lengths = [len(rules.periods(day)) for day in range(days)]
        self._lived = 0
        self._billed = 0
        self.place = 0
        """The period that is bid for next."""
        self.bills: list[Mapping[str, Bill]] = []
        """Those of the days that are over."""

    @property
    def over(self) -> bool:
        """Whether all periods are settled."""
        return self.place == sum(self._lengths)

    @property
    def outlook(self) -> Outlook:
        """What homes know when they bid for the next period."""
        return self._community.outlook(self.place, self._lived)

    def step(self) -> Step:
        """Let every home bid for the next period; live and settle those that are over when they bid again."""
        cleared = _at_once(self._community.bid(self.place, self._lived))
        self.place += 1
        settled = []
        while self._lived < self.place and (self.over or self._community.is_over(self._lived, self.place)):
            settled.append(_at_once(self._community.settle(self._community.live(self._lived))))
            self._lived += 1
            if self._lived == sum(self._lengths[: self._billed + 1]):
                self.bills.append(_at_once(self._market.bill(self._rules.first_day + self._billed)))
                self._billed += 1
        return Step(cleared, settled)


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that waits for nothing: the market in this process."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("a market in this process waited for something")
