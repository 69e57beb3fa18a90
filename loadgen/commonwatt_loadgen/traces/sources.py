# SPDX-License-Identifier: Apache-2.0
"""Sources of energy figures, all exact integers.

A minute is counted from 0:00 local time of the first simulated day. Powers are W, energies Wh; half-hourly
energies are held in mWh because meter files state kWh with up to six decimals.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
from commonwatt_community.hems.energy import SLOT_MINUTES, SLOTS_PER_DAY, EnergySource

_HALF_WH = SLOT_MINUTES * 1000 // 2  # half of the divisor that turns minute-weighted mWh into Wh


@dataclass(frozen=True)
class HourlyProfile:
    """The same mean power in W for each hour of every day; an interval takes the hour of its start
    (equation 14).
    """

    watts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.watts) != 24 or min(self.watts) < 0:
            raise ValueError("an hourly profile has 24 powers of at least 0 W")

    def energy_wh(self, start_min: int, end_min: int) -> int:
        power_w = self.watts[start_min // 60 % 24]
        return (power_w * (end_min - start_min) + 30) // 60


class HalfHourly:
    """Metered energy per half hour in mWh, day after day; each half hour is spread evenly over its minutes.

    Past its end a trace starts again from its first day, so that a short file can drive a long simulation. Held are
    the sums before each half hour within its day, which mostly fit into four bytes: years of thousands of homes fit
    into memory.
    """

    __slots__ = ("_day_starts", "_within_day")

    def __init__(self, slots_mwh: npt.NDArray[np.int64]) -> None:
        """`slots_mwh`: whole days of 48 half hours."""
        if slots_mwh.size == 0 or slots_mwh.size % SLOTS_PER_DAY:
            raise ValueError("a half-hourly trace covers whole days of 48 half hours")
        days = slots_mwh.reshape(-1, SLOTS_PER_DAY)
        ends = np.cumsum(days, axis=1, dtype=np.int64)
        self._day_starts = np.concatenate([[0], np.cumsum(ends[:, -1], dtype=np.int64)])
        sums = np.zeros_like(ends)
        sums[:, 1:] = ends[:, :-1]
        small = ends[:, -1].max() <= np.iinfo(np.uint32).max and ends.min() >= 0
        self._within_day = sums.reshape(-1).astype(np.uint32 if small else np.int64)

    @property
    def days(self) -> int:
        return self._within_day.size // SLOTS_PER_DAY

    @property
    def slots_mwh(self) -> npt.NDArray[np.int64]:
        """The half hours in mWh, worked out anew."""
        sums = self._within_day.reshape(-1, SLOTS_PER_DAY).astype(np.int64)
        totals = np.diff(self._day_starts).reshape(-1, 1)
        return np.diff(np.concatenate([sums, totals], axis=1), axis=1).reshape(-1)

    def _until(self, minute: int) -> int:
        """Minute-weighted mWh (mWh x 30) from the trace's start to `minute`."""
        laps, within = divmod(minute, self._within_day.size * SLOT_MINUTES)
        slot, rest = divmod(within, SLOT_MINUTES)
        day = slot // SLOTS_PER_DAY
        start = int(self._day_starts[day])
        before = int(self._within_day[slot])
        total = (start + before) * SLOT_MINUTES
        if rest:
            last = slot % SLOTS_PER_DAY == SLOTS_PER_DAY - 1
            after = int(self._day_starts[day + 1]) - start if last else int(self._within_day[slot + 1])
            total += (after - before) * rest
        return total + laps * int(self._day_starts[-1]) * SLOT_MINUTES

    def energy_wh(self, start_min: int, end_min: int) -> int:
        return (self._until(end_min) - self._until(start_min) + _HALF_WH) // (SLOT_MINUTES * 1000)

    def scaled(self, numerator: int, denominator: int) -> "HalfHourly":
        """The same trace with every half hour multiplied by a fraction, rounded half up."""
        return HalfHourly((self.slots_mwh * numerator + denominator // 2) // denominator)

    def from_day(self, day: int) -> "HalfHourly":
        """The trace turned so that `day` (counted from 0) comes first."""
        return HalfHourly(np.roll(self.slots_mwh, -day * SLOTS_PER_DAY))


def equation_one_w(
    area_m2: float, efficiency: float, irradiance_w_per_m2: float, temperature_c: float
) -> int:
    """PV power by equation 1: area x efficiency x irradiance x (1 - 0.005 (temperature - 25)), at least 0 W."""
    return max(0, round(area_m2 * efficiency * irradiance_w_per_m2 * (1 - 0.005 * (temperature_c - 25))))


@dataclass(frozen=True)
class EquationOnePv:
    """PV power by equation 1 of the paper on a day like every other.

    Irradiance in W/m² and air temperature in °C are given by the hour. The float arithmetic ends here: a metered value
    is a whole number of W.
    """

    area_m2: float
    efficiency: float
    irradiance_w_per_m2: tuple[float, ...]
    temperature_c: tuple[float, ...]

    def energy_wh(self, start_min: int, end_min: int) -> int:
        return self.profile().energy_wh(start_min, end_min)

    def profile(self) -> HourlyProfile:
        """The powers as an hourly profile, negative ones cut to 0 W."""
        hours = zip(self.irradiance_w_per_m2, self.temperature_c, strict=True)
        powers = (equation_one_w(self.area_m2, self.efficiency, sun, warmth) for sun, warmth in hours)
        return HourlyProfile(tuple(powers))


@dataclass(frozen=True)
class TraceSet:
    """Usage and generation traces by name, from which a community draws its homes' types.

    Generation is for a system of `pv_w` W, whatever the size of the system it was metered on.
    """

    usage: Mapping[str, EnergySource]
    generation: Mapping[str, EnergySource]
    pv_w: int
    source: str
    first_day: date
    days: int

    def from_day(self, day: int) -> "TraceSet":
        """The same traces beginning `day` days later; what came before follows at the end."""

        def turned(source: EnergySource) -> EnergySource:
            return source.from_day(day) if isinstance(source, HalfHourly) else source

        return replace(
            self,
            usage={name: turned(source) for name, source in self.usage.items()},
            generation={name: turned(source) for name, source in self.generation.items()},
            first_day=self.first_day + timedelta(days=day),
        )
