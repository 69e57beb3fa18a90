# SPDX-License-Identifier: Apache-2.0
"""What homes pay without and with the market: by class, and home by home."""

from commonwatt_loadgen.report.axes import legend, paired_bars, plain
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    GRID_COLOUR,
    INK,
    SUN_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.units import NAUD_PER_AUD, Json, aud


def class_table(community: Json) -> Table:
    """What each class paid, bought and sold."""
    headers = ["", "homes", "without market, AUD", "with market, AUD", "with / without, %"]
    headers += ["bought from neighbours, kWh", "bought from the grid, kWh", "sold, kWh", "revenue, AUD"]
    rows = [
        [
            one["class"],
            one["homes"],
            aud(one["traditional_naud"]),
            aud(one["amount_naud"]),
            one["amount_percent"],
            one["bought_p2p_wh"] / 1000,
            one["bought_grid_wh"] / 1000,
            one["sold_wh"] / 1000,
            aud(one["revenue_naud"]),
        ]
        for one in community["classes"]
    ]
    return Table(headers, rows)


def class_costs(community: Json, key: str) -> Figure:
    """What each class pays without and with the market (Figure 10)."""
    classes = [one for one in community["classes"] if one["class"] != "all"]
    names = [one["class"] for one in classes]
    without = [one["traditional_naud"] / NAUD_PER_AUD / one["homes"] for one in classes]
    with_it = [one["amount_naud"] / NAUD_PER_AUD / one["homes"] for one in classes]
    drawing = canvas()
    paired_bars(
        drawing.subplots(), names, without, with_it, ("without market", "with market"), "AUD per home"
    )
    rows: list[list[Cell]] = [
        [name, round(a, 2), round(b, 2)] for name, a, b in zip(names, without, with_it, strict=True)
    ]
    return Figure(
        f"{key}-classes",
        "Cost per home, without and with the market",
        "Mean bill of a consumer (no PV) and of a prosumer (PV and battery). Without: grid and feed-in tariff alone.",
        svg_of(drawing, f"{key}-classes", "Bars: mean cost per home without and with the market, by class"),
        Table(["class", "without, AUD", "with, AUD"], rows),
    )


def home_costs(community: Json, key: str) -> Figure:
    """Cost per home before and after."""
    homes = sorted(community["homes"], key=lambda one: one["traditional_naud"])
    drawing = canvas()
    axes = drawing.subplots()
    for kind, colour in (("consumer", BATTERY_COLOUR), ("prosumer", SUN_COLOUR)):
        places = [place for place, one in enumerate(homes) if one["class"] == kind]
        before = [homes[place]["traditional_naud"] / NAUD_PER_AUD for place in places]
        after = [homes[place]["amount_naud"] / NAUD_PER_AUD for place in places]
        axes.vlines(places, before, after, color=colour, alpha=0.6, linewidth=1.6)
        axes.plot(places, after, "o", color=colour, markersize=4, label=f"with market: {kind}")
        axes.plot(places, before, "_", color=GRID_COLOUR, markersize=6, markeredgewidth=1.6)
    axes.plot([], [], "_", color=GRID_COLOUR, markeredgewidth=1.6, label="without market")
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("homes, by their cost without the market")
    axes.set_ylabel("AUD")
    axes.set_xticks([])
    plain(axes)
    legend(axes)
    rows: list[list[Cell]] = [
        [
            one["home"],
            one["class"],
            aud(one["traditional_naud"]),
            aud(one["amount_naud"]),
            aud(one["traditional_naud"] - one["amount_naud"]),
        ]
        for one in homes
    ]
    return Figure(
        f"{key}-homes",
        "Each home's bill, before and after",
        "The line from the grey mark to the dot is what the market changed; no consumer can pay more than the grid.",
        svg_of(drawing, f"{key}-homes", "Dumbbells: cost of every home without and with the market"),
        Table(["home", "class", "without, AUD", "with, AUD", "gained, AUD"], rows),
    )
