# SPDX-License-Identifier: Apache-2.0
"""A plain tidy table, CSV or Parquet: one row per home and interval.

Columns are `home`, `time` (start of the interval, ISO 8601; with an offset it is turned into local time), `use_wh` or
`use_kwh`, and optionally `generation_wh` or `generation_kwh`. All other quantities and units, as `import_kwh` or
`net_w`, have names of the same kind. How long a home's intervals are, 1 minute to 1 hour, is told by its times.
"""

from collections.abc import Iterator, Sequence

from commonwatt_loadgen.traces.columns import Columns, ColumnsError
from commonwatt_loadgen.traces.layouts.layout import Layout
from commonwatt_loadgen.traces.quantities import Quantity, quantity_of


def columns(header: Sequence[str], _: str) -> Columns | None:
    """The columns, if a header is of this layout.

    Raises:
        ColumnsError: it is, but what is metered is missing or comes twice.
    """
    names = [name.strip().lower() for name in header]
    if not {"home", "time"} <= set(names):
        return None
    quantities: list[tuple[Quantity, str]] = []
    for name in names:
        quantity = quantity_of(name)
        if quantity is None:
            continue
        if quantity.name in (one.name for one, _ in quantities):
            raise ColumnsError(f"column {name!r} is the second one of {quantity.name}")
        quantities.append((quantity, name))
    if not any(quantity.name in ("use", "import", "net") for quantity, _ in quantities):
        wanted = "home, time and use_wh or use_kwh"
        raise ColumnsError(f"columns {wanted} are needed; found {', '.join(header)[:500]}")
    return Columns("time", tuple(quantities), home="home")


def unknown_columns(header: Sequence[str]) -> Iterator[str]:
    """Columns that mean nothing here."""
    names = [name.strip().lower() for name in header]
    while names and not names[-1]:
        names.pop()
    for given, name in zip(header, names, strict=False):
        if name not in ("home", "time") and quantity_of(name) is None:
            yield given


LAYOUT = Layout("tidy", "Australia/Sydney", columns=columns)
