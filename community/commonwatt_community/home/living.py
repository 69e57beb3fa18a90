# SPDX-License-Identifier: Apache-2.0
"""A home that lives: its meter, its bids, its awards and its readings, each in a task that outlasts every outage."""

from dataclasses import replace

from ..messages.author import Author
from ..messages.journal import Journal
from ..meters.clock import Clock
from ..meters.counted import Meter, Steered
from ..meters.cutting import Cut
from ..together import together
from .awards import Awards
from .bidding import Bidding
from .bids import Bids
from .book import Book
from .calendar import Calendar
from .lines import Lines
from .metering import Metering
from .outbox import Outbox
from .participation import Participation
from .questions import Questions
from .readings import Readings
from .residents import follow_residents
from .routes import Routes
from .settings import HomeSettings
from .steering import hold_what_is_sold
from .trader import Choice, Trader
from .trading import Trading
from .wishes import Wished, Wishes


class LivingHome:
    """One home between its meter and its market; `run` goes on until it is cancelled."""

    def __init__(
        self,
        settings: HomeSettings,
        routes: Routes,
        author: Author,
        journal: Journal,
        book: Book,
        meter: Meter,
        lines: Lines,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._meter = meter
        self.routes = routes
        self.clock = clock
        self.home = settings.home
        self.book = book
        self.lines = lines
        self.outbox = Outbox(routes, book, lines, clock)
        self._wished = Wished(book)
        questions = Questions(routes, settings.home, lines, clock)
        self._participation = Participation(questions, lines, clock, self._learned)
        self._trading = Trading(settings, book, clock, self._participation, self._wished)
        self._metering = Metering(meter, book, lines, clock, self._participation, self._cut)
        self._readings = Readings(settings, author, journal, book, self.outbox, self._participation, lines)
        self._bids = Bids(author, journal, book, self.outbox)
        self._bidding = Bidding(
            settings, questions, self._participation, self._trading, self._bids, lines, clock
        )
        self._awards = Awards(
            questions, self._participation, self._trading, self._bidding, self._bids, book, lines, clock
        )

    async def run(self) -> None:
        """Live. A failure that cannot be set right from here is raised; all others are said and tried again."""
        parts = [
            self._metering.run(),
            self._participation.follow(),
            self._bidding.run(),
            self._awards.run(),
            follow_residents(self.routes, self.home, self.clock, lambda wishes: self.wish("portal", wishes)),
            self.outbox.run(),
        ]
        if isinstance(self._meter, Steered) and self._settings.battery is not None:
            parts.append(hold_what_is_sold(self._meter, self._participation, self._trading, self.clock))
        try:
            await together(*parts)
        finally:
            await self._bids.cancel()

    @property
    def calendar(self) -> Calendar | None:
        """The market's periods; None before they are known."""
        return self._participation.calendar

    @property
    def trader(self) -> Trader | None:
        """The trader that decides now; None before the market is known."""
        return self._trading.trader

    @property
    def choices(self) -> dict[int, Choice]:
        """What the home did about the last periods, by the period's number."""
        return self._bidding.choices

    @property
    def wishes(self) -> Wishes:
        """What counts now, of all who may wish."""
        return self._wished.now

    def wishes_of(self, who: str) -> Wishes:
        """What somebody wishes."""
        return self._wished.of(who)

    def pause(self, who: str, paused: bool) -> None:
        """Take the wish to trade no more, or to trade again."""
        self.wish(who, replace(self.wishes_of(who), paused=paused))

    def wish(self, who: str, wishes: Wishes) -> None:
        """Take a wish; a pause takes back the bids that can still be taken back."""
        before = self.wishes
        self._wished.take(who, wishes)
        now = self.wishes
        if now != before:
            self.lines.tell(
                "trading is paused" if now.paused else "trading goes on, within the household's limits"
            )
        if now.keep_storage_wh != before.keep_storage_wh:
            self._trading.renew()
        if now.paused and not before.paused:
            self._bidding.withdraw()

    def _learned(self, configuration_changed: bool) -> None:
        if configuration_changed:
            self._metering.cut_anew()
        self._trading.renew()
        self._readings.tell_who_reads(self.clock.now())
        if not self._participation.is_known:
            self._readings.say_what_waits()

    def _cut(self, cut: Cut) -> None:
        self._trading.metered(cut)
        self._readings.say(cut)
