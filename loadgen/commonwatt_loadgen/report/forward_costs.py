# SPDX-License-Identifier: Apache-2.0
"""The forward market in money: classes, each home's gain, and what forecasts and battery plans cost."""

from commonwatt_loadgen.report.axes import legend, paired_bars, plain
from commonwatt_loadgen.report.costs import homes_of, saved_aud
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    INK,
    NEIGHBOUR_COLOUR,
    SUN_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.units import NAUD_PER_AUD, Json, aud, aud_of


def class_table(community: Json) -> Table:
    """What each class pays with the market and with the same equipment without it, and where its energy comes from."""
    headers = [
        "",
        "homes",
        "same equipment, no market, AUD",
        "with market, AUD",
        "saved, AUD",
        "saved, %",
        "worse off",
        "paid for forecasts that erred, AUD",
        "bought by contract, kWh",
        "shared in, kWh",
        "from the grid, kWh",
        "sold by contract, kWh",
        "shared out, kWh",
        "to the grid, kWh",
    ]
    energies = ("bought_wh", "shared_in_wh", "grid_in_wh", "sold_wh", "shared_out_wh", "grid_out_wh")
    rows: list[list[Cell]] = []
    for one in community["classes"]:
        homes = homes_of(community, one["class"])
        rows.append(
            [
                one["class"],
                one["homes"],
                aud_of(homes, "same_equipment_naud"),
                aud_of(homes, "amount_naud"),
                saved_aud(homes),
                one["saved_percent"],
                one["worse_off"],
                aud_of(homes, "imbalance_naud"),
                *(one[name] / 1000 for name in energies),
            ]
        )
    return Table(headers, rows)


def class_costs(community: Json, key: str) -> Figure:
    """What a home of each class pays without and with the market."""
    classes = [one for one in community["classes"] if one["class"] != "all"]
    names = [one["class"] for one in classes]
    without, with_it = (
        [one[field] / NAUD_PER_AUD / one["homes"] for one in classes]
        for field in ("same_equipment_naud", "amount_naud")
    )
    drawing = canvas()
    axes = drawing.subplots()
    paired_bars(axes, names, without, with_it, ("same equipment, no market", "with market"), "AUD per home")
    rows: list[list[Cell]] = [
        [name, round(a, 2), round(b, 2)] for name, a, b in zip(names, without, with_it, strict=True)
    ]
    return Figure(
        f"{key}-classes",
        "Cost per home, without and with the market",
        "Mean bill of a consumer and of a prosumer.",
        svg_of(drawing, f"{key}-classes", "Bars: mean cost per home without and with the market, by class"),
        Table(["class", "same equipment, no market, AUD", "with market, AUD"], rows),
    )


def gains(community: Json, key: str) -> Figure:
    """What each home gains by the market, or loses."""
    homes = sorted(community["homes"], key=lambda one: (one["saved_naud"], one["home"]))
    drawing = canvas()
    axes = drawing.subplots()
    for kind, colour in (("consumer", BATTERY_COLOUR), ("prosumer", SUN_COLOUR)):
        places = [place for place, one in enumerate(homes) if one["class"] == kind]
        values = [homes[place]["saved_naud"] / NAUD_PER_AUD for place in places]
        axes.bar(places, values, 0.86, color=colour, label=f"{kind}s")
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("homes, by their gain")
    axes.set_ylabel("AUD saved")
    axes.set_xticks([])
    plain(axes)
    legend(axes)
    rows: list[list[Cell]] = [
        [
            one["home"],
            one["class"],
            aud(one["same_equipment_naud"]),
            aud(one["amount_naud"]),
            saved_aud([one]),
            aud(one["imbalance_naud"]),
        ]
        for one in homes
    ]
    return Figure(
        f"{key}-gains",
        "Homes' gains",
        "Each home's bill with the same equipment and no market, less its bill with the market; below zero it is "
        "worse off.",
        svg_of(drawing, f"{key}-gains", "Bars: what each home saves by the market, in order"),
        Table(
            [
                "home",
                "class",
                "same equipment, no market, AUD",
                "with market, AUD",
                "saved, AUD",
                "paid for forecasts that erred, AUD",
            ],
            rows,
        ),
    )


def compared_table(community: Json) -> Table:
    """A line per forecast and battery plan; the run's own first."""
    headers = [
        "forecast",
        "battery plan",
        "saved, %",
        "saved by all, AUD",
        "by prosumers, AUD",
        "by consumers, AUD",
        "homes worse off",
        "what they lose, AUD",
        "paid for errors, AUD",
        "mean error, Wh",
        "bought too much, kWh",
        "sold too much, kWh",
        "by contract, kWh",
        "shared, kWh",
    ]
    rows: list[list[Cell]] = []
    for place, one in enumerate(community["compared"]):
        prosumers, consumers = aud(one["prosumers_saved_naud"]), aud(one["consumers_saved_naud"])
        errors = aud(one["imbalance_naud"])
        if not place:  # as the tables of classes and homes have it
            errors = aud_of(community["homes"], "imbalance_naud")
            prosumers, consumers = (
                saved_aud(homes_of(community, name)) for name in ("prosumers", "consumers")
            )
        rows.append(
            [
                one["forecast"] if place else f"{one['forecast']} (this run)",
                one["battery"],
                one["saved_percent"],
                round(prosumers + consumers, 2),
                prosumers,
                consumers,
                one["worse_off"],
                aud(one["loss_naud"]),
                errors,
                one["forecast_error_wh"],
                *(one[name] / 1000 for name in ("over_wh", "missing_wh", "traded_wh", "shared_wh")),
            ]
        )
    return Table(headers, rows)


def compared_figure(community: Json, key: str) -> Figure:
    """What homes save under each forecast and plan, and what forecasts that erred cost."""
    rows = community["compared"]
    names = [f"{one['forecast']},\n{one['battery']}" for one in rows]
    drawing = canvas(wide=True)
    axes = drawing.subplots()
    for offset, name, colour, label in (
        (-0.27, "prosumers_saved_naud", SUN_COLOUR, "prosumers save"),
        (0.0, "consumers_saved_naud", BATTERY_COLOUR, "consumers save"),
        (0.27, "imbalance_naud", NEIGHBOUR_COLOUR, "paid for forecasts that erred"),
    ):
        values = [one[name] / NAUD_PER_AUD for one in rows]
        axes.bar([place + offset for place in range(len(rows))], values, 0.25, color=colour, label=label)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks(range(len(rows)), names)
    axes.set_ylabel("AUD")
    plain(axes)
    legend(axes, columns=3)
    table: list[list[Cell]] = [
        [
            f"{one['forecast']}, {one['battery']}",
            *(aud(one[name]) for name in ("prosumers_saved_naud", "consumers_saved_naud", "imbalance_naud")),
        ]
        for one in rows
    ]
    return Figure(
        f"{key}-compared",
        "What forecasts and battery plans are worth",
        "The same homes, days and seed. What a forecast that errs costs is in the bills already.",
        svg_of(drawing, f"{key}-compared", "Bars: savings and cost of errors by forecast and battery plan"),
        Table(
            ["forecast, plan", "prosumers save, AUD", "consumers save, AUD", "paid for errors, AUD"], table
        ),
        wide=True,
    )
