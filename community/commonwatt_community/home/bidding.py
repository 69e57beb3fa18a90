# SPDX-License-Identifier: Apache-2.0
"""When a home bids: for period after period, a while before each gate, and not while its household pauses it."""

from commonwatt_chaincode.market.forward.periods import Period

from ..meters.clock import Clock
from .bids import Bids
from .lines import Lines
from .participation import Participation
from .questions import Questions
from .settings import HomeSettings
from .trader import Choice
from .trading import Trading

_MARGIN_S = 3.0  # before a gate, a bid is too late to be carried
_KEPT_CHOICES = 1_000


class Bidding:
    """Chooses and sends; `choices` are those of the last periods, by the period's number."""

    def __init__(
        self,
        settings: HomeSettings,
        questions: Questions,
        participation: Participation,
        trading: Trading,
        bids: Bids,
        lines: Lines,
        clock: Clock,
    ) -> None:
        self._before_gate_s = settings.bid_before_gate_s
        self._questions = questions
        self._participation = participation
        self._trading = trading
        self._bids = bids
        self._lines = lines
        self._clock = clock
        self.choices: dict[int, Choice] = {}

    async def run(self) -> None:
        """Bid, without end."""
        calendar = await self._participation.known()
        period = calendar.at(self._clock.now())
        while True:
            calendar = await self._participation.known()
            gate_s = calendar.gate_s(period)
            due_s = max(calendar.opens_s(period) + 1, gate_s - self._before_gate_s)
            if self._clock.now() < gate_s - _MARGIN_S:
                await self._clock.sleep_until(due_s)
                await self._bid_for(period)
            period = calendar.after(period)

    def withdraw(self) -> None:
        """Take back the bids that can still be taken back."""
        calendar = self._participation.calendar
        if calendar is None:
            return
        for period in self._bids.standing:
            gate_s = calendar.gate_s(period)
            if self._clock.now() < gate_s - _MARGIN_S:
                self._bids.withdraw(period, gate_s)
                self._lines.tell(f"{calendar.local(period)} I take my bid back")

    async def _bid_for(self, period: Period) -> None:
        if not self._participation.has(period.id):
            self.choices[period.id] = Choice(None, "the home does not take part yet")
        elif self._bids.was_signed(period):
            calendar = await self._participation.known()
            self._bids.send_again(period, calendar.gate_s(period))
            self.choices[period.id] = Choice(None, "I bid before I was started again")
        else:
            caps = await self._questions.caps(period)  # a slow peer, or a machine that sleeps, takes its time
            gate_s = (await self._participation.known()).gate_s(period)
            if self._clock.now() >= gate_s - _MARGIN_S:
                choice = Choice(None, "the market did not answer before the gate")
            else:
                choice = self._trading.choose(period, caps)
            self.choices[period.id] = choice
            if choice.bid is not None:
                self._bids.send(period, choice.bid, gate_s)
        while len(self.choices) > _KEPT_CHOICES:
            del self.choices[next(iter(self.choices))]
