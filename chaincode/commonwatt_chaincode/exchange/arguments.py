# SPDX-License-Identifier: Apache-2.0
"""The argument of each transaction of the exchange: one JSON object, its members within bounds."""

from dataclasses import dataclass
from typing import Annotated, Literal

from ..contract.arguments import LARGEST_ENERGY_WH, LARGEST_PRICE, Bounded, Text, Time, Within
from ..forward.arguments import LARGEST_PERIOD, LONGEST_SPAN_MIN
from .records import Digest

MOST_PERIODS = 300
"""Settlements that one anchor, or one attestation, is about."""

PeriodId = Annotated[int, Within(0, LARGEST_PERIOD)]
ChannelName = Annotated[str, Text(r"[a-z][a-z0-9.-]{0,248}", "the name of a channel")]
MspId = Annotated[str, Text(r"[A-Za-z][A-Za-z0-9.-]{0,62}", "the id of an organisation's MSP")]
ChaincodeName = Annotated[str, Text(r"[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*", "the name of a chaincode")]
Sha256 = Annotated[str, Text(r"[0-9a-f]{64}", "a SHA-256 in 64 hex digits")]
BlockNumber = Annotated[int, Within(0, 2**53)]
BeforeS = Annotated[int, Within(0, 86_400)]


@dataclass(frozen=True)
class Nothing(Bounded):
    """No members at all."""


@dataclass(frozen=True)
class Found(Bounded):
    """The exchange's clock, and until when residuals and clearings of a round are taken, before its period begins."""

    clock: Literal["live", "simulated"] = "live"
    at_s: Time | None = None
    due_before_s: BeforeS = 180
    void_before_s: BeforeS = 60

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.void_before_s >= self.due_before_s:
            raise ValueError("due_before_s must be more than void_before_s")


@dataclass(frozen=True)
class AdvanceClock(Bounded):
    """Where to move the exchange's clock."""

    to_s: Time


@dataclass(frozen=True)
class NewCommunity(Bounded):
    """A community: its channel, its organisation, the chaincode of its market there."""

    channel: ChannelName
    mspid: MspId
    chaincode: ChaincodeName

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.chaincode) > 64:
            raise ValueError("chaincode must have at most 64 characters")


@dataclass(frozen=True)
class OneCommunity(Bounded):
    """A community by its channel."""

    channel: ChannelName


@dataclass(frozen=True)
class CommunitySpan(OneCommunity):
    """A community's periods whose ids are in [from_period, to_period)."""

    from_period: PeriodId
    to_period: PeriodId

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.to_period - self.from_period <= LONGEST_SPAN_MIN:
            raise ValueError(f"to_period must be 1 to {LONGEST_SPAN_MIN} minutes after from_period")


@dataclass(frozen=True)
class NewAnchor(CommunitySpan):
    """What to anchor, and the number and hash of the header of a block in which all of it stands."""

    block: BlockNumber
    header: Sha256


@dataclass(frozen=True)
class OneDigest(Bounded):
    """A version of a period's settlement, and the digest of its records."""

    period: PeriodId
    version: Annotated[int, Within(1, 9_999)]
    digest: Sha256


@dataclass(frozen=True)
class Attest(OneCommunity):
    """What the grid computed anew, and the block up to which it read the community's ledger."""

    periods: tuple[Digest, ...]
    block: BlockNumber
    header: Sha256

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.periods) <= MOST_PERIODS:
            raise ValueError(f"periods must be 1 to {MOST_PERIODS}")
        for one in self.periods:
            OneDigest(*one)
        if len({(one.period, one.version) for one in self.periods}) != len(self.periods):
            raise ValueError("periods must name each version once")


@dataclass(frozen=True)
class NewLink(Bounded):
    """What may flow from the seller's community to the buyer's in each period from one on, and the grid's fee."""

    seller: ChannelName
    buyer: ChannelName
    from_period: PeriodId
    limit_wh: Annotated[int, Within(0, LARGEST_ENERGY_WH)]
    fee: Annotated[int, Within(0, LARGEST_PRICE)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seller == self.buyer:
            raise ValueError("buyer must be another community than seller")


@dataclass(frozen=True)
class OnePeriod(Bounded):
    """A period by its id, the epoch minute of its start."""

    period: PeriodId


@dataclass(frozen=True)
class CommunityPeriod(OneCommunity):
    """A community's period."""

    period: PeriodId
