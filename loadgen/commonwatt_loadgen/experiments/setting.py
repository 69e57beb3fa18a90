# SPDX-License-Identifier: Apache-2.0
"""What one variant of an experiment simulates: data, homes, market, tariff, batteries, forecast, strategies."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Literal

from commonwatt_client.yaml_models import Location
from commonwatt_community import plugins
from commonwatt_community.hems.battery import BATTERY_POLICIES
from commonwatt_community.hems.forecast import FORECASTS
from pydantic import BaseModel, ConfigDict, Field

from commonwatt_loadgen.simulate.market_choice import EX_POST, FORWARD

Json = dict[str, Any]
Mistake = tuple[str, Location]

ONLY_IN: Mapping[str, str] = {
    "strategies": EX_POST,
    "spill": EX_POST,
    "disutility_c_per_kwh_per_kw": EX_POST,
    "batteries.from_grid": EX_POST,
    "pricing": FORWARD,
    "sharing": FORWARD,
    "period_min": FORWARD,
    "tariff.feed_in_bands": FORWARD,
    "tariff.local_fee_c_per_kwh": FORWARD,
    "grid": FORWARD,
    "clock_zone": FORWARD,
    "first_date": FORWARD,
}
"""Keys that count in one market alone."""


class Part(BaseModel):
    """A mapping in the file: unknown keys are mistakes, and numbers are numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Data(Part):
    """The metered homes; without a file the kit's 15 + 3 types of New South Wales."""

    file: str | None = Field(
        default=None, min_length=1, description="file, zip or folder; see docs/traces.md"
    )
    layout: str | None = None
    columns: str | None = Field(default=None, description="as home=LCLid,time=tstp,use_kwh=energy")
    zone: str | None = Field(default=None, description="time zone of the homes, as Europe/London")
    meters: Literal["net", "gross"] | None = None
    day: int = Field(default=1, ge=1, le=100_000, description="day of the data to begin with")
    strict: bool = Field(default=False, description="refuse data with any flaw")
    noise_percent: float = Field(default=0, ge=0, le=50, description="by which homes differ from their types")
    pv: Literal["traces", "equation"] = "traces"


class Band(Part):
    """A price in c/kWh from one hour of the day until before another."""

    from_hour: int = Field(ge=0, le=23)
    to_hour: int = Field(ge=1, le=24)
    c_per_kwh: float = Field(ge=-9_999, le=9_999)


class Tariff(Part):
    """The grid's prices. `feed_in_bands` go before `feed_in_c_per_kwh` in their hours; below 0 exports cost."""

    bands: list[Band] | None = Field(default=None, min_length=1, max_length=24, description="from 0 to 24 h")
    feed_in_c_per_kwh: float = Field(default=10, ge=-9_999, le=9_999)
    feed_in_bands: list[Band] = Field(default=[], max_length=24)
    local_fee_c_per_kwh: float = Field(default=0, ge=0, le=1_000)


class Batteries(Part):
    """The batteries of homes with PV."""

    storage_wh: int = Field(default=5_000, ge=0, le=10**9)
    plan: str = Field(default="reserve", description="reserve, sell-all; forward also none, and plug-ins")
    from_grid: bool | None = Field(default=None, description="they charge from the grid in its cheapest band")


class Sharing(Part):
    """How surplus without contract is shared out."""

    mode: Literal["dynamic", "static", "none"] = "dynamic"
    keys: str | None = Field(default=None, min_length=1, description="JSON file {home: ppm} of static keys")


class Grid(Part):
    """What the grid lets homes import and export."""

    export_limit_w: int | None = Field(default=None, ge=0, le=10**9)
    envelopes: str | None = Field(default=None, min_length=1, description="CSV file; see docs/simulate.md")
    curtail: bool = Field(default=False, description="panels keep exports within the envelope")


class Setting(Part):
    """One variant. Keys of the other market than its own do not count; `counting` leaves them out."""

    data: Data = Data()
    market: Literal["ex_post", "forward"] = "ex_post"
    days: int = Field(default=1, ge=1, le=3_660)
    homes: int = Field(default=60, ge=1, le=100_000)
    share_percent: float = Field(
        default=20, ge=0, le=100, description="of the homes that have PV and a battery"
    )
    batteries: Batteries = Batteries()
    forecast: str = "perfect"
    strategies: list[str] = Field(default=["suggested"], min_length=1, max_length=100)
    spill: Literal["FEED_IN", "WASTE"] = "FEED_IN"
    disutility_c_per_kwh_per_kw: float | None = Field(default=None, ge=0.01, le=100_000)
    pricing: Literal["mid_market", "uniform"] = "mid_market"
    sharing: Sharing = Sharing()
    period_min: Literal[1, 5, 15, 30, 60] = 30
    tariff: Tariff = Tariff()
    grid: Grid = Grid()
    clock_zone: str | None = Field(default=None, description="zone whose clock changes count")
    first_date: date | None = Field(default=None, ge=date(1971, 1, 1), le=date(2500, 1, 1))

    def counting(self) -> Json:
        """What this variant is, as JSON: every key that counts in its market, with its value."""
        values: Json = self.model_dump(mode="json")
        for path, market in ONLY_IN.items():
            if market != self.market:
                *outer, last = path.split(".")
                place = values
                for name in outer:
                    place = place[name]
                del place[last]
        return values

    def mistakes(self) -> Iterator[Mistake]:
        """What no single key shows: names that the market does not know, keys that say nothing beside others."""
        forward = self.market == FORWARD
        for name, known, place in (
            (self.forecast, plugins.names("forecasts") if forward else FORECASTS, ("forecast",)),
            (
                self.batteries.plan,
                plugins.names("batteries") if forward else BATTERY_POLICIES,
                ("batteries", "plan"),
            ),
            *(
                (one, plugins.names("strategies"), ("strategies", number))
                for number, one in enumerate(self.strategies)
                if not forward
            ),
        ):
            if name not in known:
                told = f"{'.'.join(map(str, place))}: {name[:40]!r} is none of {', '.join(sorted(known))}"
                yield f"{told} in the market {self.market}", place
        if self.data.file is None:
            for name in ("layout", "columns", "zone", "meters"):
                if getattr(self.data, name) is not None:
                    yield f"data.{name}: says how a file is read; name it by data.file", ("data", name)
        if forward and self.sharing.keys is not None and self.sharing.mode != "static":
            yield "sharing.keys: counts with the mode static alone", ("sharing", "keys")
        if forward and self.grid.curtail and self.grid.envelopes is None and self.grid.export_limit_w is None:
            yield (
                "grid.curtail: without a limit or envelopes there is nothing to keep to",
                ("grid", "curtail"),
            )
