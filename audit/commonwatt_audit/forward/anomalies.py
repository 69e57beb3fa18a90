# SPDX-License-Identifier: Apache-2.0
"""What is within the rules and yet worth a look: an audit reports it and fails nothing for it."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from commonwatt_audit.world import Json


class Kind(StrEnum):
    """What was noticed; the names are stable, `docs/verify.md` explains each."""

    EQUIVOCATION = "equivocation"
    FEEDER_GAP = "feeder_gap"
    UNMETERED = "unmetered"
    AT_BOUND = "at_bound"
    PIVOTAL = "pivotal"
    SAME_PAIR = "same_pair"
    ESTIMATED = "estimated"
    ENVELOPE = "envelope_exceeded"
    BREACH = "breach"
    EARLY_PURGE = "early_purge"
    CLEARED_BEHIND_READINGS = "cleared_behind_readings"
    SHORT_WINDOW = "short_window"
    LOST = "lost_message"
    SEVERAL_READINGS = "own_reading_changed"


MEANING = {
    Kind.EQUIVOCATION: "signed different words under one seq; the later ones stand",
    Kind.FEEDER_GAP: "the feeder's meter and the homes' sum differ",
    Kind.UNMETERED: "periods without a reading",
    Kind.AT_BOUND: "readings within 1 % of the most that a meter can have counted",
    Kind.PIVOTAL: "its own bid bounded the price in most periods in which it bid",
    Kind.SAME_PAIR: "the only buyer and the only seller, in most periods with a trade",
    Kind.ESTIMATED: "settled by an estimate that nothing has replaced",
    Kind.ENVELOPE: "its meter counted more than the envelope allows",
    Kind.BREACH: "export beyond the envelope, which earns nothing",
    Kind.EARLY_PURGE: "private values were purged before the rule allows it",
    Kind.CLEARED_BEHIND_READINGS: "cleared when readings of the period stood on the ledger",
    Kind.SHORT_WINDOW: "bids were taken for less time than the rule says",
    Kind.LOST: "a message was declared lost and counts as never said",
    Kind.SEVERAL_READINGS: "a home sent another reading after its first one was frozen",
}

_MOST_OFTEN_PERCENT = 80
_FEWEST_PERIODS = 8


@dataclass
class Noticed:
    """One kind of thing about one subject, and the periods in which it was seen."""

    kind: Kind
    subject: str
    count: int
    first_period: int
    last_period: int
    example: str

    def __str__(self) -> str:
        periods = f"period {self.first_period}"
        if self.count > 1:
            periods = f"{self.count:,} times, periods {self.first_period} to {self.last_period}"
        example = f": {self.example}" if self.example else ""
        return f"{self.kind}: {self.subject}: {MEANING[self.kind]} ({periods}){example}"

    def as_json(self) -> Json:
        """For `--json`."""
        return {
            "kind": self.kind.value,
            "subject": self.subject,
            "meaning": MEANING[self.kind],
            "count": self.count,
            "first_period": self.first_period,
            "last_period": self.last_period,
            "example": self.example,
        }


class Anomalies:
    """Gathers what is noticed, one entry a kind and subject. A later version that settles the matter takes it back."""

    def __init__(self) -> None:
        self._noticed: dict[tuple[Kind, str], dict[int, str]] = {}
        self._bid: Counter[str] = Counter()
        self._pivotal: dict[str, list[int]] = {}
        self._traded: list[int] = []
        self._pairs: dict[tuple[str, str], list[int]] = {}

    def notice(self, kind: Kind, subject: str, period: int, example: str = "") -> None:
        """Note something about a home or the community in a period."""
        self._noticed.setdefault((kind, subject), {})[period] = example

    def take_back(self, kind: Kind, subject: str, period: int) -> None:
        """A later version has mended it."""
        if periods := self._noticed.get((kind, subject)):
            periods.pop(period, None)

    def cleared(self, period: int, bidders: set[str], marginal: frozenset[str], pair: Any) -> None:
        """Note a period with trade: who bid, whose own price bounds the price, and the pair that traded alone."""
        self._traded.append(period)
        self._bid.update(bidders)
        for home in marginal:
            self._pivotal.setdefault(home, []).append(period)
        if pair is not None:
            self._pairs.setdefault(pair, []).append(period)

    def all(self) -> list[Noticed]:
        """Everything, by kind and subject."""
        found = [
            _of(kind, subject, sorted(periods), periods[min(periods)])
            for (kind, subject), periods in self._noticed.items()
            if periods
        ]
        for home, periods in self._pivotal.items():
            if _mostly(len(periods), self._bid[home]):
                found.append(_of(Kind.PIVOTAL, home, periods, f"of {self._bid[home]} periods with its bid"))
        for (buyer, seller), periods in self._pairs.items():
            if _mostly(len(periods), len(self._traded)):
                found.append(_of(Kind.SAME_PAIR, f"{buyer} and {seller}", periods, ""))
        return sorted(found, key=lambda one: (one.kind, one.subject))


def _of(kind: Kind, subject: str, periods: list[int], example: str) -> Noticed:
    return Noticed(kind, subject, len(periods), min(periods), max(periods), example)


def _mostly(count: int, of: int) -> bool:
    return of >= _FEWEST_PERIODS and 100 * count >= _MOST_OFTEN_PERCENT * of
