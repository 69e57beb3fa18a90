# SPDX-License-Identifier: Apache-2.0
"""What each bidding strategy earned its homes."""

from commonwatt_loadgen.report.axes import plain
from commonwatt_loadgen.report.costs import homes_of, saved_aud
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    INK,
    NEIGHBOUR_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.units import NAUD_PER_AUD, UAUD_PER_CENT, Json, aud, aud_of


def strategy_table(community: Json) -> Table:
    """Every strategy's homes by class: cost, sales and purchases."""
    headers = [
        "strategy",
        "class",
        "homes",
        "saved, %",
        "saved, AUD",
        "saved per home, AUD",
        "worse off",
        "sold, kWh",
    ]
    headers += [
        "revenue, AUD",
        "revenue per home, AUD",
        "mean price sold, c/kWh",
        "bought from neighbours, kWh",
    ]
    rows: list[list[Cell]] = []
    for one in community["strategies"]:
        members = [home for home in homes_of(community, one["class"]) if home["strategy"] == one["strategy"]]
        rows.append(
            [
                one["strategy"],
                one["class"],
                one["homes"],
                one["saved_percent"],
                saved_aud(members),
                _saved_aud(one),
                one["worse_off"],
                one["sold_wh"] / 1000,
                aud_of(members, "revenue_naud"),
                aud(one["revenue_naud"] // one["homes"]),
                _price(one),
                one["bought_p2p_wh"] / 1000,
            ]
        )
    return Table(headers, rows)


def strategy_figures(community: Json, key: str) -> list[Figure]:
    """What sellers earned and what buyers saved by strategy; nothing where all homes follow one."""
    sellers = [one for one in community["strategies"] if one["class"] == "prosumers"]
    buyers = [one for one in community["strategies"] if one["class"] == "consumers"]
    if len({one["strategy"] for one in community["strategies"]}) < 2:
        return []
    earned = _bars(
        [one["strategy"] for one in sellers],
        [one["revenue_naud"] / one["homes"] / NAUD_PER_AUD for one in sellers],
        [f"{price:.1f} c/kWh" if (price := _price(one)) else "sold nothing" for one in sellers],
        NEIGHBOUR_COLOUR,
        (f"{key}-earned", "Bars: revenue per prosumer by bidding strategy"),
    )
    saved = _bars(
        [one["strategy"] for one in buyers],
        [_saved_aud(one) for one in buyers],
        [f"of {one['same_equipment_naud'] / one['homes'] / NAUD_PER_AUD:.2f}" for one in buyers],
        BATTERY_COLOUR,
        (f"{key}-saved", "Bars: what a consumer saved by bidding strategy"),
    )
    earned_rows: list[list[Cell]] = [
        [one["strategy"], aud(one["revenue_naud"] // one["homes"]), _price(one)] for one in sellers
    ]
    saved_rows: list[list[Cell]] = [
        [one["strategy"], _saved_aud(one), aud(one["same_equipment_naud"] // one["homes"])] for one in buyers
    ]
    return [
        Figure(
            f"{key}-earned",
            "What a prosumer earned",
            "Revenue per home from sales to neighbours, and the mean price it sold at.",
            earned,
            Table(["strategy", "revenue per home, AUD", "mean price sold, c/kWh"], earned_rows),
        ),
        Figure(
            f"{key}-saved",
            "What a consumer saved",
            "Per home, of what it would pay with the same equipment and no market.",
            saved,
            Table(["strategy", "saved per home, AUD", "without the market, AUD"], saved_rows),
        ),
    ]


def _bars(
    names: list[str], values: list[float], notes: list[str], colour: str, named: tuple[str, str]
) -> str:
    drawing = canvas()
    axes = drawing.subplots()
    axes.bar(range(len(names)), values, 0.6, color=colour)
    for place, (value, note) in enumerate(zip(values, notes, strict=True)):
        axes.annotate(
            f"{value:.2f}\n{note}",
            (place, max(0.0, value)),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
        )
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.margins(y=0.22)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("AUD per home")
    plain(axes)
    return svg_of(drawing, *named)


def _saved_aud(group: Json) -> float:
    return aud(group["saved_naud"] // group["homes"])


def _price(group: Json) -> float | None:
    sold = group["sold_uaud_per_kwh"]
    return sold / UAUD_PER_CENT if sold else None
