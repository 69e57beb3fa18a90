# SPDX-License-Identifier: Apache-2.0
"""What stands on the ledger of a forward market, public and private, and how records become bytes.

Times are epoch seconds (``_s``); periods are their ids, the epoch minute of their start.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, NamedTuple, TypeVar

from ..market.exchange.clearing import Trade
from ..market.exchange.residual import Pools, Residual
from ..market.forward.bids import Connection
from ..market.forward.bills import Adjustment, Bill
from ..market.forward.carbon import Carbon, CarbonDay, Level
from ..market.forward.clearing import MID_MARKET
from ..market.forward.envelopes import Envelope
from ..market.forward.gates import Times
from ..market.forward.outside import Outside
from ..market.forward.period_settlement import SettledLine
from ..market.forward.prices import Prices
from ..market.forward.sharing import DYNAMIC, SharingPlan
from ..market.forward.tariffs import Holiday, Version
from ..shim.arguments import Check, checker

LIVE, SIMULATED = "live", "simulated"
CLOSED, FROZEN = "closed", "frozen"

KEEP_D = 2_555
"""Days after which what is private of a period may be erased, unless the rules say otherwise: seven years."""


LEFT_OUT = frozenset({"exchange", "carbon"})
"""The members of records that are left out where they are None: without them records are what they always were."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where a community trades what it leaves over, and until how long after a gate it brings its residual."""

    channel: str
    chaincode: str
    void_after_s: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What may change from a period on; ``from_period`` is later than every period whose window is open by then."""

    from_period: int
    times: Times
    pricing: str = MID_MARKET
    sharing: str = DYNAMIC
    readings_by: str = "home"
    estimate_w: int = 1_500
    key_delay_h: int = 24
    heal_s: int = 3_600
    keep_d: int = KEEP_D
    exchange: Exchange | None = None
    carbon: Carbon | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Whose channel it is, its clock, its network's id, and all that was ever in force, by start.

    ``version`` counts the changes; each change names the version that it replaces.
    """

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
    transaction: str

    def rules_of(self, period: int) -> Rules:
        """The rules of a period: those that start last by then, of two with one start the later ones."""
        return next((one for one in reversed(self.rules) if one.from_period <= period), self.rules[0])


@dataclass(frozen=True, slots=True)
class SimulatedClock:
    """The market time of a simulated channel."""

    time_s: int
    transaction: str


class ConnectionVersion(NamedTuple):
    """A connection point as it is registered from a period on."""

    from_period: int
    connection: Connection


@dataclass(frozen=True, slots=True)
class Home:
    """A registration. ``mspid`` and ``owner`` name the identity that reads for the home, if it has one.

    It counts for nothing before an identity of the grid has confirmed it. ``versions`` holds what is confirmed,
    ``proposed`` what waits. ``end_home`` sets ``to_period``, which stands once the grid has confirmed it.
    """

    home: str
    home_class: str
    mspid: str
    owner: str
    storage_wh: int
    versions: tuple[ConnectionVersion, ...]
    proposed: Connection | None
    to_period: int | None
    proposed_end: int | None
    transaction: str

    def connection_at(self, period: int) -> Connection | None:
        """The connection in force for a period; None where the home takes no part in it."""
        if self.to_period is not None and period >= self.to_period:
            return None
        return next((one.connection for one in reversed(self.versions) if one.from_period <= period), None)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A version of an author's public key, as ``messages.versions.KeyVersion`` has it."""

    jwk: dict[str, str]
    from_period: int
    came_by: str
    made_min: int


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """All versions of an author's keys, and the key of a recovery that nobody has confirmed yet."""

    home: str
    author: str
    versions: tuple[StoredKey, ...]
    proposed: dict[str, str] | None
    transaction: str


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that is closed: by ``close_gate``, or because the period's readings were frozen."""

    period: int
    state: str
    at_s: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Meter:
    """The version of readings that is frozen, and when; ``final_version`` is the last one frozen before the end."""

    period: int
    version: int
    at_s: int
    final_version: int | None
    transaction: str


@dataclass(frozen=True, slots=True)
class Cleared:
    """A clearing in sums. The price is None where nothing trades.

    ``exchange`` is the residual that the community may bring to the exchange; None: it stays alone in this period.
    """

    period: int
    pricing: str
    tou: int
    feed_in: int
    local_fee: int
    price_uaud_per_kwh: int | None
    traded_wh: int
    requested_wh: int
    offered_wh: int
    requests: int
    offers: int
    refused: int
    transaction: str
    exchange: Residual | None = None


class Award(NamedTuple):
    """What a home's bid came to; ``code`` says why it was refused, or is empty. ``salt`` keeps hashes unguessable."""

    home: str
    id: str
    bought_wh: int
    sold_wh: int
    code: str
    salt: str


@dataclass(frozen=True, slots=True)
class Awards:
    """All awards of a period, by home (private). ``exchange`` are the bids' rests behind the residual."""

    period: int
    price_uaud_per_kwh: int | None
    awards: tuple[Award, ...]
    exchange: Pools | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """The community's trades in the exchange's round (public, written once). ``state``: cleared, or void."""

    period: int
    state: str
    trades: tuple[Trade, ...]
    sums: Outside
    transaction: str


class OutsideAward(NamedTuple):
    """What a home trades with other communities; ``salt`` keeps hashes unguessable."""

    home: str
    imported_wh: int
    exported_wh: int
    amount_naud: int
    fee_naud: int
    salt: str


@dataclass(frozen=True, slots=True)
class OutsideAwards:
    """What all homes of a period trade with other communities, by home (private)."""

    period: int
    awards: tuple[OutsideAward, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one part of the homes, by home (private). ``band`` names the tariff's band."""

    period: int
    version: int
    part: int
    band: str
    prices: Prices
    price_uaud_per_kwh: int | None
    sharing: str
    sharing_price_uaud_per_kwh: int
    lines: tuple[SettledLine, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A version's parts by their first homes, and the SHA-256 of its private plan in hex (public, written once)."""

    period: int
    version: int
    first_homes: tuple[str, ...]
    digest: str
    transaction: str


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """The sharing among all homes of a version (private). ``salt`` keeps the hash unguessable."""

    period: int
    version: int
    sharing: SharingPlan
    salt: str


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a settlement in sums, and the SHA-256 of its private lines in hex (public, written once)."""

    period: int
    version: int
    part: int
    homes: int
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    shared_in_wh: int
    shared_out_wh: int
    grid_in_wh: int
    grid_out_wh: int
    breach_wh: int
    grid_naud: int
    measured: int
    substituted: int
    estimated: int
    changed: int
    digest: str
    transaction: str
    exchange: Outside | None = None


@dataclass(frozen=True, slots=True)
class SettledPeriod:
    """A version of a settlement in sums (public, written once): the sums of all parts."""

    period: int
    version: int
    parts: int
    homes: int
    price_uaud_per_kwh: int | None
    sharing: str
    final: bool
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
    changed: int
    transaction: str
    exchange: Outside | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """Which version of a period is settled by now (public)."""

    period: int
    version: int
    parts: int
    transaction: str


class StoredAdjustment(NamedTuple):
    """What a changed line books on the home's next bill (private); its digest stands under ``pending_key``."""

    adjustment: Adjustment
    salt: str


class StoredBill(NamedTuple):
    """A home's bill (private)."""

    bill: Bill
    salt: str


@dataclass(frozen=True, slots=True)
class Bills:
    """The bills of one part of the homes, by home (private)."""

    day: int
    part: int
    bills: tuple[StoredBill, ...]


@dataclass(frozen=True, slots=True)
class Billed:
    """One part of a day's bills in sums, and the SHA-256 of the private bills in hex (public, written once)."""

    day: int
    part: int
    parts: int
    homes: int
    adjustments: int
    taxable_naud: int
    amount_naud: int
    digest: str
    transaction: str


@dataclass(frozen=True, slots=True)
class Intensity:
    """What a kWh of the grid emits in a period, as the grid published it."""

    period: int
    g_per_kwh: int
    transaction: str


class StoredCarbonDay(NamedTuple):
    """What a home's carbon rests on (private)."""

    carbon: CarbonDay
    salt: str


@dataclass(frozen=True, slots=True)
class CarbonDays:
    """The days of one part of the homes, by home (private)."""

    day: int
    part: int
    days: tuple[StoredCarbonDay, ...]


@dataclass(frozen=True, slots=True)
class CarbonPart:
    """One part of a day's carbon in sums, and the SHA-256 of the private days in hex (public, written once)."""

    day: int
    part: int
    parts: int
    homes: int
    emitted_mg: int
    paid_naud: int
    digest: str
    transaction: str


@dataclass(frozen=True, slots=True)
class CarbonSettled:
    """A day's carbon in sums, and the level by which each home's share follows (public, written once)."""

    day: int
    parts: int
    homes: int
    emitted_mg: int
    paid_naud: int
    shared_naud: int
    fund_naud: int
    level: Level
    transaction: str


@dataclass(frozen=True, slots=True)
class Envelopes:
    """The envelopes that touch a day of UTC, of one home or of all (``home`` None), in order of publication."""

    day: int
    home: str | None
    envelopes: tuple[Envelope, ...]
    transaction: str


@dataclass(frozen=True, slots=True)
class SharingKeys:
    """All static sharing keys from a period on, in ppm by home."""

    from_period: int
    keys: dict[str, int]
    transaction: str


@dataclass(frozen=True, slots=True)
class Feeder:
    """What the feeder's meter counted in a period."""

    period: int
    import_wh: int
    export_wh: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A message that no peer holds any more; ``digest`` is what its index said."""

    key: str
    digest: str
    transaction: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What is private of a home's periods before ``to_period`` was purged."""

    home: str
    to_period: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A private record that was written anew without some homes: which time it was, and the SHA-256 of it in hex."""

    key: str
    generation: int
    digest: str
    transaction: str


class Spread(NamedTuple):
    """What a gap's period came to by the running totals (private); ``salt`` keeps the hash unguessable."""

    period: int
    home: str
    import_wh: int
    export_wh: int
    salt: str


Record = TypeVar("Record")


def encode(record: object) -> bytes:
    """A record as JSON with sorted keys and no spaces: the same bytes on every peer."""
    return json.dumps(as_json(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(kind: type[Record], value: bytes) -> Record:
    """The record of this kind that ``encode`` wrote."""
    record: Record = _reader(kind)(json.loads(value), kind.__name__)
    return record


def decode_optional(kind: type[Record], value: bytes | None) -> Record | None:
    """The record, or None where the ledger holds none."""
    return None if value is None else decode(kind, value)


def as_json(value: Any) -> Any:
    """A record as JSON values: dataclasses and named tuples become objects, without what is left out."""
    kind = type(value)
    if kind in _PLAIN:  # most values are: a settled period has thousands
        return value
    names = _names(kind)
    if names is not None:
        members = ((name, getattr(value, name)) for name in names)
        return {
            name: as_json(member) for name, member in members if member is not None or name not in LEFT_OUT
        }
    if isinstance(value, (tuple, list)):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    return value


_PLAIN = frozenset({str, int, bool, type(None)})


def _declared(kind: type) -> tuple[str, ...] | None:
    """The names of a named tuple's or dataclass's values, in order; None for any other type."""
    if issubclass(kind, tuple):
        return getattr(kind, "_fields", None)
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else None


_names: Callable[[type], tuple[str, ...] | None] = cache(_declared)
_reader: Callable[[type], Check] = cache(checker)
