# SPDX-License-Identifier: Apache-2.0
"""What the ledger ever held of the messages that a home's journal speaks of, and when."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from commonwatt_audit.journal import Journal
from commonwatt_audit.world import Recorded

from .ledger import COLLECTION, Ledger
from .places import BID, READING, place_of
from .situation import CLOCK, CONFIGURATION

_KINDS = {"cw-request": BID, "cw-offer": BID, "cw-withdraw": BID, "cw-reading": READING}


class Subject(NamedTuple):
    """What a message is about, apart from its author."""

    kind: str
    period: int
    home: str
    seq: int


class Written(NamedTuple):
    """A message that a transaction wrote: its hash, the digest of its words where it was shown, and the time.

    at_s: the time that its sender gave it, or a later one if the transaction was certainly ordered later: a carrier
        has a message endorsed, and holds the transaction back.
    """

    whole: str
    digest: str | None
    at_s: int


def subject_of(typ: str, payload: Mapping[str, object]) -> Subject | None:
    """The place of a bid or a reading; None for other messages."""
    kind = _KINDS.get(typ)
    if kind is None:
        return None
    return Subject(kind, _number(payload["period"]), str(payload["home"]), _number(payload["seq"]))


class Deliveries:
    """Follows the replay. Transactions bear the real time of the identity that sent them, on simulated channels too."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        subjects = (subject_of(one.words.typ, one.words.payload) for one in journal.said.values())
        self._written: dict[Subject, list[Written]] = {one: [] for one in subjects if one is not None}
        self._gates: dict[int, int] = {}
        self._clock: list[tuple[int, int]] = []
        self.last_s = 0
        """The time of the last transaction."""

    def note(self, recorded: Recorded, ledger: Ledger) -> None:
        """A transaction that took effect."""
        at_s = max(recorded.timestamp_s, self._ordered_after_s(ledger))
        self.last_s = max(self.last_s, recorded.timestamp_s)
        if CLOCK in recorded.writes and (clock := ledger.get(CLOCK)) is not None:
            self._clock.append((recorded.timestamp_s, int(clock["time_s"])))
        for key, value in recorded.writes.items():
            if key.startswith("gate/"):
                self._gates.setdefault(int(key.removeprefix("gate/")), recorded.timestamp_s)
            elif key.startswith("m/") and value is not None:
                place = place_of(key)
                subject = Subject(place.kind, place.period, place.home, place.seq)
                if subject in self._written:
                    shown = recorded.shown.get((COLLECTION, key))
                    signed = None if shown is None else shown.rpartition(b".")[0]
                    digest = None if signed is None else hashlib.sha256(signed).hexdigest()
                    self._written[subject].append(Written(value.decode(), digest, at_s))

    def _ordered_after_s(self, ledger: Ledger) -> int:
        """By when the next transaction was certainly not ordered: one before it is dated later, with a clock ahead.

        Nobody checks dates on a simulated channel.
        """
        configuration = ledger.get(CONFIGURATION)
        if configuration is None or configuration["clock"] == "simulated":
            return 0
        error_s = max(int(rules["times"]["clock_error_s"]) for rules in configuration["rules"])
        return self.last_s - error_s

    def of(self, subject: Subject) -> list[Written]:
        """All that was ever written under a seq, in the ledger's order."""
        return self._written.get(subject, [])

    def closed_s(self, period: int) -> int | None:
        """When the period's gate was written."""
        return self._gates.get(period)

    def market_s(self, real_s: int) -> int:
        """The market time of a real one: what a simulated channel's clock said then, the same on a live channel."""
        if not self._clock:
            return real_s
        return max((at for at in self._clock if at[0] <= real_s), default=self._clock[0])[1]


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(value)
    return value
