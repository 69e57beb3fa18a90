# SPDX-License-Identifier: Apache-2.0
"""What the contract ``forward`` answers, as values; members that a later contract adds are left out.

Times are epoch seconds (``_s``); periods are their ids, the epoch minute of their start; money is nAUD.
"""

from functools import cache
from typing import Any, TypeVar

from commonwatt_chaincode.market.exchange.residual import Residual
from commonwatt_chaincode.market.forward.bids import Connection
from commonwatt_chaincode.market.forward.bills import CarbonLine
from commonwatt_chaincode.market.forward.carbon import Carbon
from commonwatt_chaincode.market.forward.envelopes import Caps, Envelope
from commonwatt_chaincode.market.forward.gates import Times
from commonwatt_chaincode.market.forward.prices import Prices
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
class OnExchange:
    """Where a community trades what it leaves over, and until how long after a gate it brings its residual."""

    channel: str
    chaincode: str
    void_after_s: int


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
    keep_d: int = 2_555
    exchange: OnExchange | None = None
    carbon: Carbon | None = None


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
    """A registration; it counts for nothing before the grid has confirmed it: ``proposed`` waits for that.

    Of periods before ``forgotten_before`` nothing private of the home is left; None where nothing was forgotten.
    """

    home: str
    home_class: str
    storage_wh: int
    versions: tuple[ConnectionVersion, ...]
    proposed: Connection | None
    to_period: int | None
    proposed_end: int | None
    forgotten_before: int | None = None

    def takes_part(self, period: int) -> bool:
        """Whether the grid has confirmed the home for a period."""
        ended = self.to_period is not None and period >= self.to_period
        return not ended and any(one.from_period <= period for one in self.versions)


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
class Settled:
    """The version that is settled of a period, in how many parts."""

    period: int
    version: int
    parts: int


@dataclass(frozen=True)
class SettledPart:
    """One part of a settlement in sums; ``settled`` says whether all `parts` of the version stand."""

    period: int
    version: int
    part: int
    parts: int
    homes: int
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    shared_in_wh: int
    breach_wh: int
    measured: int
    substituted: int
    estimated: int
    changed: int
    settled: bool


@dataclass(frozen=True)
class SettledGap:
    """How much of a gap a transaction spread, and the period to go on with; ``next`` None: the gap is done."""

    periods: int
    changed: int
    next: int | None


@dataclass(frozen=True)
class Billed:
    """One part of a day's bills in sums."""

    day: int
    part: int
    parts: int
    homes: int
    adjustments: int
    taxable_naud: int
    amount_naud: int


@dataclass(frozen=True)
class SettledCarbon:
    """One part of a day's carbon in sums; ``fund_naud`` is None until all parts of the day stand."""

    day: int
    part: int
    parts: int
    homes: int
    emitted_mg: int
    paid_naud: int
    settled: bool
    fund_naud: int | None


@dataclass(frozen=True)
class CarbonOfDay:
    """What a day's carbon came to, and the line of the home that was named."""

    day: int
    homes: int
    emitted_mg: int
    paid_naud: int
    shared_naud: int
    fund_naud: int
    quota: Carbon
    line: CarbonLine | None = None


@dataclass(frozen=True)
class Cleared:
    """A clearing in sums; the price is None where nothing trades.

    ``exchange`` is what the community may bring to the exchange; None: it stays alone in this period.
    """

    period: int
    pricing: str
    price_uaud_per_kwh: int | None
    traded_wh: int
    requested_wh: int
    offered_wh: int
    requests: int
    offers: int
    refused: int
    exchange: Residual | None = None

    @property
    def left_over(self) -> bool:
        """Whether there is anything to bring to the exchange."""
        return self.exchange is not None and bool(self.exchange.requests or self.exchange.offers)


@dataclass(frozen=True)
class OutsideSums:
    """What a community, or a home, trades with other communities; the links' fee is within what it pays."""

    imported_wh: int
    exported_wh: int
    amount_naud: int
    fee_naud: int


@dataclass(frozen=True)
class Imported:
    """What the exchange's round came to for the community; ``state``: cleared, or void."""

    period: int
    state: str
    sums: OutsideSums


@dataclass(frozen=True)
class Award:
    """What a home's bid came to; ``code`` says why it was refused, or is empty."""

    home: str
    id: str
    bought_wh: int
    sold_wh: int
    code: str


@dataclass(frozen=True)
class HomeLine:
    """A home's settled period, and what it was settled at; ``seq`` 0: no reading stands behind it."""

    period: int
    length_min: int
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
    key_ppm: int
    exceeded: tuple[str, ...]
    shared_in_wh: int
    shared_out_wh: int
    grid_in_wh: int
    grid_out_wh: int
    breach_wh: int
    contract_naud: int
    shared_naud: int
    grid_naud: int
    fee_naud: int
    amount_naud: int
    final: bool
    band: str
    tou: int
    feed_in: int
    local_fee: int
    price_uaud_per_kwh: int | None
    sharing: str
    sharing_price_uaud_per_kwh: int
    exchange: OutsideSums | None = None


@dataclass(frozen=True)
class HomeLines:
    """Settled lines, by period and home."""

    lines: tuple[HomeLine, ...]


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
class Configured:
    """A configuration that was put into force: its number, the network's id, and from which period on it counts."""

    version: int
    net: str
    from_period: int


@dataclass(frozen=True)
class Homes:
    """Registrations."""

    homes: tuple[Home, ...]


@dataclass(frozen=True)
class Confirmed:
    """What the grid confirmed counts from this period on."""

    homes: tuple[str, ...]
    from_period: int


@dataclass(frozen=True)
class NewKey:
    """A key that was set: its thumbprint, its number, and the first period that it judges."""

    kid: str
    version: int
    from_period: int


@dataclass(frozen=True)
class KeyProposal:
    """What became of a recovery: ``proposed``, ``confirmed`` or ``dropped``."""

    home: str
    author: str
    state: str


@dataclass(frozen=True)
class PeriodState:
    """A period: its times and prices, and what stands of it; ``None`` is what does not stand yet."""

    period: int
    length_min: int
    start_s: int
    end_s: int
    window_opens_s: int
    gate_s: int
    operator_closes_from_s: int
    members_close_from_s: int
    final_from_s: int
    day: int
    band: str
    prices: Prices
    gate: Gate | None
    meter: Meter | None
    cleared: Cleared | None
    sums: SettledPeriod | None
    imported: Imported | None = None


@dataclass(frozen=True)
class ListedPeriod:
    """What stands of a period in a list of many; ``None`` is what does not stand yet."""

    period: int
    gate: Gate | None
    meter: Meter | None
    cleared: Cleared | None
    settled: Settled | None


@dataclass(frozen=True)
class ListedPeriods:
    """The periods of a span of which anything stands, in order."""

    periods: tuple[ListedPeriod, ...]


@dataclass(frozen=True)
class EnvelopesOfPeriod:
    """The envelopes that touch a period, and the Wh that hold where one home is asked for."""

    period: int
    envelopes: tuple[Envelope, ...]
    caps: Caps | None = None


@dataclass(frozen=True)
class SharingKeysOfPeriod:
    """Static sharing keys of a period, in ppm by home."""

    period: int
    keys: dict[str, int]


@dataclass(frozen=True)
class ClearedPrice:
    """What a period was cleared at, and the prices that bound it."""

    period: int
    price_uaud_per_kwh: int | None
    traded_wh: int
    tou: int
    feed_in: int
    local_fee: int


@dataclass(frozen=True)
class ClearedPrices:
    """Prices, by period."""

    prices: tuple[ClearedPrice, ...]


@dataclass(frozen=True)
class OutsideAward(OutsideSums):
    """What a home trades with other communities."""

    home: str


@dataclass(frozen=True)
class PeriodAwards:
    """A period's price, and the awards that the caller may read; ``exchange`` once a round is imported."""

    period: int
    price_uaud_per_kwh: int | None
    awards: tuple[Award, ...]
    exchange: tuple[OutsideAward, ...] = ()


@dataclass(frozen=True)
class AwardsOfPeriods:
    """Awards, by period."""

    periods: tuple[PeriodAwards, ...]


@dataclass(frozen=True)
class StandingMessage:
    """A message that stands on the ledger, in compact form, under its index key."""

    key: str
    message: str


@dataclass(frozen=True)
class StandingMessages:
    """Messages of a period that the caller may read."""

    messages: tuple[StandingMessage, ...]


@dataclass(frozen=True)
class MessageStatus:
    """Whether a message stands: ``written``, ``replaced`` by another under its seq, ``absent`` or ``lost``."""

    digest: str
    status: str
    version: int | None


@dataclass(frozen=True)
class Written:
    """What became of each message of a batch, in its order: ``written``, or the code that refuses it."""

    results: tuple[str, ...]
