# SPDX-License-Identifier: Apache-2.0
"""The default profiles: 15 usage and 3 generation types of November 2012 (see data/ATTRIBUTION.md)."""

import csv
from datetime import date
from importlib.resources import files

from commonwatt_loadgen.traces.sources import HourlyProfile, TraceSet

ATTRIBUTION = (
    "Derived from Ausgrid, Solar home electricity data, and from Smart-Grid Smart-City Customer Trial Data, "
    "Commonwealth of Australia; both CC BY 3.0 AU."
)


def default_types(usage_scale_ppm: int = 1_000_000) -> TraceSet:
    """The types, with usage multiplied by `usage_scale_ppm` / 10^6 and powers rounded half up to W.

    1,684,000 gives the mean of the Ausgrid sample with controlled load, 17.5 kWh a day.
    """
    text = (files("commonwatt_loadgen.traces") / "data" / "nsw_nov2012_types_hourly_w.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    columns = [name for name in rows[0] if name != "hour"]

    def watts(column: str, scale_ppm: int) -> HourlyProfile:
        tenths = (int(row[column].replace(".", "")) for row in rows)  # the file states tenths of a W
        return HourlyProfile(tuple((tenth * scale_ppm + 5_000_000) // 10_000_000 for tenth in tenths))

    return TraceSet(
        usage={name: watts(name, usage_scale_ppm) for name in columns if name.startswith("U")},
        generation={name: watts(name, 1_000_000) for name in columns if name.startswith("G")},
        pv_w=5000,
        source=ATTRIBUTION,
        first_day=date(2012, 11, 1),
        days=1,
    )
