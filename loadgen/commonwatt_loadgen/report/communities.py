# SPDX-License-Identifier: Apache-2.0
"""Several communities side by side."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from commonwatt_loadgen.report.axes import legend, paired_bars, plain
from commonwatt_loadgen.report.energy import SERVED
from commonwatt_loadgen.report.figure import Cell, Figure, Table, canvas, svg_of
from commonwatt_loadgen.report.units import NAUD_PER_AUD, UAUD_PER_CENT, Json, aud_of


def community_table(names: Sequence[str], communities: Sequence[Json]) -> Table:
    """Each community's trade and cost."""
    headers = [
        "community",
        "homes",
        "with PV",
        "requests",
        "offers",
        "fills",
        "traded, kWh",
        "traded, % of need",
    ]
    headers += [
        "mean price, c/kWh",
        "same equipment, no market, AUD",
        "with market, AUD",
        "saved, %",
        "worse off",
    ]
    rows: list[list[Cell]] = []
    for name, community in zip(names, communities, strict=True):
        totals = community["totals"]
        price = totals["traded_uaud_per_kwh"]
        rows.append(
            [
                name,
                *(totals[count] for count in ("homes", "prosumers", "requests", "offers", "fills")),
                totals["p2p_wh"] / 1000,
                totals["p2p_percent_of_need"],
                None if price is None else price / UAUD_PER_CENT,
                aud_of(community["homes"], "same_equipment_naud"),
                aud_of(community["homes"], "amount_naud"),
                totals["saved_percent"],
                community["key_figures"]["worse_off"]["homes"],
            ]
        )
    return Table(headers, rows)


def community_costs(names: Sequence[str], communities: Sequence[Json]) -> Figure:
    """What a home of each community pays without and with the market."""
    totals = [one["totals"] for one in communities]
    without = [one["same_equipment_naud"] / one["homes"] / NAUD_PER_AUD for one in totals]
    with_it = [one["amount_naud"] / one["homes"] / NAUD_PER_AUD for one in totals]
    drawing = canvas()
    axes = drawing.subplots()
    paired_bars(axes, names, without, with_it, ("same equipment, no market", "with market"), "AUD per home")
    _turned(axes, names)
    rows: list[list[Cell]] = [
        [name, round(a, 2), round(b, 2)] for name, a, b in zip(names, without, with_it, strict=True)
    ]
    return Figure(
        "communities-costs",
        "Cost per home",
        "Mean of all homes, with and without PV; without the market they have the same equipment.",
        svg_of(
            drawing, "communities-costs", "Bars: mean cost per home by community, without and with the market"
        ),
        Table(["community", "without, AUD", "with, AUD"], rows),
    )


def community_supply(names: Sequence[str], communities: Sequence[Json]) -> Figure:
    """What served the homes of each community, in percent of their use."""
    drawing = canvas()
    axes = drawing.subplots()
    base = [0.0] * len(names)
    shares: dict[str, list[float]] = {}
    for field, label, colour in SERVED:
        values = [100 * one["totals"][field] / max(1, one["totals"]["use_wh"]) for one in communities]
        axes.bar(range(len(names)), values, 0.6, bottom=base, color=colour, label=label)
        base = [low + value for low, value in zip(base, values, strict=True)]
        shares[label] = values
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("% of use")
    axes.set_ylim(0, 100)
    plain(axes)
    legend(axes, columns=4)
    _turned(axes, names)
    rows: list[list[Cell]] = [
        [name, *(round(values[place], 1) for values in shares.values())] for place, name in enumerate(names)
    ]
    return Figure(
        "communities-supply",
        "What served the homes",
        "Shares of all use.",
        svg_of(drawing, "communities-supply", "Stacked bars: what served the homes of each community"),
        Table(["community", *(f"{label}, %" for label in shares)], rows),
    )


def _turned(axes: Axes, names: Sequence[str]) -> None:
    """Turn long or many names so that they don't overlap."""
    if sum(map(len, names)) > 40:
        axes.tick_params(axis="x", labelrotation=90, labelsize=8)
