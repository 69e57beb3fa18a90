# SPDX-License-Identifier: Apache-2.0
"""Where energy came from and went: flows, and the hours of a day."""

from commonwatt_loadgen.report.axes import clock, legend
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    GRID_COLOUR,
    LOST_COLOUR,
    NEIGHBOUR_COLOUR,
    SUN_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.sankey import Flow, Node, sankey
from commonwatt_loadgen.report.units import Json

SERVED = (
    ("direct_wh", "own PV", SUN_COLOUR),
    ("own_wh", "own battery", BATTERY_COLOUR),
    ("p2p_wh", "neighbours", NEIGHBOUR_COLOUR),
    ("grid_wh", "grid", GRID_COLOUR),
)
_LEGEND_LINE = 30  # letters of labels that fit beside each other above a chart


def flows(community: Json, key: str) -> Figure:
    """Energy flows from PV and grid to homes."""
    totals = community["totals"]
    nodes = [
        Node(0, "PV generation", SUN_COLOUR),
        Node(0, "grid", GRID_COLOUR),
        Node(1, "batteries", BATTERY_COLOUR),
        Node(2, "own homes", SUN_COLOUR),
        Node(2, "neighbours", NEIGHBOUR_COLOUR),
        Node(2, "bought from the grid", GRID_COLOUR),
        Node(2, "spilt", LOST_COLOUR),
        Node(2, "left in batteries", BATTERY_COLOUR),
        Node(0, "in batteries before", BATTERY_COLOUR),
    ]
    parts = [
        (0, 3, totals["direct_wh"], "PV, used at once"),
        (0, 2, totals["charged_wh"], "PV, into batteries"),
        (0, 6, totals["spill_wh"], "PV, no room left"),
        (8, 2, totals["battery_begin_wh"], "in batteries before"),
        (2, 3, totals["own_wh"], "batteries, own use"),
        (2, 4, totals["p2p_wh"], "batteries, sold to neighbours"),
        (2, 7, totals["battery_end_wh"], "batteries, left at the end"),
        (1, 2, totals["grid_charge_wh"], "grid, into batteries"),
        (1, 5, totals["grid_wh"], "grid"),
    ]
    ribbons = [Flow(source, target, energy) for source, target, energy, _ in parts]
    label = "Sankey diagram of energy from PV and the grid to batteries, homes and neighbours"
    return Figure(
        f"{key}-flows",
        "Energy flows",
        "From PV and the grid, through batteries, to where it was used. Widths are in proportion to energy.",
        sankey(nodes, ribbons, label),
        Table(["flow", "kWh"], [[name, energy / 1000] for *_, energy, name in parts]),
        wide=True,
        phone_svg=sankey(nodes, ribbons, label, narrow=True),
    )


def served_by_hour(community: Json, key: str) -> Figure:
    """What served the homes' use, by hour (Figure 5)."""
    return stacked(
        community,
        f"{key}-served",
        SERVED,
        "What served the homes, by hour",
        "Use of all homes, by the hour in which it flowed.",
    )


def generation_by_hour(community: Json, key: str) -> Figure:
    """What became of PV generation, by hour."""
    parts = (
        ("direct_wh", "used at once", SUN_COLOUR),
        ("charged_wh", "stored", BATTERY_COLOUR),
        ("spill_wh", "spilt", LOST_COLOUR),
    )
    return stacked(
        community,
        f"{key}-generation",
        parts,
        "What became of PV generation, by hour",
        "Surplus goes into the home's battery; what finds no room is spilt.",
    )


def stacked(
    community: Json, key: str, parts: tuple[tuple[str, str, str], ...], title: str, caption: str
) -> Figure:
    """Energy of all homes by hour; `parts` are fields of an hour with their labels and colours."""
    hours = community["hours"]
    days = community["totals"]["days"]
    drawing = canvas()
    axes = drawing.subplots()
    base = [0.0] * 24
    for name, label, colour in parts:
        values = [one[name] / 1000 / days for one in hours]
        axes.bar([hour + 0.5 for hour in range(24)], values, 0.86, bottom=base, color=colour, label=label)
        base = [low + value for low, value in zip(base, values, strict=True)]
    clock(axes)
    axes.set_ylabel("kWh" if days == 1 else "kWh per day")
    axes.set_ylim(0, 1.05 * max(1e-9, *base))
    crowded = sum(len(label) for _, label, _ in parts) > _LEGEND_LINE
    legend(axes, columns=3 if crowded else len(parts))
    rows: list[list[Cell]] = [
        [f"{one['hour']}:00", *(round(one[name] / 1000 / days, 2) for name, *_ in parts)] for one in hours
    ]
    headers = ["hour", *(f"{label}, kWh" for _, label, _ in parts)]
    return Figure(
        key, title, caption, svg_of(drawing, key, f"Stacked bars: {title.lower()}"), Table(headers, rows)
    )
