# SPDX-License-Identifier: Apache-2.0
"""`community.yaml`: all that a community is founded with. Mistakes are named with their line.

The file states what the contract takes in the contract's own names (`docs/forward-contract.md`): prices in µAUD per
kWh, minutes
of the local day, times in seconds.
"""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from commonwatt_chaincode.market.forward import tariffs
from commonwatt_chaincode.market.forward.carbon import Carbon, check_carbon
from commonwatt_chaincode.market.forward.gates import Times, check_times
from commonwatt_chaincode.market.forward.periods import check_lengths
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.yaml_models import MistakesError, named, parse_model
from pydantic import BaseModel, ConfigDict, Field, model_validator

EPOCH = date(1970, 1, 1)
FILE = "community.yaml"

_TIMES = Times()

Json = dict[str, Any]


class Part(BaseModel):
    """A mapping in the file: unknown keys are mistakes, and numbers are numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BandFile(Part):
    """Prices from one minute of the local day until before another, in µAUD per kWh."""

    name: str = Field(min_length=1, max_length=40)
    from_min: int = Field(ge=0, le=1_440)
    to_min: int = Field(ge=0, le=1_440)
    tou: int
    feed_in: int
    sharing_price: int | None = None


class DaysFile(Part):
    """Weekdays, 0 is Sunday, and whether holidays count."""

    weekdays: list[int]
    holidays: bool = False


class ScheduleFile(Part):
    """The bands of some days."""

    days: DaysFile
    bands: list[BandFile] = Field(min_length=1, max_length=288)


class DemandFile(Part):
    """A month's charge on the highest mean import in a window, in µAUD per kW."""

    days: DaysFile
    from_min: int = Field(ge=0, le=1_440)
    to_min: int = Field(ge=0, le=1_440)
    price_uaud_per_kw: int = Field(ge=0)


class TariffFile(Part):
    """A tariff as `configure` takes it."""

    schedules: list[ScheduleFile] = Field(min_length=1, max_length=20)
    local_fee: int = Field(default=0, ge=0)
    supply_naud_per_day: int = Field(default=0, ge=0)
    demand: DemandFile | None = None

    def argument(self) -> Json:
        """The member `tariff` of `configure`."""
        return self.model_dump()

    def version(self, from_day: int = 0, published_s: int = 0) -> tariffs.Version:
        """The tariff as the market's rules have it."""

        def days(one: DaysFile) -> tariffs.Days:
            return tariffs.Days(tuple(one.weekdays), one.holidays)

        return tariffs.Version(
            from_day,
            published_s,
            tuple(
                tariffs.Schedule(
                    days(one.days), tuple(tariffs.Band(*band.model_dump().values()) for band in one.bands)
                )
                for one in self.schedules
            ),
            self.local_fee,
            self.supply_naud_per_day,
            None
            if self.demand is None
            else tariffs.Demand(
                days(self.demand.days),
                self.demand.from_min,
                self.demand.to_min,
                self.demand.price_uaud_per_kw,
            ),
        )


class TimesFile(Part):
    """The market's times; those left out are the contract's."""

    opens_before_s: int = _TIMES.opens_before_s
    closes_before_s: int = _TIMES.closes_before_s
    clock_error_s: int = _TIMES.clock_error_s
    gate_grace_s: int = _TIMES.gate_grace_s
    readings_due_s: int = _TIMES.readings_due_s
    resettle_every_s: int = _TIMES.resettle_every_s
    final_after_d: int = _TIMES.final_after_d


class UserOfFile(Part):
    """A user of the network file."""

    organization: str
    user: str


Hours = Annotated[list[int], Field(min_length=3, max_length=3)]
"""From which local hour until before which a kWh of the grid emits how many g."""


class CarbonFile(Part):
    """What each home may emit on a day, the price of a kg above it in µAUD, and what the grid's energy emits."""

    quota_g_per_day: int = Field(ge=0, le=10**9)
    price_uaud_per_kg: int = Field(ge=0, le=10**9)
    intensity: list[Hours]

    def rule(self) -> Carbon:
        """As the market's rules have it."""
        hours = tuple((begin, end, grams) for begin, end, grams in self.intensity)
        return Carbon(self.quota_g_per_day, self.price_uaud_per_kg, hours)


class ServiceFile(Part):
    """Where homes reach the community's service, and the PEM file of the authority that they trust for it."""

    url: str = named(
        r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?$", "an address such as https://energy.example:8443"
    )
    certificate: str


class ExchangeFile(Part):
    """The region's exchange, and until how long after a gate the community brings what it leaves over."""

    channel: str
    chaincode: str = "market"
    void_after_s: int = Field(default=240, ge=1, le=86_400)


class CommunityFile(Part):
    """A whole community."""

    name: str = named(r"^[a-z][a-z0-9-]{0,40}$", "a name of a-z, 0-9 and hyphens, which starts with a letter")
    channel: str
    organization: str
    operator: str = "operator"
    network: str | None = None
    grid: UserOfFile | None = None
    service: ServiceFile | None = None
    clock: Literal["live", "simulated"] = "live"
    trust_homes: bool = True
    readings_by: Literal["home", "meter"] = "home"
    period_min: Literal[1, 5, 15, 30, 60] = 5
    utc_offset_min: int = Field(ge=-1_080, le=1_080)
    pricing: Literal["mid_market", "uniform"] = "mid_market"
    sharing: Literal["dynamic", "static", "none"] = "dynamic"
    estimate_w: int = Field(default=1_500, ge=0)
    key_delay_h: int = Field(default=24, ge=0, le=2_160)
    heal_s: int = Field(default=3_600, ge=0)
    keep_d: int = Field(default=2_555, ge=1)
    times: TimesFile = Field(default_factory=TimesFile)
    exchange: ExchangeFile | None = None
    carbon: CarbonFile | None = None
    tariff: TariffFile
    holidays: list[date] = Field(default_factory=list, max_length=400)

    @model_validator(mode="after")
    def _as_the_contract_takes_it(self) -> Self:
        found = tuple(self._mistakes())
        if found:
            raise MistakesError(found)
        return self

    def _mistakes(self) -> Iterator[tuple[str, tuple[str | int, ...]]]:
        times = Times(**self.times.model_dump())
        lengths, offsets = ((0, self.period_min),), ((0, self.utc_offset_min),)
        checks: dict[str, Callable[[], None]] = {
            "times": lambda: check_times(times),
            "period_min": lambda: check_lengths(lengths, offsets, times.clock_error_s),
            "tariff": lambda: tariffs.check_version(self.tariff.version(), self.period_min),
        }
        if self.carbon is not None:
            rule = self.carbon.rule()
            checks["carbon"] = lambda: check_carbon(rule)
        for name, check in checks.items():
            try:
                check()
            except ValueError as error:
                yield str(error), (name,)
        if self.readings_by == "home" and self.clock == "live" and not self.trust_homes:
            yield "readings_by: home asks for trust_homes: true, or name readings_by: meter", ("trust_homes",)
        if self.key_delay_h * 3_600 < times.opens_before_s:
            yield (
                "key_delay_h: at least opens_before_s, or a recovered key counts in an open window",
                ("key_delay_h",),
            )
        if self.keep_d < times.final_after_d + 31:
            yield "keep_d: at least times.final_after_d + 31", ("keep_d",)

    def argument(self) -> Json:
        """The argument of the channel's first `configure`, but for ``replaces``."""
        names = ("clock", "trust_homes", "period_min", "utc_offset_min", "pricing", "sharing", "readings_by")
        numbers = ("estimate_w", "key_delay_h", "heal_s", "keep_d")
        return {
            **{name: getattr(self, name) for name in (*names, *numbers)},
            "times": self.times.model_dump(),
            "tariff": self.tariff.argument(),
            **({} if self.carbon is None else {"carbon": self.carbon.model_dump()}),
            "holidays": [(one - EPOCH).days for one in self.holidays],
            **({"exchange": self.exchange.model_dump()} if self.exchange is not None else {}),
        }


def read_community_file(path: Path) -> CommunityFile:
    """The community in a YAML file. UsageError, of mistakes one line each: ``file:line: mistake``."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"{path} cannot be read: {reason}") from error
    expected = "a community is a mapping with name, channel, organization, tariff and so on"
    return parse_model(CommunityFile, text, str(path), expected)


def json_schema() -> Json:
    """The JSON Schema of `community.yaml`, for editors."""
    return CommunityFile.model_json_schema()
