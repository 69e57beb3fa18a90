# SPDX-License-Identifier: Apache-2.0
"""Homes that differ, in any number: the types with noise, for load tests and long runs (`--noise PERCENT`).

Each home multiplies its type's use by a level of its own (uniform within the noise, all the time). It also multiplies
it by a factor for each half hour (uniform within the noise, mean 1). It lives up to an hour earlier or later than its
type. Generation
is dimmed day by day, by up to twice the noise and alike for all homes, since neighbours share their weather. Every
factor is a hash of seed, home and half hour: any process, in any order, draws the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.energy import MINUTES_PER_DAY, SLOT_MINUTES, EnergySource
from commonwatt_community.hems.home import HomeSpec

_PPM = 1_000_000
_SHIFT_MIN = 60


@dataclass(frozen=True, eq=False)
class NoisyUse:
    """A type's use at a home's own level, time and half-hourly whim."""

    source: EnergySource
    draws: Draws
    noise_ppm: int
    level_ppm: int
    shift_min: int

    def energy_wh(self, start_min: int, end_min: int) -> int:
        """Energy of an interval, each half hour with its own factor."""
        total = 0
        while start_min < end_min:
            slot = start_min // SLOT_MINUTES
            end = min(end_min, (slot + 1) * SLOT_MINUTES)
            at = start_min + self.shift_min
            factor_ppm = _PPM + self.draws.within(-self.noise_ppm, self.noise_ppm, slot)
            total += self.source.energy_wh(at, at + end - start_min) * factor_ppm
            start_min = end
        return (total * self.level_ppm // _PPM + _PPM // 2) // _PPM


@dataclass(frozen=True, eq=False)
class CloudedPv:
    """A type's generation under the neighbourhood's weather."""

    source: EnergySource
    draws: Draws
    noise_ppm: int

    def energy_wh(self, start_min: int, end_min: int) -> int:
        """Energy of an interval; its day is that of its start."""
        share_ppm = _PPM - self.draws.within(0, min(_PPM, 2 * self.noise_ppm), start_min // MINUTES_PER_DAY)
        return self.source.energy_wh(start_min, end_min) * share_ppm // _PPM


def with_noise(homes: Sequence[HomeSpec], noise_percent: float, seed: int) -> list[HomeSpec]:
    """The same homes, each with noise of its own; none at 0 %."""
    noise_ppm = round(noise_percent * 10_000)
    if noise_ppm == 0:
        return list(homes)
    weather = Draws(seed, "weather")
    return [_noisy(home, noise_ppm, seed, weather) for home in homes]


def _noisy(home: HomeSpec, noise_ppm: int, seed: int, weather: Draws) -> HomeSpec:
    own = Draws(seed, "habit", home.draws_as)
    use = NoisyUse(
        home.usage,
        Draws(seed, "use", home.draws_as),
        noise_ppm,
        _PPM + own.within(-noise_ppm, noise_ppm, 0),
        own.within(-_SHIFT_MIN, _SHIFT_MIN, 1),
    )
    if not home.prosumer:
        return replace(home, usage=use)
    return replace(home, usage=use, generation=CloudedPv(home.generation, weather, noise_ppm))
