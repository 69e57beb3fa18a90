# SPDX-License-Identifier: Apache-2.0
"""A picture of trace files: the mean day, and which home has readings on which day."""

from datetime import timedelta
from pathlib import Path

import matplotlib
import numpy as np
from commonwatt_community.hems.energy import SLOTS_PER_DAY
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from commonwatt_loadgen.report.figure import SETTINGS
from commonwatt_loadgen.traces.examine import Examined

_DOTS_PER_INCH = 120
_MOST_ROWS, _MOST_COLUMNS = 400, 800
_NAMED_HOMES = 20
_HALF_HOURS_PER_HOUR = 2


def write_picture(examined: Examined, path: Path) -> None:
    """Write the picture as PNG."""
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(11, 4.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_day(left, examined)
        _draw_coverage(right, examined)
        figure.savefig(path, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})


def _draw_day(axes: Axes, examined: Examined) -> None:
    hours = np.arange(SLOTS_PER_DAY) / _HALF_HOURS_PER_HOUR
    names = ("from the grid", "to the grid") if examined.net_meters else ("use", "generation")
    for name, table, colour in zip(
        names, (examined.use_by_half_hour, examined.generation_by_half_hour), ("C0", "C1"), strict=True
    ):
        if not len(table):
            continue
        kilowatts = table * _HALF_HOURS_PER_HOUR
        axes.step(
            hours, kilowatts.mean(axis=0), where="post", color=colour, label=f"{name}, mean of {len(table):,}"
        )
        if len(table) > 1:
            low, high = np.percentile(kilowatts, (10, 90), axis=0)
            axes.fill_between(hours, low, high, step="post", color=colour, alpha=0.2, linewidth=0)
    axes.set(
        title="Mean day (bands: 10th to 90th percentile of homes)", xlabel="hour, local time", ylabel="kW"
    )
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 4))
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left")


def _draw_coverage(axes: Axes, examined: Examined) -> None:
    homes, days = examined.coverage.shape
    table = _thinned(_thinned(examined.coverage, _MOST_ROWS).T, _MOST_COLUMNS).T
    last = examined.first_day + timedelta(days=days - 1)
    extent = (0, days, homes, 0)
    axes.imshow(table, aspect="auto", cmap="Greens", vmin=0, vmax=1, interpolation="nearest", extent=extent)
    ticks = np.unique(np.linspace(0, days, min(days, 5) + 1).astype(int))
    axes.set_xticks(
        ticks, [f"{examined.first_day + timedelta(days=int(day)):%d %b %Y}" for day in ticks], rotation=20
    )
    if homes <= _NAMED_HOMES:
        axes.set_yticks(np.arange(homes) + 0.5, [home.name[:16] for home in examined.homes])
    share = 100 * examined.coverage.mean()
    axes.set(title=f"Readings: {share:.1f} % of {homes:,} homes' days to {last:%d %b %Y}", ylabel="home")
    axes.grid(visible=False)


def _thinned(
    table: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", most: int
) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """Rows joined to at most so many, by their means."""
    if len(table) <= most:
        return table
    return np.array([rows.mean(axis=0) for rows in np.array_split(table, most)])
