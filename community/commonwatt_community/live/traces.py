# SPDX-License-Identifier: Apache-2.0
"""What the homes of the demonstration use and generate: the kit's types of New South Wales (see ATTRIBUTION.md)."""

import csv
from importlib.resources import files

USAGE_SCALE_PPM = 1_684_000
"""To the mean of the Ausgrid sample with controlled load, 17.5 kWh a day."""

_DAY = "2012-11-01"


def types_w() -> dict[str, list[float]]:
    """Mean power in W by hour of the day, by type: `U..` use, `G..` generate."""
    text = (files("commonwatt_community.live") / "nsw_nov2012_types_hourly_w.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return {name: [float(row[name]) for row in rows] for name in rows[0] if name != "hour"}


def trace_of(usage: str, generation: str | None) -> str:
    """A day of a home as `meters.replay` reads it: a row for each hour."""
    types = types_w()
    use = [watts * USAGE_SCALE_PPM / 1e6 for watts in types[usage]]
    generated = types[generation] if generation else [0.0] * 24
    rows = [f"{_DAY}T{hour:02d}:00,{use[hour]:.1f},{generated[hour]:.1f}" for hour in range(24)]
    return "\n".join(["time,use_w,generation_w", *rows, ""])
