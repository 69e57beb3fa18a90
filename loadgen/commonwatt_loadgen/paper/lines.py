# SPDX-License-Identifier: Apache-2.0
"""What the paper's figures have in common: a point of a sweep, a mean as text, and lines by hour for a sweep."""

from collections.abc import Callable, Sequence
from typing import Any

from commonwatt_loadgen.report.axes import clock, legend
from commonwatt_loadgen.report.figure import CYCLE, Cell, Figure, Table, canvas, svg_of

Json = dict[str, Any]
PRESET = "NSW"
_MARKED_PERCENT = (0, 10, 30, 50, 70, 90)
_MARKED_USERS = (10, 20, 40, 60, 80, 100)


def at_share(summary: Json, share: int, preset: str = PRESET) -> Json:
    """The figures of 60 homes at a share of generators in percent."""
    found: Json = next(one for one in summary["shares"][preset] if one["share_percent"] == share)
    return found


def shown(spread: Json | None) -> str:
    """A mean with the deviation of a single run."""
    return f"{spread['mean']:.1f} ± {spread['sd']:.1f}" if spread else "–"


def lines_by_hour(
    points: Sequence[Json],
    values: Callable[[Json], list[float]],
    key: str,
    title: str,
    caption: str,
    unit: str,
) -> Figure:
    """A line through the day for the marked points of a sweep over users or shares; the table has them all."""
    by_users = "users" in points[0]
    field, marked = ("users", _MARKED_USERS) if by_users else ("share_percent", _MARKED_PERCENT)
    drawing = canvas()
    axes = drawing.subplots()
    places = [hour + 0.5 for hour in range(24)]
    shown_points = [one for one in points if one[field] in marked]
    for place, one in enumerate(shown_points):
        axes.plot(places, values(one), color=CYCLE[place % len(CYCLE)], label=str(one[field]))
    clock(axes)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(unit)
    legend(axes, columns=6, size=9, title="users" if by_users else "generators, % of homes")
    curves = [values(one) for one in points]
    rows: list[list[Cell]] = [
        [f"{hour}:00", *(round(curve[hour], 3) for curve in curves)] for hour in range(24)
    ]
    heads = [f"{one[field]} users" if by_users else f"{one[field]} %" for one in points]
    return Figure(
        key,
        title,
        caption,
        svg_of(drawing, key, f"Lines by hour: {title}"),
        Table([f"hour, {unit}", *heads], rows),
    )
