# SPDX-License-Identifier: Apache-2.0
"""A home's readings: what its meter counted in a period, signed once and on the disk before it is sent."""

from commonwatt_chaincode.messages.message import A_READING, read

from ..messages.author import Author
from ..messages.journal import Journal
from ..meters.cutting import Cut
from .book import Book
from .lines import Lines
from .outbox import Outbox
from .participation import Participation
from .settings import HomeSettings

LEFT = (
    "I send no readings, as home.yaml says (`readings: leave`): the meter says them with a key of its own, "
    "and what carries its messages is not this agent"
)
BY_METERS = (
    "this market takes readings of meters with keys of their own alone, and I hold no meter's key: I send none; "
    "see that the meter's messages reach the market, or your periods are estimated"
)

_WHO_READS = "who says the readings"


class Readings:
    """Says the periods in which the home takes part, unless the market or home.yaml leaves readings to meters."""

    def __init__(
        self,
        settings: HomeSettings,
        author: Author,
        journal: Journal,
        book: Book,
        outbox: Outbox,
        participation: Participation,
        lines: Lines,
    ) -> None:
        self._leaves = settings.readings == "leave"
        self._author = author
        self._journal = journal
        self._book = book
        self._outbox = outbox
        self._participation = participation
        self._lines = lines
        self._has_told = False

    def tell_who_reads(self, now_s: float) -> None:
        """Tell the household where its own agent sends no readings. The configuration is known."""
        if self._leaves:
            if not self._has_told:
                self._lines.tell(LEFT)
                self._has_told = True
        elif not self._participation.measures_itself(int(now_s // 60)):
            self._lines.trouble(_WHO_READS, BY_METERS)
        else:
            self._lines.over(_WHO_READS, "the market takes my readings")

    def say(self, cut: Cut) -> None:
        """Sign a period's reading, if it has none yet, and send it."""
        if self._leaves or self._participation.registration is None:
            return
        period = cut.period.id
        if not self._participation.measures_itself(period):
            return
        if not self._participation.has(period) or self._author.highest_seq(A_READING, period):
            return
        self._outbox.say(
            self._author.reading(
                period,
                cut.import_wh,
                cut.export_wh,
                import_total_wh=cut.import_total_wh,
                export_total_wh=cut.export_total_wh,
            )
        )

    def say_what_waits(self) -> None:
        """Readings that were signed and have no last word, and periods of which nothing was said."""
        for compact in self._journal.messages():
            message = read(compact)
            if message.kind == A_READING and self._book.outcome(message.digest) is None:
                self._outbox.say(compact, may_stand=True)
        registration = self._participation.registration
        assert registration is not None
        for cut in self._book.cuts_since(registration.versions[0].from_period):
            self.say(cut)
