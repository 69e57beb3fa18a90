# SPDX-License-Identifier: Apache-2.0
"""Which messages count: of each author's for one period and kind the highest seq, in any order of arrival."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .message import Message


class Said(NamedTuple):
    """A verified bid or reading, and its author: ``home``, ``meter`` or ``operator``."""

    author: str
    message: Message


class Place(NamedTuple):
    """What the messages of one author about one period have in common."""

    home: str
    author: str
    period: int
    kind: str


class Equivocation(NamedTuple):
    """An author signed different words under one seq; `digests` in the ledger's order, the last one stands."""

    place: Place
    seq: int
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """The message that counts at each place, and who contradicted himself."""

    counting: dict[Place, Message]
    equivocations: tuple[Equivocation, ...]


def standing(said: Iterable[Said]) -> Standing:
    """What counts of verified bids and readings, given in the ledger's order.

    The same words twice, under whatever signature, are one message. A withdrawal that counts stays in `counting`: it is
    a bid of nothing.
    """
    seen: dict[tuple[Place, int], dict[str, Message]] = {}
    for author, message in said:
        if message.kind is None:
            raise ValueError(f"{message.typ} is neither a bid nor a reading")
        place = Place(message.home, author, message.period, message.kind)
        here = seen.setdefault((place, message.seq), {})
        here.pop(message.digest, None)  # the ledger writes it anew: it is the later one now
        here[message.digest] = message
    counting: dict[Place, tuple[int, Message]] = {}
    for (place, seq), here in seen.items():
        if place not in counting or seq > counting[place][0]:
            counting[place] = seq, list(here.values())[-1]
    return Standing(
        {place: message for place, (_, message) in counting.items()},
        tuple(Equivocation(place, seq, tuple(here)) for (place, seq), here in seen.items() if len(here) > 1),
    )
