# SPDX-License-Identifier: Apache-2.0
"""What homes pay without and with the market: by class, and home by home."""

from collections.abc import Sequence

from commonwatt_loadgen.report.axes import legend, plain
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    GRID_COLOUR,
    INK,
    LOST_COLOUR,
    SUN_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.units import NAUD_PER_AUD, Json, aud, aud_of


def class_table(community: Json) -> Table:
    """What each class pays with the market, and without it by two baselines."""
    headers = [
        "",
        "homes",
        "same equipment, no market, AUD",
        "the paper's baseline, AUD",
        "with market, AUD",
        "saved, AUD",
        "saved, %",
        "worse off",
        "bought from neighbours, kWh",
        "bought from the grid, kWh",
        "sold, kWh",
        "revenue, AUD",
    ]
    rows = []
    for one in community["classes"]:
        homes = homes_of(community, one["class"])
        rows.append(
            [
                one["class"],
                one["homes"],
                aud_of(homes, "same_equipment_naud"),
                aud_of(homes, "traditional_naud"),
                aud_of(homes, "amount_naud"),
                saved_aud(homes),
                one["saved_percent"],
                one["worse_off"],
                one["bought_p2p_wh"] / 1000,
                one["bought_grid_wh"] / 1000,
                one["sold_wh"] / 1000,
                aud_of(homes, "revenue_naud"),
            ]
        )
    return Table(headers, rows)


def homes_of(community: Json, name: str) -> list[Json]:
    """The homes of a class, or of `all`."""
    return [one for one in community["homes"] if name in ("all", f"{one['class']}s")]


def saved_aud(homes: Sequence[Json]) -> float:
    """What the homes save, as the difference of the two columns that the tables show."""
    return round(aud_of(homes, "same_equipment_naud") - aud_of(homes, "amount_naud"), 2)


def class_costs(community: Json, key: str) -> Figure:
    """What each class pays without and with the market (Figure 10)."""
    classes = [one for one in community["classes"] if one["class"] != "all"]
    names = [one["class"] for one in classes]
    paper, without, with_it = (
        [one[field] / NAUD_PER_AUD / one["homes"] for one in classes]
        for field in ("traditional_naud", "same_equipment_naud", "amount_naud")
    )
    drawing = canvas()
    axes = drawing.subplots()
    for place, (values, label, colour) in enumerate(
        (
            (paper, "the paper's baseline", LOST_COLOUR),
            (without, "same equipment, no market", GRID_COLOUR),
            (with_it, "with market", BATTERY_COLOUR),
        )
    ):
        places = [group + (place - 1) * 0.27 for group in range(len(names))]
        axes.bar(places, values, 0.25, color=colour, label=label)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("AUD per home")
    plain(axes)
    legend(axes, columns=2, size=9)
    rows: list[list[Cell]] = [
        [name, *(round(values[place], 2) for values in (without, paper, with_it))]
        for place, name in enumerate(names)
    ]
    return Figure(
        f"{key}-classes",
        "Cost per home, without and with the market",
        "Mean bill of a consumer and of a prosumer. Savings count against the same equipment without a market.",
        svg_of(drawing, f"{key}-classes", "Bars: mean cost per home without and with the market, by class"),
        Table(["class", "same equipment, AUD", "the paper's baseline, AUD", "with, AUD"], rows),
    )


def home_costs(community: Json, key: str) -> Figure:
    """Cost per home before and after."""
    homes = sorted(community["homes"], key=lambda one: one["same_equipment_naud"])
    drawing = canvas()
    axes = drawing.subplots()
    for kind, colour in (("consumer", BATTERY_COLOUR), ("prosumer", SUN_COLOUR)):
        places = [place for place, one in enumerate(homes) if one["class"] == kind]
        before = [homes[place]["same_equipment_naud"] / NAUD_PER_AUD for place in places]
        after = [homes[place]["amount_naud"] / NAUD_PER_AUD for place in places]
        axes.vlines(places, before, after, color=colour, alpha=0.6, linewidth=1.6)
        axes.plot(places, after, "o", color=colour, markersize=4, label=f"with market: {kind}")
        axes.plot(places, before, "_", color=GRID_COLOUR, markersize=6, markeredgewidth=1.6)
    axes.plot([], [], "_", color=GRID_COLOUR, markeredgewidth=1.6, label="same equipment, no market")
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("homes, by their cost without the market")
    axes.set_ylabel("AUD")
    axes.set_xticks([])
    plain(axes)
    legend(axes, size=9)
    rows: list[list[Cell]] = [
        [
            one["home"],
            one["class"],
            aud(one["same_equipment_naud"]),
            aud(one["traditional_naud"]),
            aud(one["amount_naud"]),
            saved_aud([one]),
        ]
        for one in homes
    ]
    return Figure(
        f"{key}-homes",
        "Each home's bill, before and after",
        "The line from the grey mark to the dot is what the market changed.",
        svg_of(drawing, f"{key}-homes", "Dumbbells: cost of every home without and with the market"),
        Table(
            ["home", "class", "same equipment, AUD", "the paper's baseline, AUD", "with, AUD", "saved, AUD"],
            rows,
        ),
    )
