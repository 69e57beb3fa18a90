# SPDX-License-Identifier: Apache-2.0
"""The forward market in energy: prices and trade by hour, sources, who supplied whom, and envelopes."""

from commonwatt_loadgen.report.axes import clock, legend
from commonwatt_loadgen.report.energy import stacked
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    GRID_COLOUR,
    INK,
    LOST_COLOUR,
    NEIGHBOUR_COLOUR,
    SHARED_COLOUR,
    SUN_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.units import UAUD_PER_CENT, Json

_MOST_HOMES = 24


def prices_by_hour(community: Json, key: str) -> Figure:
    """Prices by hour, and what was traded and shared."""
    hours, days = community["hours"], community["totals"]["days"]
    drawing = canvas()
    above, below = drawing.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    edges = list(range(25))
    for name, label, colour in (
        ("tou_uaud_per_kwh", "grid sells", GRID_COLOUR),
        ("feed_in_uaud_per_kwh", "grid buys", SUN_COLOUR),
    ):
        values = [_cents(one[name]) or 0.0 for one in hours]
        above.stairs(values, edges, baseline=None, color=colour, linewidth=1.6, label=label)
    traded = [(one["hour"] + 0.5, _cents(one["traded_uaud_per_kwh"])) for one in hours]
    known = [(hour, price) for hour, price in traded if price is not None]
    above.plot(
        [hour for hour, _ in known],
        [price for _, price in known],
        "o",
        color=NEIGHBOUR_COLOUR,
        markersize=4.5,
        label="neighbours, contracts",
    )
    clock(above)
    above.set_xlabel("")
    above.set_ylabel("c/kWh")
    legend(above, columns=3, size=9)
    base = [0.0] * 24
    for name, label, colour in (
        ("bought_wh", "by contract", NEIGHBOUR_COLOUR),
        ("shared_in_wh", "shared", SHARED_COLOUR),
    ):
        values = [one[name] / 1000 / days for one in hours]
        below.bar([hour + 0.5 for hour in range(24)], values, 0.86, bottom=base, color=colour, label=label)
        base = [low + value for low, value in zip(base, values, strict=True)]
    clock(below)
    below.set_ylim(0, 1.05 * max(1e-9, *base))
    below.set_ylabel("kWh" if days == 1 else "kWh per day")
    below.legend(frameon=False, fontsize=9, loc="upper left")
    rows: list[list[Cell]] = [
        [
            f"{one['hour']}:00",
            *(
                _cents(one[name])
                for name in ("tou_uaud_per_kwh", "feed_in_uaud_per_kwh", "traded_uaud_per_kwh")
            ),
            *(round(one[name] / 1000 / days, 2) for name in ("bought_wh", "shared_in_wh")),
        ]
        for one in hours
    ]
    return Figure(
        f"{key}-prices",
        "Prices and trade, by hour",
        "One price for all contracts of a period; dots are means of the hour.",
        svg_of(
            drawing,
            f"{key}-prices",
            "Steps, dots and bars: prices, and energy by contract and shared, by hour",
        ),
        Table(
            [
                "hour",
                "grid sells, c/kWh",
                "grid buys, c/kWh",
                "contracts, c/kWh",
                "by contract, kWh",
                "shared, kWh",
            ],
            rows,
        ),
    )


def sources(community: Json, key: str) -> Figure:
    """What served the homes' use, by hour."""
    parts = (
        ("direct_wh", "own PV", SUN_COLOUR),
        ("own_wh", "own battery", BATTERY_COLOUR),
        ("contract_wh", "contracts", NEIGHBOUR_COLOUR),
        ("shared_in_wh", "shared", SHARED_COLOUR),
        ("grid_wh", "grid", GRID_COLOUR),
    )
    return stacked(
        community,
        f"{key}-served",
        parts,
        "What served the homes, by hour",
        "Use of all homes, by its source.",
    )


def exports(community: Json, key: str) -> Figure:
    """Where exports went, by hour."""
    parts = (
        ("delivered_wh", "contracts", NEIGHBOUR_COLOUR),
        ("shared_out_wh", "shared", SHARED_COLOUR),
        ("fed_in_wh", "grid", GRID_COLOUR),
        ("breach_wh", "beyond the envelope", LOST_COLOUR),
    )
    return stacked(
        community, f"{key}-exports", parts, "Where exports went, by hour", "Exports of all homes' meters."
    )


def matrix(community: Json, key: str) -> Figure:
    """Who supplied whom, by contract and by sharing."""
    found = community["pairs"]
    givers, takers = found["givers"], found["takers"]
    cells = [[energy_wh / 1000 for energy_wh in row] for row in found["matrix_wh"]]
    drawing = canvas(wide=True)
    axes = drawing.subplots()
    shade = axes.pcolormesh(cells, cmap="Purples", vmin=0, edgecolors="white", linewidth=0.3)
    axes.invert_yaxis()
    axes.set_yticks([place + 0.5 for place in range(len(givers))], givers, fontsize=7)
    axes.set_xticks([place + 0.5 for place in range(len(takers))], takers, fontsize=7, rotation=90)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    drawing.colorbar(shade, ax=axes, label="kWh", fraction=0.03, pad=0.01)
    rows: list[list[Cell]] = [
        [one["from"], one["to"], one["traded_wh"] / 1000, one["shared_wh"] / 1000] for one in found["largest"]
    ]
    return Figure(
        f"{key}-pairs",
        "Who supplied whom",
        "Contracts and shares go through the community: a home's energy is allocated to all that took some in the same "
        f"period, in proportion. The {len(givers)} largest suppliers, the {len(takers)} largest takers; "
        "`pairs.csv` has all.",
        svg_of(drawing, f"{key}-pairs", "Matrix: energy from each supplying home to each taking home"),
        Table(["from", "to", "by contract, kWh", "shared, kWh"], rows),
        wide=True,
    )


def envelope_figure(community: Json, key: str) -> Figure:
    """The highest export of a home in each hour, beside the tightest limit."""
    hours = community["envelopes"]["hours"]
    drawing = canvas()
    axes = drawing.subplots()
    highest = [one["highest_export_w"] / 1000 for one in hours]
    axes.bar(
        [hour + 0.5 for hour in range(24)], highest, 0.86, color=SUN_COLOUR, label="highest export of a home"
    )
    limited = [one for one in hours if one["export_limit_w"] is not None]
    for place, one in enumerate(limited):
        limit = one["export_limit_w"] / 1000
        label = "tightest limit" if place == 0 else None
        axes.plot([one["hour"], one["hour"] + 1], [limit, limit], color=INK, linewidth=2, label=label)
    clock(axes)
    axes.set_ylabel("kW")
    axes.set_ylim(bottom=0)
    legend(axes)
    rows: list[list[Cell]] = [
        [
            f"{one['hour']}:00",
            one["highest_export_w"],
            one["export_limit_w"],
            one["breach_wh"] / 1000,
        ]
        for one in hours
    ]
    return Figure(
        f"{key}-envelopes",
        "Exports and envelopes, by hour",
        "Mean power of a period; what is above the limit of its home earns nothing.",
        svg_of(
            drawing, f"{key}-envelopes", "Bars and lines: highest export of a home and the limit, by hour"
        ),
        Table(["hour", "highest export, W", "tightest limit, W", "beyond the envelope, kWh"], rows),
    )


def envelope_table(community: Json) -> Table:
    """The homes that exceeded their envelope."""
    rows: list[list[Cell]] = [
        [one["home"], one["periods"], one["breach_wh"] / 1000]
        for one in community["envelopes"]["homes"][:_MOST_HOMES]
    ]
    return Table(["home", "periods beyond the envelope", "export beyond it, kWh"], rows)


def _cents(price: int | None) -> float | None:
    return None if price is None else round(price / UAUD_PER_CENT, 2)
