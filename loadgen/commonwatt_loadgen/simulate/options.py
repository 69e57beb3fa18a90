# SPDX-License-Identifier: Apache-2.0
"""What a simulation may be told."""

import importlib.util
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.tariff import Tariff, highest_tou
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import default_path
from commonwatt_community import planning, plugins
from commonwatt_community.hems.battery import BATTERY_POLICIES
from commonwatt_community.hems.forecast import FORECASTS

from commonwatt_loadgen.traces import Problem, ReadAs, TraceError, TraceSet, default_types, load_traces
from commonwatt_loadgen.traces.sun import with_equation_one

NSW_USAGE_SCALE_PPM = 1_684_000  # to the Ausgrid sample's mean with controlled load, 17.5 kWh a day


@dataclass(frozen=True)
class SimulationOptions:
    """How to simulate; `homes` 0 means every home of the network.

    `disutility` is c/kWh of marginal discomfort per kW that a consumer's load is moved; None moves none. `ev_percent`,
    `hot_water_percent` and `deferrable_percent` of the homes have such devices; `devices_at_once`: they run as soon as
    they may, and nobody plans them. `storage_from_grid` None leaves the community's parameter as it is, and so do `tou`
    and `feed_in_uaud_per_kwh`. `data`: whether results are written as CSV, too; None: unless the run is long;
    `parquet`: as Parquet beside it. `layout`, `columns`, `zone` and `meters` say how `traces` is read, as in `ReadAs`.
    """

    seed: int = 1
    homes: int = 0
    days: int = 1
    share_percent: float = 20.0
    storage_wh: int = 5000
    strategies: tuple[str, ...] = ("suggested",)
    forecast: str = "perfect"
    battery: str = "reserve"
    spill: str = "FEED_IN"
    traces: Path | None = None
    layout: str | None = None
    columns: str | None = None
    zone: str | None = None
    meters: str | None = None
    trace_day: int = 1
    strict: bool = False
    pv: str = "traces"
    noise_percent: float = 0.0
    disutility: float | None = None
    ev_percent: float = 0.0
    hot_water_percent: float = 0.0
    deferrable_percent: float = 0.0
    devices_at_once: bool = False
    storage_from_grid: bool | None = None
    usage_scale_ppm: int = NSW_USAGE_SCALE_PPM
    tou: Tariff | None = None
    feed_in_uaud_per_kwh: int | None = None
    data: bool | None = None
    parquet: bool = False
    out: Path = Path("out/simulate")
    network_file: Path = field(default_factory=default_path)

    def check(
        self, forecasts: Collection[str] = FORECASTS, batteries: Collection[str] = BATTERY_POLICIES
    ) -> None:
        """Raise UsageError for a value that cannot be; `forecasts` and `batteries` are those of the market."""
        for name, value, low, high in (
            ("--homes", self.homes, 0, 100_000),
            ("--days", self.days, 1, 3660),
            ("--share", self.share_percent, 0, 100),
            ("--storage", self.storage_wh, 0, 10**9),
            ("--trace-day", self.trace_day, 1, 100_000),
            ("--ev", self.ev_percent, 0, 100),
            ("--hot-water", self.hot_water_percent, 0, 100),
            ("--deferrable", self.deferrable_percent, 0, 100),
            ("--noise", self.noise_percent, 0, 50),
            ("--disutility", 1.0 if self.disutility is None else self.disutility, 0.01, 100_000),
        ):
            if not low <= value <= high:
                raise UsageError(f"{name} {value:g}: must be within {low}..{high}")
        for option, chosen, known in (
            ("--strategy", self.strategies, plugins.names("strategies")),
            ("--forecast", (self.forecast,), forecasts),
            ("--battery", (self.battery,), batteries),
            ("--spill", (self.spill,), ("FEED_IN", "WASTE")),
            ("--pv", (self.pv,), ("traces", "equation")),
        ):
            for name in chosen:
                if name not in known:
                    raise UsageError(f"{option} {name}: is none of {', '.join(sorted(known))}")

        if self.parquet and importlib.util.find_spec("pyarrow") is None:
            raise UsageError("--parquet: needs pyarrow: pip install 'commonwatt-loadgen[parquet]'")
        if self.battery == "mpc" and not planning.is_installed():
            raise UsageError(f"--battery mpc: {planning.INSTALL}")
        try:
            self.read_as.check()
        except ValueError as error:
            raise UsageError(str(error)) from error
        if self.traces is None and self.read_as != ReadAs():
            raise UsageError(
                "--layout, --columns, --zone and --meters say how to read a file: name it by --traces"
            )

    @property
    def read_as(self) -> ReadAs:
        """How the trace file is to be read."""
        return ReadAs(self.layout, self.columns, self.zone, self.meters)

    def trace_set(self) -> tuple[TraceSet, list[Problem]]:
        """The traces to follow; raises UsageError where the file cannot be used."""
        traces, problems = self._use_traces()
        return (with_equation_one(traces) if self.pv == "equation" else traces), problems

    def parameter_changes(self) -> dict[str, object]:
        """What to set of the community's parameters before trading.

        Under another tariff the prices that the first rounds begin with lie within its bounds.
        """
        changes: dict[str, object] = {"spill_policy": self.spill}
        known = Parameters()
        feed_in = known.feed_in if self.feed_in_uaud_per_kwh is None else self.feed_in_uaud_per_kwh
        tou = known.tou if self.tou is None else self.tou
        if (feed_in, tou) != (known.feed_in, known.tou):
            changes["feed_in"] = feed_in
            changes["tou"] = [[one.from_hour, one.to_hour, one.price_uaud_per_kwh] for one in tou]
            for name in ("seed_s", "seed_b"):
                changes[name] = max(feed_in, min(getattr(known, name), highest_tou(tou)))
        if self.storage_from_grid is not None:
            changes["storage_from_grid"] = self.storage_from_grid
        return changes

    def _use_traces(self) -> tuple[TraceSet, list[Problem]]:
        if self.traces is None:
            return default_types(self.usage_scale_ppm), []
        try:
            traces, problems = load_traces(self.traces, strict=self.strict, read_as=self.read_as)
        except TraceError as error:
            raise UsageError(str(error)) from error
        if self.trace_day > traces.days:
            raise UsageError(
                f"{self.traces}: holds {traces.days} days; --trace-day {self.trace_day} is beyond them"
            )
        return (traces.from_day(self.trace_day - 1), problems) if self.trace_day > 1 else (traces, problems)


def devices_of(options: SimulationOptions) -> dict[str, object]:
    """What a summary says of the homes' devices."""
    return {
        "ev_percent": options.ev_percent,
        "hot_water_percent": options.hot_water_percent,
        "deferrable_percent": options.deferrable_percent,
        "devices_at_once": options.devices_at_once,
    }
