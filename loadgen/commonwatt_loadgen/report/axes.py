# SPDX-License-Identifier: Apache-2.0
"""What the axes of all charts have in common: a light grid, a legend above the lines, and market time."""

from collections.abc import Sequence
from datetime import date, timedelta

from matplotlib.axes import Axes

from commonwatt_loadgen.report.figure import BATTERY_COLOUR, GRID_COLOUR, INK

_DAYS_LABELLED = 7


def plain(axes: Axes) -> None:
    """No frame, and a light grid to read values by."""
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def legend(axes: Axes, columns: int = 2, size: int = 10, title: str | None = None) -> None:
    """The legend above the chart, where it hides nothing."""
    axes.legend(
        frameon=False,
        ncols=columns,
        fontsize=size,
        title=title,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        handlelength=1.5,
        columnspacing=1.3,
    )


def clock(axes: Axes, hours: int = 24, first_day: str | None = None) -> None:
    """Market time on the x axis: the hours of a day, or the days of a longer simulation, by date if it is known."""
    axes.set_xlim(0, hours)
    days = hours // 24
    step = -(-days // _DAYS_LABELLED)
    if days <= 1:
        axes.set_xticks(range(0, 25, 4), [f"{hour}:00" for hour in range(0, 25, 4)])
        axes.set_xlabel("local time")
    elif step == 1:
        axes.set_xticks(range(0, hours + 1, 24), [""] * (days + 1))
        axes.set_xticks(
            [24 * day + 12 for day in range(days)],
            [_named(day, first_day) for day in range(days)],
            minor=True,
        )
        axes.tick_params(axis="x", which="minor", length=0)
    else:
        axes.set_xticks(range(0, hours, 24 * step), [_named(day, first_day) for day in range(0, days, step)])
    if days > 1 and first_day:
        axes.set_xlabel(f"local date, {first_day[:4]}")
    plain(axes)


def _named(day: int, first_day: str | None) -> str:
    if not first_day:
        return f"day {day + 1}"
    at = date.fromisoformat(first_day) + timedelta(days=day)
    return f"{at.day} {at:%b}"


def paired_bars(
    axes: Axes,
    names: Sequence[str],
    before: Sequence[float],
    after: Sequence[float],
    labels: tuple[str, str],
    unit: str,
) -> None:
    """For each name a grey bar and a coloured one, with their values to two decimals."""
    for values, offset, colour, label in (
        (before, -0.2, GRID_COLOUR, labels[0]),
        (after, 0.2, BATTERY_COLOUR, labels[1]),
    ):
        axes.bar([place + offset for place in range(len(names))], values, 0.38, color=colour, label=label)
        for place, value in enumerate(values):
            axes.annotate(
                f"{value:.2f}",
                (place + offset, value),
                (0, 3 if value >= 0 else -3),
                textcoords="offset points",
                ha="center",
                va="bottom" if value >= 0 else "top",
                fontsize=9 if len(names) > 3 else 10,
            )
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.margins(y=0.12)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(unit)
    plain(axes)
    legend(axes)
