# SPDX-License-Identifier: Apache-2.0
"""A home's readings: what its meter counted in a period, signed once and on the disk before it is sent."""

from commonwatt_chaincode.messages.message import A_READING, read

from ..messages.author import Author
from ..messages.journal import Journal
from ..meters.cutting import Cut
from .book import Book
from .outbox import Outbox
from .participation import Participation
from .settings import HomeSettings


class Readings:
    """Says the periods in which the home takes part, unless home.yaml leaves the readings to others."""

    def __init__(
        self,
        settings: HomeSettings,
        author: Author,
        journal: Journal,
        book: Book,
        outbox: Outbox,
        participation: Participation,
    ) -> None:
        self._leaves = settings.readings == "leave"
        self._author = author
        self._journal = journal
        self._book = book
        self._outbox = outbox
        self._participation = participation

    def say(self, cut: Cut) -> None:
        """Sign a period's reading, if it has none yet, and send it."""
        if self._leaves or self._participation.registration is None:
            return
        period = cut.period.id
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
