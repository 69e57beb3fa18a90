# SPDX-License-Identifier: Apache-2.0
"""PV generation by equation 1 of the paper, from a clear-sky sun instead of metered traces (`--pv equation`).

Irradiance on level ground follows Haurwitz's clear-sky model, GHI = 1098 cos z exp(-0.057 / cos z) W/m², with the
zenith angle z from latitude, Cooper's declination and local solar time. Air temperature is a sine through Sydney's
monthly means with its warmest hour at 15:00. Three kinds of sky give three generation types. A year of half hours is
tabulated once, in whole W; floats go no further.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from math import cos, exp, pi, radians, sin

import numpy as np
from commonwatt_community.hems.energy import SLOT_MINUTES, SLOTS_PER_DAY

from commonwatt_loadgen.traces.sources import HalfHourly, TraceSet, equation_one_w

LATITUDE_DEG, LONGITUDE_DEG = -33.9, 151.2  # Newtown, New South Wales
UTC_OFFSET_H = 11  # the market's local time, daylight saving time all year
AREA_M2, EFFICIENCY = 25.0, 0.20  # a 5 kW system at 1000 W/m²
PV_W = 5000
DAYS = 365
SKIES: Mapping[str, float] = {"E1 clear": 1.0, "E2 hazy": 0.75, "E3 cloudy": 0.45}
_WARMEST_DAY, _WARMEST_HOUR = 25, 15  # late January, mid-afternoon


def irradiance_w_per_m2(day: date, hour: float) -> float:
    """Clear-sky irradiance on level ground at a local time of day."""
    of_year = day.timetuple().tm_yday
    declination = radians(23.45) * sin(2 * pi * (284 + of_year) / 365)
    solar_hour = hour + LONGITUDE_DEG / 15 - UTC_OFFSET_H
    latitude = radians(LATITUDE_DEG)
    up = sin(latitude) * sin(declination) + cos(latitude) * cos(declination) * cos(
        pi * (solar_hour - 12) / 12
    )
    return 1098 * up * exp(-0.057 / up) if up > 0.01 else 0.0


def temperature_c(day: date, hour: float) -> float:
    """Air temperature at a local time of day."""
    season = cos(2 * pi * (day.timetuple().tm_yday - _WARMEST_DAY) / 365)
    return 18 + 5 * season + 4 * cos(2 * pi * (hour - _WARMEST_HOUR) / 24)


def equation_one_types(first_day: date) -> dict[str, HalfHourly]:
    """A year of generation from `first_day` on, by kind of sky, of a system of `PV_W`."""
    types = {}
    for name, share in SKIES.items():
        slots_mwh = [
            equation_one_w(
                AREA_M2, EFFICIENCY, share * irradiance_w_per_m2(day, hour), temperature_c(day, hour)
            )
            * 1000
            * SLOT_MINUTES
            // 60
            for day in (first_day + timedelta(days=number) for number in range(DAYS))
            for hour in ((slot + 0.5) * SLOT_MINUTES / 60 for slot in range(SLOTS_PER_DAY))
        ]
        types[name] = HalfHourly(np.array(slots_mwh, dtype=np.int64))
    return types


def with_equation_one(traces: TraceSet) -> TraceSet:
    """The same use with PV by equation 1."""
    return replace(
        traces,
        generation=equation_one_types(traces.first_day),
        pv_w=PV_W,
        source=f"{traces.source} PV by equation 1 of the paper under a clear-sky model.",
    )
