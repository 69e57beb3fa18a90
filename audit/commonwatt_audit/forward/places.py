# SPDX-License-Identifier: Apache-2.0
"""Where messages stand on the ledger: the public index, and what its keys say."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from commonwatt_audit.world import Difference

from .ledger import Ledger

BID, READING = "bid", "reading"
_KEY = re.compile(
    r"m/(?:(bid)/([0-9]{9})|(reading)/([0-9]{9})/([0-9]{4}))/([A-Za-z0-9._-]{1,64})/(home|meter|operator)/([0-9]{2})\Z"
)


class Place(NamedTuple):
    """Who said something, about which period; `version` is 0 for bids."""

    kind: str
    period: int
    version: int
    home: str
    author: str
    seq: int

    @property
    def key(self) -> str:
        """The index key."""
        version = f"/{self.version:04d}" if self.version else ""
        return f"m/{self.kind}/{self.period:09d}{version}/{self.home}/{self.author}/{self.seq:02d}"


def place_of(key: str) -> Place:
    """What an index key says. Difference for another key."""
    found = _KEY.match(key)
    if found is None:
        raise Difference(f"{key} is written, which is no message's place")
    bid, of_bid, _, of_reading, version, home, author, seq = found.groups()
    if bid:
        return Place(BID, int(of_bid), 0, home, author, int(seq))
    return Place(READING, int(of_reading), int(version), home, author, int(seq))


def indexed(ledger: Ledger, kind: str, period: int) -> Iterator[tuple[str, Place]]:
    """The places of a period's messages, in the order of their keys."""
    for key, _ in ledger.under(f"m/{kind}/{period:09d}/"):
        yield key, place_of(key)
