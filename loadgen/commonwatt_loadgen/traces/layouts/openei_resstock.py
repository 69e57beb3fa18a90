# SPDX-License-Identifier: Apache-2.0
"""ResStock's end-use load profiles: a Parquet (or CSV) file per modelled dwelling, kWh of 15 minutes.

`timestamp` ends its interval, in Eastern Standard Time all year wherever the dwelling is. PV is a negative use in
`out.electricity.pv.energy_consumption`; `total` is use without it, `net` with it. Names have a further `.kwh` in some
releases. A home is `bldg_id`, or the file's name up to its first dash.
"""

from collections.abc import Sequence

from commonwatt_loadgen.traces.columns import Columns
from commonwatt_loadgen.traces.layouts.layout import Layout, stem_of
from commonwatt_loadgen.traces.quantities import Quantity

_BEGINNING = "out.electricity."
_TOTAL, _PV = (f"{_BEGINNING}{name}.energy_consumption" for name in ("total", "pv"))


def columns(header: Sequence[str], _: str) -> Columns | None:
    """The columns, if a header is of this layout."""
    names = [name.strip().lower() for name in header]
    total = next((name for name in names if _is(name, _TOTAL)), None)
    if "timestamp" not in names or total is None:
        return None
    quantities = [(Quantity("use", 1e6, False), total)]
    quantities += [(Quantity("generation", -1e6, False), name) for name in names if _is(name, _PV)]
    home = "bldg_id" if "bldg_id" in names else None
    return Columns("timestamp", tuple(quantities), home=home, is_end=True, time_in="Etc/GMT+5")


def _is(name: str, wanted: str) -> bool:
    return name in (wanted, f"{wanted}.kwh", f"{wanted}..kwh")


def home_of(name: str) -> str:
    """100058-0.parquet is dwelling 100058 with upgrade 0."""
    return stem_of(name).partition("-")[0]


LAYOUT = Layout("openei-resstock", "America/New_York", "gross", columns=columns, home_of=home_of)
