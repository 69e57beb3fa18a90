# SPDX-License-Identifier: Apache-2.0
"""Low Carbon London: half hours of 5,567 homes, 2011 to 2014, in kWh.

The London Datastore has `LCLid,stdorToU,DateTime,KWH/hh (per half hour) ` (the last name ends with a blank), in one
file or in blocks, with `Null` for no reading; the copy on Kaggle `LCLid,tstp,energy(kWh/hh)`. A row of `Null` stands
at the second at which a meter was exchanged.
"""

from collections.abc import Sequence

from commonwatt_loadgen.traces.columns import Columns
from commonwatt_loadgen.traces.layouts.layout import Layout
from commonwatt_loadgen.traces.quantities import Quantity

_TIMES = ("datetime", "tstp")
_ENERGIES = ("kwh/hh (per half hour)", "energy(kwh/hh)")
_KWH = Quantity("use", 1e6, False)


def columns(header: Sequence[str], _: str) -> Columns | None:
    """The columns, if a header is of this layout; times are GMT all year."""
    names = [name.strip().lower() for name in header]
    time = next((name for name in _TIMES if name in names), None)
    energy = next((name for name in _ENERGIES if name in names), None)
    if "lclid" not in names or time is None or energy is None:
        return None
    return Columns(time, ((_KWH, energy),), home="lclid", time_in="UTC")


LAYOUT = Layout("low-carbon-london", "Europe/London", "gross", columns=columns)
