# SPDX-License-Identifier: Apache-2.0
"""UMass Smart*: a file per home (or per meter of it) and year, mean kW, local time of Massachusetts.

Homes have `Date & Time,use [kW],gen [kW],...` and a column per circuit; apartments no header but `time,kW`, in files
named as `Apt1_2015.csv`. The copy on Kaggle has `time` in seconds since 1970.
"""

import re
from collections.abc import Sequence

from commonwatt_loadgen.traces.columns import Columns
from commonwatt_loadgen.traces.layouts.layout import Layout, stem_of
from commonwatt_loadgen.traces.quantities import Quantity

_APARTMENT = re.compile(r"apt\d+_\d{4}\.csv", re.IGNORECASE)
_YEAR = re.compile(r"_\d{4}$")
_TIMES = ("date & time", "time")
_USE, _GENERATION = Quantity("use", 1e6, True), Quantity("generation", 1e6, True)


def columns(header: Sequence[str], name: str) -> Columns | None:
    """The columns, if a header, or a file's name, is of this layout."""
    if _APARTMENT.fullmatch(name):
        return Columns("#1", ((_USE, "#2"),))
    names = [text.strip().lower() for text in header]
    time = next((text for text in _TIMES if text in names), None)
    if time is None or "use [kw]" not in names:
        return None
    quantities = [(_USE, "use [kw]")]
    if "gen [kw]" in names:
        quantities.append((_GENERATION, "gen [kw]"))
    return Columns(time, tuple(quantities))


def home_of(name: str) -> str:
    """HomeB-meter1_2014.csv is one of the years of HomeB-meter1."""
    return _YEAR.sub("", stem_of(name))


LAYOUT = Layout("umass-smart", "America/New_York", "gross", columns=columns, home_of=home_of)
