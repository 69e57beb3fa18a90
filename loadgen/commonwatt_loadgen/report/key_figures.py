# SPDX-License-Identifier: Apache-2.0
"""What the market changed, in a table, and the community's import from the grid with and without it."""

from collections.abc import Sequence

from commonwatt_loadgen.report.axes import clock, legend, plain
from commonwatt_loadgen.report.costs import saved_aud
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    GRID_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.units import Json


def key_table(community: Json) -> Table:
    """The community's key figures with and without the market."""
    traded = community["key_figures"]["shared_wh"] / 1000
    return key_table_of(community, [["traded between neighbours, kWh", traded, 0]])


def key_table_of(community: Json, traded: list[list[Cell]]) -> Table:
    """The figures that every market has, with rows of its own on what neighbours `traded`."""
    figures = community["key_figures"]

    def both(name: str, unit: float = 1.0) -> list[Cell]:
        return [_scaled(figures[name][which], unit) for which in ("with", "without")]

    peaks = [figures["peak_import"][which] for which in ("with", "without")]
    emissions = figures["co2"]
    worse, gains = figures["worse_off"], figures["gains"]
    rows: list[list[Cell]] = [
        ["energy from the grid, kWh", *both("grid_import_wh", 1000)],
        ["energy fed into the grid, kWh", *both("grid_export_wh", 1000)],
        ["self-sufficiency, % of use", *both("self_sufficiency_percent")],
        ["self-consumption, % of generation", *both("self_consumption_percent")],
        ["highest import of an hour, kWh", *(_scaled(one["energy_wh"], 1000) for one in peaks)],
        ["hour of that import", *(_hour(one["hour"]) for one in peaks)],
        [
            f"CO2 of imports, kg ({emissions['factor_g_per_kwh']} g/kWh)",
            *(_scaled(emissions["imports_g"][which], 1000) for which in ("with", "without")),
        ],
        [
            "CO2 of imports less exports, kg",
            *(_scaled(emissions["net_g"][which], 1000) for which in ("with", "without")),
        ],
        *traded,
        ["homes worse off", worse["homes"], 0],
        [
            "what they lose, AUD",
            0.0 - saved_aud([one for one in community["homes"] if one["saved_naud"] < 0]),
            0,
        ],
        ["gains: Jain's index (1: all gain the same)", _ppm(gains["jain_ppm"]), None],
        ["gains: Gini's index (0: all gain the same)", _ppm(gains["gini_ppm"]), None],
    ]
    return Table(["", "with market", "same equipment, no market"], rows)


def import_figures(
    community: Json,
    key: str,
    fields: Sequence[str] = ("grid_wh", "grid_charge_wh"),
    without: str = "without_grid_wh",
) -> list[Figure]:
    """Import by hour of day, and in order of size; `fields` of an hour sum to the import with the market."""
    hours, days = community["hours"], community["totals"]["days"]
    with_it = [sum(one[name] for name in fields) / 1000 / days for one in hours]
    without_it = [one[without] / 1000 / days for one in hours]
    return [
        _by_hour(with_it, without_it, days, f"{key}-import"),
        _duration(community, f"{key}-duration"),
    ]


def _by_hour(with_it: list[float], without: list[float], days: int, key: str) -> Figure:
    drawing = canvas()
    axes = drawing.subplots()
    for values, label, colour in (
        (without, "same equipment, no market", GRID_COLOUR),
        (with_it, "with market", BATTERY_COLOUR),
    ):
        axes.stairs(values, range(25), baseline=None, color=colour, linewidth=2, label=label)
    clock(axes)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("kWh" if days == 1 else "kWh per day")
    legend(axes, columns=2, size=9)
    rows: list[list[Cell]] = [
        [f"{hour}:00", round(with_it[hour], 2), round(without[hour], 2)] for hour in range(24)
    ]
    return Figure(
        key,
        "Import from the grid, by hour",
        "All homes; energy counts in the hour in which it flows.",
        svg_of(drawing, key, "Steps by hour: import with and without the market"),
        Table(["hour", "with market, kWh", "same equipment, no market, kWh"], rows),
    )


def _duration(community: Json, key: str) -> Figure:
    curves = community["key_figures"]["load_duration_wh"]
    drawing = canvas()
    axes = drawing.subplots()
    shares = range(0, 101, 5)
    for which, label, colour in (
        ("without", "same equipment, no market", GRID_COLOUR),
        ("with", "with market", BATTERY_COLOUR),
    ):
        axes.plot(shares, [one / 1000 for one in curves[which]], color=colour, linewidth=2, label=label)
    axes.set_xlabel("% of the hours")
    axes.set_ylabel("kWh in an hour, or more")
    axes.set_ylim(bottom=0)
    plain(axes)
    legend(axes, columns=2, size=9)
    rows: list[list[Cell]] = [
        [f"{share} %", *(curves[which][place] / 1000 for which in ("with", "without"))]
        for place, share in enumerate(shares)
    ]
    return Figure(
        key,
        "Load duration",
        "The import that so many of the hours exceed: a lower left end means a smaller connection for the community.",
        svg_of(drawing, key, "Lines: import of an hour by the share of hours that exceed it"),
        Table(["hours", "with market, kWh", "same equipment, no market, kWh"], rows),
    )


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else round(value / unit, 2)


def _ppm(value: int | None) -> Cell:
    return "–" if value is None else round(value / 1_000_000, 3)


def _hour(hour: int | None) -> Cell:
    if hour is None:
        return None
    day, within = divmod(hour, 24)
    return f"day {day + 1}, {within}:00" if day else f"{within}:00"
