# SPDX-License-Identifier: Apache-2.0
"""What a home asks its market: some questions until they are answered, others once."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.periods import Period

from ..hems.forward.agent import NO_CAPS
from ..market.refused import Refused
from ..market.results import PeriodAwards
from ..meters.clock import Clock
from .lines import Lines
from .outbox import CLOCK, CLOCK_DIFFERS
from .routes import Asks, NoWay, Routes

_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_QUESTIONS = "questions"
Answer = TypeVar("Answer")


class Questions:
    """The questions of one home. An outage is told to the household."""

    def __init__(self, routes: Routes, home: str, lines: Lines, clock: Clock) -> None:
        self.home = home
        self._routes = routes
        self._lines = lines
        self._clock = clock

    async def answered(self, question: Callable[[Asks], Awaitable[Answer]]) -> Answer:
        """The answer, however long it takes."""
        pause_s = _PAUSE_S
        while True:
            try:
                answer = await self._routes.ask(question)
            except Refused as refused:
                self._refused(refused)
            except NoWay as error:
                self._lines.trouble(_QUESTIONS, f"no way to the market: {error}; I count, and ask again")
            else:
                self._lines.over(_QUESTIONS, "the market answers questions again")
                self._lines.over(CLOCK, "the market takes this machine's clock again")
                return answer
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _refused(self, refused: Refused) -> None:
        if refused.code == "clock_differs":
            self._lines.trouble(CLOCK, CLOCK_DIFFERS)
        else:
            self._lines.trouble(
                _QUESTIONS,
                f"the market does not answer this home: {refused}; its operator registers it and sets its key",
            )

    async def caps(self, period: Period) -> Caps:
        """What the envelopes allow; none is taken for no bound, for the clearing cuts what is beyond one."""
        try:
            found = await self._routes.ask(lambda asks: asks.get_envelopes(period.id, self.home))
            return found.caps or NO_CAPS
        except (Refused, NoWay):
            return NO_CAPS

    async def awards(self, period: Period) -> PeriodAwards | None:
        """What the period's clearing gave this home; None while nobody says so."""
        try:
            found = await self._routes.ask(
                lambda asks: asks.list_awards(period.id, period.id + period.length_min, self.home)
            )
        except (Refused, NoWay):
            return None
        return next((one for one in found if one.period == period.id), None)
