# SPDX-License-Identifier: Apache-2.0
"""What stands on the ledger: the records, their keys, and how both become bytes.

Every bid, reading and bill has a key of its own, so that homes never conflict with each other. Numbers in keys have a
fixed width: the order of keys is the order of numbers, and a prefix is a range. Bills stand under their home.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from .market.billing import Bill
from .market.clearing import Clearing
from .market.history import Pair
from .market.orders import is_fixed
from .market.parameters import Parameters, as_json
from .market.prices import PriceState
from .market.tariff import Band, day_start, local_day

OPEN = "OPEN"
OFFERS = "OFFERS"
CLEARED = "CLEARED"
VOID = "VOID"
CANCELLED = "CANCELLED"
WITHDRAWN = "WITHDRAWN"

LIVE = "live"
SIMULATED = "simulated"

COMMUNITY = "community"
FORWARD_CONFIGURATION = "configuration"
"""What stands here instead of ``COMMUNITY`` where the channel's market is the forward one."""

CLOCK = "clock"
NUMBERS = "numbers"
PRICE = "price"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the parameters; it counts for what begins at ``starts_at`` or later."""

    version: int
    starts_at: int
    parameters: Parameters
    transaction: str


def in_order(versions: Iterable[Version]) -> tuple[Version, ...]:
    """Versions by start; of those that start together the latest counts and comes last."""
    return tuple(sorted(versions, key=lambda version: (version.starts_at, version.version)))


@dataclass(frozen=True, slots=True)
class Community:
    """Whose channel it is, which clock it runs on, and the versions of its parameters that may still be needed."""

    mspid: str
    clock: str
    versions: tuple[Version, ...]
    transaction: str

    def version_at(self, time_s: int) -> Version:
        """The version that started last by then, or the oldest kept. Versions are ordered by start, then number."""
        started = [version for version in self.versions if version.starts_at <= time_s]
        return started[-1] if started else self.versions[0]

    def parameters_at(self, time_s: int) -> Parameters:
        """The parameters that count for what begins at this time."""
        return self.version_at(time_s).parameters

    @property
    def dated(self) -> list[tuple[int, Parameters]]:
        """Parameters with the time from which they count."""
        return [(version.starts_at, version.parameters) for version in self.versions]

    @property
    def _offsets(self) -> list[tuple[int, int]]:
        return [(starts_at, parameters.utc_offset_min) for starts_at, parameters in self.dated]

    def day_start(self, day: int) -> int:
        """When a local day begins, by the offset in force at that time."""
        return day_start(day, self._offsets)

    def local_day(self, time_s: int) -> int:
        """The local day to which an instant belongs."""
        return local_day(time_s, self._offsets)


@dataclass(frozen=True, slots=True)
class Clock:
    """The market time of a simulated channel. A live channel has no such record: no key holds its clock."""

    time: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """The number of the last round that the operator opened."""

    last_round: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Price:
    """The price history and the pairs of homes behind each entry of it; only closings write it."""

    prices: PriceState
    pairs: tuple[tuple[Pair, ...], ...]
    round: str
    transaction: str


@dataclass(frozen=True, slots=True)
class Home:
    """A registration. Certificates name the home by its id; ``owner``, if not empty, is the one identity for it."""

    home: str
    mspid: str
    owner: str
    home_class: str
    pv_w: int
    storage_wh: int
    connection_w: int
    registered_at: int
    transaction: str


@dataclass(frozen=True, slots=True)
class HomeAccount:
    """What a home may still use and sell, what it ever sold, until when it is metered, and the day's generation.

    ``metered_until`` and the local day ``day`` are -1 before the first reading.
    """

    energy_wh: int
    reserved_wh: int
    sold_wh: int
    metered_until: int
    day: int
    generation_wh: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Round:
    """A round. Its tariff, prices and parameters are fixed when it opens; ``time`` is its clock where simulated."""

    id: str
    state: str
    clock: str
    community: str
    minute: int
    tou_uaud_per_kwh: int
    sell_price_uaud_per_kwh: int
    opened_at: int
    offers_from: int
    closes_at: int
    time: int
    parameters_version: int
    parameters: Parameters
    prices: PriceState
    transaction: str


@dataclass(frozen=True, slots=True)
class Bid:
    """A request (``kind`` R) or an offer (O) in a round; the price is a request's limit."""

    kind: str
    id: str
    round: str
    home: str
    energy_wh: int
    price_uaud_per_kwh: int
    interval_start: int
    state: str
    transaction: str


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A home's last request for an interval, open or as it ended, and all that rounds sold it for that interval."""

    request: str
    round: str
    home: str
    interval_start: int
    energy_wh: int
    bought_wh: int
    bought_naud: int
    state: str
    transaction: str


@dataclass(frozen=True, slots=True)
class SaleRecord:
    """What a home sold in a round to requests for intervals that began at one time."""

    offer: str
    round: str
    home: str
    interval_start: int
    sold_wh: int
    revenue_naud: int
    transaction: str


@dataclass(frozen=True, slots=True)
class ReadingRecord:
    """A metered interval and what it came to; ``reason`` says why a correction was made."""

    home: str
    interval_start: int
    interval_end: int
    version: int
    use_wh: int
    generation_wh: int
    own_wh: int
    need_wh: int
    charged_wh: int
    spill_wh: int
    grid_charge_wh: int
    parameters_version: int
    tou_uaud_per_kwh: int
    feed_in_uaud_per_kwh: int
    spill_price_uaud_per_kwh: int
    reason: str
    transaction: str


@dataclass(frozen=True, slots=True)
class BillRecord:
    """A home's bill of a day."""

    home: str
    day: int
    version: int
    bill: Bill
    transaction: str


Record = TypeVar("Record")


# Keys


def version_key(version: int) -> str:
    """A version of the parameters, kept for good."""
    return f"{versions_prefix()}{version:06d}"


def versions_prefix() -> str:
    """All versions of the parameters."""
    return "parameters/"


def home_key(home: str) -> str:
    """A registration."""
    return f"home/{home}"


def account_key(home: str) -> str:
    """A home's battery account."""
    return f"account/{home}"


def round_key(round_id: str) -> str:
    """A round; every bid reads it, closing writes it."""
    return f"round/{_shelf(round_id)}{round_id}"


def result_key(round_id: str) -> str:
    """The award of a closed round."""
    return f"result/{_shelf(round_id)}{round_id}"


def _shelf(round_id: str) -> str:
    """Rounds of one need, by time, and rounds of many, by number, are listed apart."""
    return "fixed/" if is_fixed(round_id) else "own/"


def bids_prefix(round_id: str) -> str:
    """All bids of a round."""
    return f"bid/{round_id}/"


def request_bid_key(round_id: str, home: str) -> str:
    """A home's request in a round."""
    return f"{bids_prefix(round_id)}R/{home}"


def offer_bid_key(round_id: str, home: str) -> str:
    """A home's offer in a round."""
    return f"{bids_prefix(round_id)}O/{home}"


def request_key(home: str, interval_start: int) -> str:
    """What a home requested and bought for an interval."""
    return f"request/{home}/{interval_start:011d}"


def sale_key(home: str, interval_start: int, round_id: str) -> str:
    """A home's sale in a round to requests for intervals that began at one time."""
    return f"sale/{home}/{interval_start:011d}/{round_id}"


def reading_prefix(home: str, interval_start: int) -> str:
    """All versions of a reading."""
    return f"reading/{home}/{interval_start:011d}/"


def reading_key(home: str, interval_start: int, version: int) -> str:
    """One version of a reading."""
    return f"{reading_prefix(home, interval_start)}{version:04d}"


def span_of(kind: str, home: str, from_s: int, to_s: int) -> tuple[str, str]:
    """The range of a home's requests, sales or readings (``kind``) whose interval begins in [from_s, to_s)."""
    return f"{kind}/{home}/{max(0, from_s):011d}", f"{kind}/{home}/{max(0, to_s):011d}"


def bill_key(day: int, home: str) -> str:
    """A home's bill of a day."""
    return f"{bills_prefix(day)}{home}"


def bills_prefix(day: int) -> str:
    """All bills of a day."""
    return f"{bill_prefix()}{day:06d}/"


def bill_prefix() -> str:
    """All bills."""
    return "bill/"


def range_of(prefix: str) -> tuple[str, str]:
    """The range of keys that begin with ``prefix``, which ends in a slash: the next character after it is 0."""
    return prefix, prefix[:-1] + "0"


# Values


def encode(record: object) -> bytes:
    """A record as JSON with sorted keys and no spaces: the same bytes on every peer."""
    return json.dumps(to_json(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def to_json(value: Any) -> Any:
    """A record as JSON values."""
    if value is None or isinstance(value, (int, str)):
        return value
    if isinstance(value, Parameters):
        return as_json(value)
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        if hasattr(value, "_asdict"):
            return value._asdict()
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    raise TypeError(f"a record holds a {type(value).__qualname__}")


def decode(kind: type[Record], value: bytes) -> Record:
    """The record of this kind that ``encode`` wrote."""
    members = json.loads(value)
    if "parameters" in members:
        members["parameters"] = _parameters(members["parameters"])
    if "prices" in members:
        members["prices"] = _prices(members["prices"])
    if "versions" in members:
        members["versions"] = tuple(
            Version(**version | {"parameters": _parameters(version["parameters"])})
            for version in members["versions"]
        )
    if "pairs" in members:
        members["pairs"] = tuple(tuple((one, other) for one, other in pairs) for pairs in members["pairs"])
    if "bill" in members:
        members["bill"] = Bill(**members["bill"])
    return kind(**members)


def decode_optional(kind: type[Record], value: bytes | None) -> Record | None:
    """The record, or None where the ledger holds none."""
    return None if value is None else decode(kind, value)


def _parameters(members: Mapping[str, Any]) -> Parameters:
    """Parameters that were checked before they were written."""
    return Parameters(**{**members, "tou": tuple(Band(*band) for band in members["tou"])})


def _prices(members: Mapping[str, Any]) -> PriceState:
    return PriceState(tuple(members["hist_s"]), tuple(members["hist_b"]), members["redundancy_wh"])


def award(clearing: Clearing) -> dict[str, Any]:
    """A clearing as JSON values, as ``close_round`` answers and publishes it."""
    return {
        "fills": [fill._asdict() for fill in clearing.fills],
        "requests": [result._asdict() for result in clearing.requests],
        "offers": [result._asdict() for result in clearing.offers],
        "totals": to_json(clearing.totals),
    }
