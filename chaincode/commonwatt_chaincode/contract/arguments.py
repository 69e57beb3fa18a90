# SPDX-License-Identifier: Apache-2.0
"""The argument of each transaction: one JSON object, its members named in units and held within bounds."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args, get_type_hints

LARGEST_TIME = 10**10
LARGEST_ENERGY_WH = 10**9
LARGEST_PRICE = 10**9
LARGEST_ROUND = 10**8 - 1


@dataclass(frozen=True)
class Within:
    """Bounds of an integer, both included; named in the annotation of a member."""

    low: int
    high: int


@dataclass(frozen=True)
class Text:
    """The pattern that a whole string must match."""

    pattern: str
    words: str


Time = Annotated[int, Within(0, LARGEST_TIME)]
Energy = Annotated[int, Within(0, LARGEST_ENERGY_WH)]
Traded = Annotated[int, Within(1, LARGEST_ENERGY_WH)]
Price = Annotated[int, Within(0, LARGEST_PRICE)]
RoundNumber = Annotated[int, Within(1, LARGEST_ROUND)]
RoundId = Annotated[
    str,
    Text(r"[0-9]{8}|[0-9]{11}-[A-Za-z0-9._-]{1,64}", "8 digits, or 11 digits, a dash and a home's id"),
]
Position = Annotated[str, Text(r"[0-9A-Za-z._-]{8,76}/[0-9]{1,9}", "what `next` of an earlier answer said")]
Reason = Annotated[str, Text(r"[^\x00-\x1f]{1,500}", "1 to 500 characters")]
Watts = Annotated[int, Within(1, LARGEST_ENERGY_WH)]
Minute = Annotated[int, Within(0, 1439)]
Day = Annotated[int, Within(0, 999_999)]
Limit = Annotated[int, Within(1, 1_000)]
HomeId = Annotated[str, Text(r"[A-Za-z0-9._-]{1,64}", "1 to 64 letters, digits, dots, dashes or underscores")]
Name = Annotated[str, Text(r"[^\x00]{1,2048}", "1 to 2048 characters")]


class Bounded:
    """An argument whose members carry their bounds as annotations; ValueError for one outside them."""

    def __post_init__(self) -> None:
        for name, bound in _bounds(type(self)):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(bound, Within):
                if not bound.low <= value <= bound.high:
                    raise ValueError(f"{name} must be within {bound.low}..{bound.high}")
            elif not re.fullmatch(bound.pattern, value):
                raise ValueError(f"{name} must be {bound.words}")


_known_bounds: dict[type, tuple[tuple[str, Within | Text], ...]] = {}


def _bounds(kind: type) -> tuple[tuple[str, Within | Text], ...]:
    if kind not in _known_bounds:
        hints = get_type_hints(kind, include_extras=True)
        _known_bounds[kind] = tuple(
            (name, bound)
            for name, hint in hints.items()
            for part in (hint, *get_args(hint))
            for bound in getattr(part, "__metadata__", ())
        )
    return _known_bounds[kind]


@dataclass(frozen=True)
class Configure(Bounded):
    """Parameters to change, and for the first time the channel's clock."""

    parameters: dict[str, Any] = field(default_factory=dict)
    clock: Literal["live", "simulated"] | None = None
    at: Time | None = None
    starts_at: Time | None = None


@dataclass(frozen=True)
class RegisterHome(Bounded):
    """A home with its equipment and, if wanted, the one identity that speaks for it beside its meter."""

    home: HomeId
    home_class: Literal["consumer", "prosumer"]
    pv_w: Energy | None = None
    storage_wh: Energy | None = None
    connection_w: Watts | None = None
    owner: Name | None = None
    mspid: Name | None = None


@dataclass(frozen=True)
class AdvanceClock(Bounded):
    """Where to move the channel's clock, or that of one round."""

    at: Time
    round: RoundId | None = None


@dataclass(frozen=True)
class OpenRound(Bounded):
    """The local minute of day to be traded, on a simulated channel; by default the market time's."""

    minute: Minute | None = None
    at: Time | None = None


@dataclass(frozen=True)
class SubmitRequest(Bounded):
    """Energy for an interval that was reported; by default all that it still needs."""

    round: RoundId
    home: HomeId
    interval_start: Time
    energy_wh: Traded | None = None
    limit_uaud_per_kwh: Price | None = None


@dataclass(frozen=True)
class SubmitOffer(Bounded):
    """Energy that a home sells from its battery."""

    round: RoundId
    home: HomeId
    energy_wh: Traded
    price_uaud_per_kwh: Price


@dataclass(frozen=True)
class OwnBid(Bounded):
    """A home's request or offer in a round."""

    round: RoundId
    home: HomeId


@dataclass(frozen=True)
class CloseRound(Bounded):
    """The round to clear."""

    round: RoundId
    at: Time | None = None


@dataclass(frozen=True)
class ReportReading(Bounded):
    """What a meter counted from ``interval_start`` to ``interval_end``."""

    home: HomeId
    interval_start: Time
    interval_end: Time
    use_wh: Energy
    generation_wh: Energy
    grid_charge_wh: Energy = 0


@dataclass(frozen=True, kw_only=True)
class SettleInterval(ReportReading):
    """A reading, and whether to bid for what the interval needs."""

    bid: bool
    limit_uaud_per_kwh: Price | None = None


@dataclass(frozen=True)
class CorrectReading(Bounded):
    """What a reported interval really was, and how that came to light."""

    home: HomeId
    interval_start: Time
    use_wh: Energy
    generation_wh: Energy
    reason: Reason


@dataclass(frozen=True)
class SettleDay(Bounded):
    """A local day, of one home or of all."""

    day: Day
    home: HomeId | None = None


@dataclass(frozen=True)
class SuggestedPrice(Bounded):
    """Where to price: in an open round, or as if one opened now."""

    round: RoundId | None = None
    minute: Minute | None = None
    energy_wh: Traded | None = None


@dataclass(frozen=True)
class OneRound(Bounded):
    """A round by its id."""

    round: RoundId


@dataclass(frozen=True)
class SomeRounds(Bounded):
    """Rounds of intervals that began in [from_time, to_time), or fixed rounds by number, both ends included."""

    from_time: Time | None = None
    to_time: Time | None = None
    from_round: RoundNumber | None = None
    to_round: RoundNumber | None = None
    limit: Limit = 100
    next: Position | None = None


@dataclass(frozen=True)
class SomeReadings(Bounded):
    """A home's intervals that began in [from_time, to_time)."""

    home: HomeId
    from_time: Time = 0
    to_time: Time = LARGEST_TIME
    limit: Limit = 100


@dataclass(frozen=True)
class OneHome(Bounded):
    """A home by its id."""

    home: HomeId


@dataclass(frozen=True)
class HomeDay(Bounded):
    """A home's local day."""

    home: HomeId
    day: Day


@dataclass(frozen=True)
class Nothing(Bounded):
    """No members at all."""


@dataclass(frozen=True)
class GetParameters(Bounded):
    """A version of the parameters; by default the one that counts now."""

    version: Annotated[int, Within(1, 999_999)] | None = None
