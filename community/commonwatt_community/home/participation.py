# SPDX-License-Identifier: Apache-2.0
"""How a home takes part in its market: the configuration and its own registration, as the ledger has them."""

import asyncio
from collections.abc import Callable

from commonwatt_chaincode.market.forward.readings import METER

from ..market.results import Home, Standing
from ..meters.clock import Clock
from .calendar import Calendar
from .lines import Lines
from .questions import Questions
from .routes import Asks

REFRESH_S = 300.0
"""How often at least the home reads the configuration and its registration again."""

_OWN_CLOCK = "this machine's clock"
_REGISTRATION = "registration"


class Participation:
    """Follows the ledger. `learned` is called at each change, with whether the configuration changed, too."""

    def __init__(
        self, questions: Questions, lines: Lines, clock: Clock, learned: Callable[[bool], None]
    ) -> None:
        self._questions = questions
        self._lines = lines
        self._clock = clock
        self._learned = learned
        self.calendar: Calendar | None = None
        self.registration: Home | None = None
        self._standing: Standing | None = None
        self._known = asyncio.Event()

    async def follow(self) -> None:
        """Read again and again, without end."""
        while True:
            standing, off_s = await self._standing_now()
            self._check_clock(standing, off_s)  # before the home waits for its registration
            registration = await self._registered()
            known = self._standing
            changed = known is None or known.configuration != standing.configuration
            if changed or registration != self.registration:
                self._standing, self.registration = standing, registration
                self.calendar = Calendar(standing.configuration)
                self._learned(changed)
                self._known.set()
            length_s = self.calendar.at(self._clock.now()).length_min * 60 if self.calendar else REFRESH_S
            await self._clock.sleep(min(REFRESH_S, max(60.0, length_s)))

    @property
    def is_known(self) -> bool:
        """Whether the home has once learned all of it, and what waited for that is done."""
        return self._known.is_set()

    async def known(self) -> Calendar:
        """Wait until it is known, at any time after that go on at once; the calendar of now."""
        await self._known.wait()
        assert self.calendar is not None
        return self.calendar

    def has(self, period: int) -> bool:
        """Whether the home takes part in a period. The registration is known."""
        assert self.registration is not None
        registration = self.registration
        begins = registration.versions[0].from_period
        return begins <= period and (registration.to_period is None or period < registration.to_period)

    def measures_itself(self, period: int) -> bool:
        """Whether the market takes the home's own word for what it counted. The configuration is known."""
        assert self._standing is not None
        return self._standing.configuration.rules_of(period).readings_by != METER

    async def _registered(self) -> Home:
        """The registration, once the grid has confirmed it."""
        while True:
            home = await self._questions.answered(lambda asks: asks.get_home(self._questions.home))
            if home.versions:
                self._lines.over(_REGISTRATION, "the home takes part in the market")
                return home
            self._lines.trouble(
                _REGISTRATION, "the grid has not confirmed this home yet; I count, and bid once it has"
            )
            await self._clock.sleep(10.0)

    async def _standing_now(self) -> tuple[Standing, float]:
        """The configuration, and by how much at least this machine's clock is off the market's."""
        clock = self._clock
        asked_s = clock.now()

        async def timed(asks: Asks) -> Standing:
            nonlocal asked_s
            asked_s = clock.now()
            return await asks.get_configuration()

        standing = await self._questions.answered(timed)
        return standing, max(0.0, asked_s - 1 - standing.now_s) + min(0.0, clock.now() - standing.now_s)

    def _check_clock(self, standing: Standing, off_s: float) -> None:
        times = standing.configuration.rules_of(int(standing.now_s // 60)).times
        if standing.configuration.clock == "live" and abs(off_s) > times.clock_error_s:
            self._lines.trouble(
                _OWN_CLOCK, f"this machine's clock is {off_s:+.0f} s off the market's; set it, as by NTP"
            )
        else:
            self._lines.over(_OWN_CLOCK, "this machine's clock agrees with the market's again")
