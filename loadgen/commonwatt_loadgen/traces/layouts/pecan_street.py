# SPDX-License-Identifier: Apache-2.0
"""Pecan Street's Dataport: mean kW of homes and their circuits, a row per home (`dataid`) and 1, 15 or 60 minutes.

Newer files have `grid` (import less export) and `solar`, `solar2`, from which own use follows; older ones `use` and
`gen`. Times (`local_15min`, `localminute`, `localhour`) have the offset of their day, as in 2018-03-01 00:00:00-06.
"""

from collections.abc import Sequence

from commonwatt_loadgen.traces.columns import Columns
from commonwatt_loadgen.traces.layouts.layout import Layout
from commonwatt_loadgen.traces.quantities import Quantity

_TIMES = ("local_15min", "localminute", "local_1min", "localhour", "local_hour")


def columns(header: Sequence[str], _: str) -> Columns | None:
    """The columns, if a header is of this layout."""
    names = [name.strip().lower() for name in header]
    time = next((name for name in _TIMES if name in names), None)
    if "dataid" not in names or time is None:
        return None
    made: list[str] = [name for name in ("solar", "solar2") if name in names]
    if not made and "gen" in names:
        made = ["gen"]
    quantities = [(Quantity("generation", 1e6, True), name) for name in made]
    if "use" in names:
        quantities.append((Quantity("use", 1e6, True), "use"))
    elif "grid" in names:
        quantities.append((Quantity("net", 1e6, True), "grid"))
    else:
        return None
    return Columns(time, tuple(quantities), home="dataid")


LAYOUT = Layout("pecan-street", "America/Chicago", "gross", columns=columns)
