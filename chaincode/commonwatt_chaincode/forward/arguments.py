# SPDX-License-Identifier: Apache-2.0
"""The argument of each transaction: one JSON object, its members named in units and held within bounds."""

from dataclasses import dataclass
from typing import Annotated, Literal

from ..contract.arguments import (
    LARGEST_ENERGY_WH,
    LARGEST_PRICE,
    Bounded,
    Day,
    Energy,
    HomeId,
    Name,
    Text,
    Time,
    Watts,
    Within,
)
from ..market.forward.carbon import Carbon, check_carbon
from ..market.forward.tariffs import WEEKDAYS, Demand, Schedule
from ..messages.fields import HIGHEST_SEQ

LARGEST_PERIOD = 10**10 // 60
MOST_HOMES = 200
"""Homes that one transaction registers or confirms."""
MOST_SHARING_KEYS = 10_000
MOST_SCHEDULES, MOST_BANDS = 20, 288
LONGEST_BAND_NAME = 40
MOST_HOLIDAYS = 400
MOST_INTENSITIES = 300
"""Periods for which one transaction publishes what the grid's energy emits: a day of 5 minutes."""
LARGEST_QUOTA_G = 10**9
LARGEST_G_PER_KWH = 10**5
LONGEST_SPAN_MIN = 31 * 24 * 60
"""How many minutes of periods one query lists."""

PeriodId = Annotated[int, Within(0, LARGEST_PERIOD)]
Author = Literal["home", "meter", "operator"]
KeyAuthor = Literal["home", "meter", "operator", "carrier"]
Kind = Literal["bid", "reading"]
HomeClass = Literal["consumer", "prosumer"]
Ppm = Annotated[int, Within(0, 10**6)]
OffsetMin = Annotated[int, Within(-1080, 1080)]
CarrierId = Annotated[
    str, Text(r"[A-Za-z0-9._-]{1,31}\.[A-Za-z0-9_-]{1,32}", "an MSP id, a dot and a name without dots")
]
Seconds = Annotated[int, Within(0, 7 * 86_400)]
Thumbprint = Annotated[str, Text(r"[A-Za-z0-9_-]{43}", "a thumbprint of 43 characters")]
TransactionId = Annotated[str, Text(r"[0-9a-f]{64}", "a transaction id of 64 hex digits")]
ChannelId = Annotated[str, Text(r"[a-z][a-z0-9.-]{0,248}", "a channel's name")]
ChaincodeName = Annotated[str, Text(r"[A-Za-z0-9_-]{1,64}", "a chaincode's name")]
Digest = Annotated[str, Text(r"[0-9a-f]{64}", "a SHA-256 in 64 hex digits")]
IndexKey = Annotated[
    str, Text(r"m/[A-Za-z0-9._/-]{1,140}", "the index key of a message, which begins with m/")
]


@dataclass(frozen=True)
class NewTimes(Bounded):
    """Times to change; those left out stay."""

    opens_before_s: Seconds | None = None
    closes_before_s: Seconds | None = None
    clock_error_s: Annotated[int, Within(0, 600)] | None = None
    gate_grace_s: Annotated[int, Within(0, 86_400)] | None = None
    readings_due_s: Annotated[int, Within(0, 90 * 86_400)] | None = None
    resettle_every_s: Annotated[int, Within(60, 90 * 86_400)] | None = None
    final_after_d: Annotated[int, Within(1, 3_650)] | None = None


@dataclass(frozen=True)
class NewExchange(Bounded):
    """The channel and the chaincode of the exchange, and until how long after a gate a residual is brought."""

    channel: ChannelId
    chaincode: ChaincodeName
    void_after_s: Annotated[int, Within(1, 7 * 86_400)]


@dataclass(frozen=True)
class NewCarbon(Bounded):
    """What every home may emit on a local day, the price of a kg above it, and (from hour, to hour, g per kWh)."""

    quota_g_per_day: Annotated[int, Within(0, LARGEST_QUOTA_G)]
    price_uaud_per_kg: Annotated[int, Within(0, LARGEST_PRICE)]
    intensity: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_carbon(Carbon(self.quota_g_per_day, self.price_uaud_per_kg, self.intensity))
        if any(grams > LARGEST_G_PER_KWH for *_, grams in self.intensity):
            raise ValueError(f"intensity must be at most {LARGEST_G_PER_KWH} g per kWh")


@dataclass(frozen=True)
class NewTariff(Bounded):
    """A tariff from a local day on; the first one counts from the start of time."""

    schedules: tuple[Schedule, ...]
    from_day: Day | None = None
    local_fee: Annotated[int, Within(0, LARGEST_PRICE)] = 0
    supply_naud_per_day: Annotated[int, Within(0, 10**15)] = 0
    demand: Demand | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.schedules) <= MOST_SCHEDULES:
            raise ValueError(f"schedules must be 1 to {MOST_SCHEDULES}")
        for days in (*(one.days for one in self.schedules), *((self.demand.days,) if self.demand else ())):
            if len(set(days.weekdays)) != len(days.weekdays) or not set(days.weekdays) <= set(WEEKDAYS):
                raise ValueError("weekdays must be numbers from 0 (Sunday) to 6, each once")
        for schedule in self.schedules:
            if len(schedule.bands) > MOST_BANDS:
                raise ValueError(f"a schedule has at most {MOST_BANDS} bands")
            for band in schedule.bands:
                if not 1 <= len(band.name) <= LONGEST_BAND_NAME:
                    raise ValueError(f"a band's name has 1 to {LONGEST_BAND_NAME} characters")
                for price in (band.tou, band.feed_in, band.sharing_price or 0):
                    _check_price(price)
        if self.demand:
            _check_price(self.demand.price_uaud_per_kw)


def _check_price(price: int) -> None:
    if not -LARGEST_PRICE <= price <= LARGEST_PRICE:
        raise ValueError(f"prices must be within {-LARGEST_PRICE}..{LARGEST_PRICE}")


@dataclass(frozen=True)
class Configure(Bounded):
    """What changes, and the version that it replaces; ``clock``, ``at_s`` and ``trust_homes`` the first time alone.

    ``exchange`` "none": the community leaves it. ``carbon`` "none": there is no quota.
    """

    replaces: Annotated[int, Within(0, 10**6)]
    clock: Literal["live", "simulated"] | None = None
    at_s: Time | None = None
    trust_homes: bool | None = None
    from_period: PeriodId | None = None
    period_min: Annotated[int, Within(1, 60)] | None = None
    utc_offset_min: OffsetMin | None = None
    times: NewTimes | None = None
    pricing: Literal["mid_market", "uniform"] | None = None
    sharing: Literal["dynamic", "static", "none"] | None = None
    readings_by: Literal["home", "meter"] | None = None
    estimate_w: Annotated[int, Within(0, LARGEST_ENERGY_WH)] | None = None
    key_delay_h: Annotated[int, Within(0, 24 * 90)] | None = None
    heal_s: Annotated[int, Within(0, 90 * 86_400)] | None = None
    keep_d: Annotated[int, Within(1, 36_500)] | None = None
    exchange: NewExchange | Literal["none"] | None = None
    carbon: NewCarbon | Literal["none"] | None = None
    tariff: NewTariff | None = None
    holidays: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.holidays) > MOST_HOLIDAYS or not all(0 <= day <= 999_999 for day in self.holidays):
            raise ValueError(f"holidays must be at most {MOST_HOLIDAYS} local days")


@dataclass(frozen=True)
class AdvanceClock(Bounded):
    """Where to move the channel's clock."""

    to_s: Time


@dataclass(frozen=True)
class NewHome(Bounded):
    """A connection point to register, or another connection of one that is; and who reads for the home."""

    home: HomeId
    home_class: HomeClass
    connection_w: Watts = 24_000
    pv_w: Energy = 0
    battery_w: Energy = 0
    storage_wh: Energy = 0
    mspid: HomeId | None = None
    owner: Name | None = None


@dataclass(frozen=True)
class NewHomes(Bounded):
    """Several at once."""

    homes: tuple[NewHome, ...]

    def __post_init__(self) -> None:
        _check_homes([one.home for one in self.homes])


@dataclass(frozen=True)
class OneHome(Bounded):
    """A home by its id."""

    home: HomeId


@dataclass(frozen=True)
class ConfirmHome(Bounded):
    """A home, and the transaction by which its registration came to be what the grid saw."""

    home: HomeId
    transaction: TransactionId | None = None


@dataclass(frozen=True)
class ConfirmHomes(Bounded):
    """Several at once."""

    homes: tuple[str, ...]
    transactions: dict[str, str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_homes([OneHome(home).home for home in self.homes])
        for home, transaction in (self.transactions or {}).items():
            ConfirmHome(home, transaction)
            if home not in self.homes:
                raise ValueError(f"transactions: {home} is none of the homes")


def _check_homes(homes: list[str]) -> None:
    if not 1 <= len(homes) <= MOST_HOMES or len(set(homes)) != len(homes):
        raise ValueError(f"homes must be 1 to {MOST_HOMES}, each once")


@dataclass(frozen=True)
class ForgetHome(OneHome):
    """A home, and the period before which nothing private of it stays."""

    before: PeriodId


@dataclass(frozen=True)
class ForgetHomes(Bounded):
    """Several at once: records that they share are written anew once."""

    homes: tuple[str, ...]
    before: PeriodId

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_homes([OneHome(home).home for home in self.homes])


@dataclass(frozen=True)
class EndHome(Bounded):
    """From which period on a home takes no part; by default the next that can be."""

    home: HomeId
    to_period: PeriodId | None = None


@dataclass(frozen=True)
class KeysOf(Bounded):
    """Whose keys: a home's, its meter's, or the operator's, whose ``home`` is the community's MSP id."""

    author: Author
    home: HomeId


@dataclass(frozen=True)
class KnownKeys(Bounded):
    """Whose keys to show: as `KeysOf`, or a carrier's, whose ``home`` is its id."""

    author: KeyAuthor
    home: HomeId


@dataclass(frozen=True)
class OneCarrier(Bounded):
    """A carrier: the MSP id of its organisation, a dot, and a name without dots."""

    carrier: CarrierId


@dataclass(frozen=True)
class ConfirmKey(Bounded):
    """The proposed key, by its thumbprint."""

    author: Author
    home: HomeId
    kid: Thumbprint


@dataclass(frozen=True)
class Batch(Bounded):
    """What the messages in the transient field have in common."""

    kind: Kind
    period: PeriodId


@dataclass(frozen=True)
class OnePeriod(Bounded):
    """A period by its id, the epoch minute of its start."""

    period: PeriodId


@dataclass(frozen=True)
class ClearPeriod(OnePeriod):
    """A period; ``alone``: its residual is never brought to the exchange."""

    alone: bool | None = None


@dataclass(frozen=True)
class FreezePeriod(OnePeriod):
    """A period, and the index key of a reading that came since it was frozen last."""

    reading: IndexKey | None = None


@dataclass(frozen=True)
class OnePart(OnePeriod):
    """A part of a period's settlement; it may be left out where there is one alone."""

    part: Annotated[int, Within(0, 9_999)] | None = None


@dataclass(frozen=True)
class SettleGap(Bounded):
    """A home's gap: the periods of the readings with totals next to it, and where in it to go on."""

    home: HomeId
    before: PeriodId
    after: PeriodId
    from_period: PeriodId = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.after - self.before <= LONGEST_SPAN_MIN:
            raise ValueError(f"after must be 1 to {LONGEST_SPAN_MIN} minutes later than before")


@dataclass(frozen=True)
class SettleDay(Bounded):
    """A local day, and a part of its bills; it may be left out where there is one alone."""

    day: Day
    part: Annotated[int, Within(0, 9_999)] | None = None


@dataclass(frozen=True)
class HomeDay(Bounded):
    """A home's local day."""

    home: HomeId
    day: Day


@dataclass(frozen=True)
class CarbonOfDay(Bounded):
    """A local day, and a home where its own line is asked for."""

    day: Day
    home: HomeId | None = None


@dataclass(frozen=True)
class SetEnvelope(Bounded):
    """The power allowed in [from_period, to_period), of a home or of all; a power left out is not bounded."""

    from_period: PeriodId
    to_period: PeriodId
    home: HomeId | None = None
    import_w: Energy | None = None
    export_w: Energy | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_period >= self.to_period:
            raise ValueError("to_period must be later than from_period")


@dataclass(frozen=True)
class SetIntensity(Bounded):
    """What a kWh of the grid emits in one period after another, from a period on."""

    from_period: PeriodId
    g_per_kwh: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.g_per_kwh) <= MOST_INTENSITIES:
            raise ValueError(f"g_per_kwh must be 1 to {MOST_INTENSITIES} values")
        if not all(0 <= grams <= LARGEST_G_PER_KWH for grams in self.g_per_kwh):
            raise ValueError(f"g_per_kwh must be within 0..{LARGEST_G_PER_KWH}")


@dataclass(frozen=True)
class SetSharingKeys(Bounded):
    """All static sharing keys from a period on, in ppm by home."""

    from_period: PeriodId
    keys: dict[str, int]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.keys) > MOST_SHARING_KEYS:
            raise ValueError(f"keys must be at most {MOST_SHARING_KEYS}")
        for home, ppm in self.keys.items():
            SharingKey(home, ppm)
        if sum(self.keys.values()) > 10**6:
            raise ValueError("keys must be together at most 1000000")


@dataclass(frozen=True)
class SharingKey(Bounded):
    """A home's part of what the community shares."""

    home: HomeId
    ppm: Ppm


@dataclass(frozen=True)
class ReportFeeder(Bounded):
    """What the feeder's meter counted in a period."""

    period: PeriodId
    import_wh: Annotated[int, Within(0, 10**12)]
    export_wh: Annotated[int, Within(0, 10**12)]


@dataclass(frozen=True)
class OneKey(Bounded):
    """The index key of a message."""

    key: IndexKey


@dataclass(frozen=True)
class Nothing(Bounded):
    """No members at all."""


@dataclass(frozen=True)
class Span(Bounded):
    """Periods whose ids are in [from_period, to_period)."""

    from_period: PeriodId
    to_period: PeriodId

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.to_period - self.from_period <= LONGEST_SPAN_MIN:
            raise ValueError(f"to_period must be 1 to {LONGEST_SPAN_MIN} minutes after from_period")


@dataclass(frozen=True, kw_only=True)
class HomeSpan(Span):
    """A home's periods in [from_period, to_period); without a home all homes', for those who see all."""

    home: HomeId | None = None


@dataclass(frozen=True)
class SomeMessages(Bounded):
    """The bids or the readings of a period, of one home or of all that the caller sees."""

    kind: Kind
    period: PeriodId
    home: HomeId | None = None


@dataclass(frozen=True)
class HomePeriod(Bounded):
    """A period, and one home where not all are asked for."""

    period: PeriodId
    home: HomeId | None = None


@dataclass(frozen=True)
class OneMessage(Bounded):
    """A message by who said it when, and the digest of its signing input."""

    kind: Kind
    period: PeriodId
    home: HomeId
    seq: Annotated[int, Within(1, HIGHEST_SEQ)]
    digest: Digest
    author: Author = "home"
