# SPDX-License-Identifier: Apache-2.0
"""The types of generation and use that homes follow (Figures 3 and 4)."""

from commonwatt_loadgen.report.axes import clock, legend
from commonwatt_loadgen.report.figure import CYCLE, Cell, Figure, Table, canvas, svg_of
from commonwatt_loadgen.report.units import Json

_LINES_SHOWN = 18  # as many as a legend can name; the table has all
_LISTED = 60


def types(community: Json, key: str) -> list[Figure]:
    """The generation and usage types in use."""
    data = community["types"]
    return [
        type_lines(
            data["generation_w"], f"{key}-gtypes", "Generation types (Figure 3)", "PV power on the first day."
        ),
        type_lines(
            data["usage_w"], f"{key}-utypes", "Usage types (Figure 4)", "Homes' load on the first day."
        ),
    ]


def type_lines(lines: dict[str, list[int]], key: str, title: str, caption: str) -> Figure:
    """Mean power by hour of each type."""
    drawing = canvas()
    axes = drawing.subplots()
    shown = list(lines.items())[:_LINES_SHOWN]
    short = {name: name.split("_")[0] for name, _ in shown}
    if len(set(short.values())) < len(shown):
        short = {name: name for name, _ in shown}
    for place, (name, watts) in enumerate(shown):
        axes.plot(
            [hour + 0.5 for hour in range(24)],
            [w / 1000 for w in watts],
            ("-", "--", ":")[place // len(CYCLE) % 3],
            color=CYCLE[place % len(CYCLE)],
            label=short[name],
        )
    clock(axes)
    axes.set_ylim(0, 1.05 * max((max(watts) for watts in lines.values()), default=1000) / 1000)
    axes.set_ylabel("kW")
    if shown:
        legend(axes, columns=6 if len(shown) > 4 else 3, size=9)
    else:
        axes.text(0.5, 0.5, "no home has PV", ha="center", transform=axes.transAxes)
    if len(lines) > len(shown):
        caption += f" The first {len(shown)} of {len(lines)} are drawn."
    headers = ["hour", *(f"{name}, W" for name in list(lines)[:_LISTED])]
    rows: list[list[Cell]] = [
        [f"{hour}:00", *(watts[hour] for watts in list(lines.values())[:_LISTED])] for hour in range(24)
    ]
    return Figure(key, title, caption, svg_of(drawing, key, f"Lines by hour: {title}"), Table(headers, rows))
