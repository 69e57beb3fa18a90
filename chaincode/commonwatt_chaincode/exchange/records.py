# SPDX-License-Identifier: Apache-2.0
"""What stands on the exchange's ledger. Every community reads all of it, so no record tells sums of a community.

Periods are their ids, the epoch minute of their start. A channel's name is its community's.
"""

from dataclasses import dataclass
from typing import NamedTuple

from ..market.exchange.residual import Level

LIVE, SIMULATED = "live", "simulated"
CLEARED, VOID = "cleared", "void"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the grid founded the exchange with, for good. ``mspid`` is the grid's.

    Residuals of a period are taken until ``due_before_s`` seconds before it begins; from ``void_before_s`` before it
    on, an open round is void.
    """

    mspid: str
    clock: str
    due_before_s: int
    void_before_s: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of a simulated exchange."""

    time_s: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Community:
    """A community: its channel, its organisation, and the chaincode that holds its market."""

    channel: str
    mspid: str
    chaincode: str
    transaction: str


class Digest(NamedTuple):
    """A version of a period's settlement, and the SHA-256 of its write-once records in hex."""

    period: int
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """What two peers saw of a community's settlements, and the block header that the caller states.

    ``number`` counts a community's anchors; 0 is the one that stands since its registration and says nothing.
    ``header`` is the SHA-256 of block ``block`` in hex: the caller's word, for no chaincode can read blocks.
    """

    channel: str
    number: int
    from_period: int
    to_period: int
    periods: tuple[Digest, ...]
    block: int
    header: str
    transaction: str


@dataclass(frozen=True, slots=True)
class Attested:
    """What the grid computed anew of a version of a period, and the block by which it knew it."""

    channel: str
    period: int
    version: int
    digest: str
    block: int
    header: str
    transaction: str


class LinkVersion(NamedTuple):
    """What may flow over a link in each period from one on, in Wh, and what the grid asks for it in µAUD per kWh."""

    from_period: int
    limit_wh: int
    fee: int


@dataclass(frozen=True, slots=True)
class StoredLink:
    """A link from the seller's community to the buyer's, and all that was ever in force, by period."""

    seller: str
    buyer: str
    versions: tuple[LinkVersion, ...]
    transaction: str

    def at(self, period: int) -> LinkVersion | None:
        """What is in force for a period."""
        return next((one for one in reversed(self.versions) if one.from_period <= period), None)


@dataclass(frozen=True, slots=True)
class StoredResidual:
    """What a community brought for a period, best level first; ``period`` is -1 until it brings any."""

    channel: str
    period: int
    requests: tuple[Level, ...]
    offers: tuple[Level, ...]
    transaction: str


class StoredTrade(NamedTuple):
    """A trade as ``commonwatt clear`` shows it: prices in µAUD per kWh."""

    seller: str
    buyer: str
    offered: int
    limit: int
    wh: int
    price: int
    fee: int


@dataclass(frozen=True, slots=True)
class ClosedRound:
    """A period's round. ``accounts`` are what the communities that came owe the exchange, in nAUD by channel."""

    period: int
    state: str
    trades: tuple[StoredTrade, ...]
    accounts: dict[str, int]
    fee_naud: int
    transaction: str
