# SPDX-License-Identifier: Apache-2.0
"""What the contract ``forward`` answers, as values; members that a later contract adds are left out.

Times are epoch seconds (``_s``); periods are their ids, the epoch minute of their start; money is nAUD.
"""

from functools import cache
from typing import Any, TypeVar

from commonwatt_chaincode.market.forward.bids import Connection
from commonwatt_chaincode.market.forward.gates import Times
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.settlement import Line
from commonwatt_chaincode.market.forward.tariffs import Holiday, Version
from commonwatt_client.errors import MalformedMessageError
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

Kind = TypeVar("Kind")


def read_result(kind: type[Kind], result: bytes) -> Kind:
    """A transaction's result as a value of this kind; MalformedMessageError for bytes that hold no such result.

    The error names places, never values: results may be private.
    """
    try:
        value: Kind = _adapter(kind).validate_json(result)  # type: ignore[arg-type]
    except ValidationError as error:
        places = sorted({".".join(map(str, one["loc"])) or "the whole" for one in error.errors()})[:5]
        raise MalformedMessageError(
            f"the contract's answer is no {kind.__name__} at {', '.join(places)}; compare the versions of this "
            "program and of the chaincode"
        ) from None
    return value


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@dataclass(frozen=True)
class Rules:
    """What is in force from a period on."""

    from_period: int
    times: Times
    pricing: str
    sharing: str
    readings_by: str
    estimate_w: int
    key_delay_h: int
    heal_s: int


@dataclass(frozen=True)
class Configuration:
    """A channel's market: its clock, its network's id, and all that was ever in force, by start."""

    version: int
    mspid: str
    clock: str
    net: str
    trust_homes: bool
    lengths: tuple[tuple[int, int], ...]
    offsets: tuple[tuple[int, int], ...]
    rules: tuple[Rules, ...]
    tariffs: tuple[Version, ...]
    holidays: tuple[Holiday, ...]

    def rules_of(self, period: int) -> Rules:
        """The rules of a period: those that start last by then, of two with one start the later ones."""
        return next((one for one in reversed(self.rules) if one.from_period <= period), self.rules[0])


@dataclass(frozen=True)
class Standing:
    """The configuration, and the market time."""

    configuration: Configuration
    now_s: int


@dataclass(frozen=True)
class ConnectionVersion:
    """A connection point as it is registered from a period on."""

    from_period: int
    connection: Connection


@dataclass(frozen=True)
class Home:
    """A registration; it counts for nothing before the grid has confirmed it: ``proposed`` waits for that."""

    home: str
    home_class: str
    storage_wh: int
    versions: tuple[ConnectionVersion, ...]
    proposed: Connection | None
    to_period: int | None
    proposed_end: int | None


@dataclass(frozen=True)
class StoredKey:
    """A version of an author's public key."""

    jwk: dict[str, str]
    from_period: int
    came_by: str
    made_min: int


@dataclass(frozen=True)
class StoredKeys:
    """All versions of an author's keys, and the key of a recovery that nobody has confirmed yet."""

    home: str
    author: str
    versions: tuple[StoredKey, ...]
    proposed: dict[str, str] | None


@dataclass(frozen=True)
class Gate:
    """A gate that is closed, or whose period's readings are frozen."""

    period: int
    state: str
    at_s: int


@dataclass(frozen=True)
class Meter:
    """The version of readings that is frozen."""

    period: int
    version: int
    at_s: int
    final_version: int | None


@dataclass(frozen=True)
class Cleared:
    """A clearing in sums; the price is None where nothing trades."""

    period: int
    pricing: str
    price_uaud_per_kwh: int | None
    traded_wh: int
    requested_wh: int
    offered_wh: int
    requests: int
    offers: int
    refused: int


@dataclass(frozen=True)
class Award:
    """What a home's bid came to; ``code`` says why it was refused, or is empty."""

    home: str
    id: str
    bought_wh: int
    sold_wh: int
    code: str


@dataclass(frozen=True)
class SettledLine:
    """A home's settled period; ``seq`` 0: no reading stands behind it."""

    home: str
    version: int
    quality: str
    author: str
    seq: int
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    export_cap_wh: int | None
    exceeded: tuple[str, ...]
    line: Line


@dataclass(frozen=True)
class Lines:
    """Settlement lines of one part of a period's homes, as far as the caller may read them."""

    period: int
    version: int
    band: str
    prices: Prices
    price_uaud_per_kwh: int | None
    sharing: str
    sharing_price_uaud_per_kwh: int
    lines: tuple[SettledLine, ...]


@dataclass(frozen=True)
class SettledPeriod:
    """A version of a settlement in sums."""

    period: int
    version: int
    homes: int
    price_uaud_per_kwh: int | None
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    shared_wh: int
    grid_in_wh: int
    grid_out_wh: int
    breach_wh: int
    grid_naud: int
    measured: int
    substituted: int
    estimated: int


@dataclass(frozen=True)
class Written:
    """What became of each message of a batch, in its order: ``written``, or the code that refuses it."""

    results: tuple[str, ...]
