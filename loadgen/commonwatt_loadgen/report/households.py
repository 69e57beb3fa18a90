# SPDX-License-Identifier: Apache-2.0
"""What moved loads and batteries charged from the grid came to."""

from commonwatt_loadgen.report.axes import clock, legend, paired_bars
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    GRID_COLOUR,
    SUN_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.units import NAUD_PER_AUD, UAUD_PER_CENT, Json, aud


def moved_text(community: Json) -> str:
    """What moving loads did, in a few sentences."""
    moved = community["disutility"]
    cents = moved["coefficient_uaud_per_kwh_per_kw"] / UAUD_PER_CENT
    before, after = _class(moved["at_rest"], "consumers"), _class(community, "consumers")
    saved_naud = before["amount_naud"] - after["amount_naud"]
    gained_naud = saved_naud - moved["discomfort_naud"]
    return (
        f"{moved['homes']} consumers moved {moved['moved_wh'] / 1000:,.1f} kWh within their days, at {cents:g} c/kWh "
        f"of discomfort per kW. Their bills are {aud(saved_naud):,.2f} AUD lower than with loads at rest; their "
        f"discomfort is worth {aud(moved['discomfort_naud']):,.2f} AUD: together {_gain(gained_naud)}. "
        "Compared are two markets of the same homes, days and seed; the one at rest ran in-process."
    )


def moved_tables(community: Json) -> list[Table]:
    """Bills by class, and energy by tariff band, with loads at rest and moved."""
    rest = community["disutility"]["at_rest"]
    bills: list[list[Cell]] = [
        [
            one["class"],
            one["homes"],
            aud(_class(rest, one["class"])["amount_naud"]),
            aud(one["amount_naud"]),
            aud(one["amount_naud"] - _class(rest, one["class"])["amount_naud"]),
        ]
        for one in community["classes"]
    ]
    bands: list[list[Cell]] = []
    for tou in sorted({hour["tou_uaud_per_kwh"] for hour in community["hours"]}):
        row: list[Cell] = [f"{tou / UAUD_PER_CENT:g} c/kWh"]
        for field in ("use_wh", "p2p_wh", "grid_wh"):
            row += [_in_band(one["hours"], tou, field) / 1000 for one in (rest, community)]
        bands.append(row)
    pairs = [
        f"{what}, {how}, kWh" for what in ("use", "from neighbours", "grid") for how in ("at rest", "moved")
    ]
    return [
        Table(["bills", "homes", "loads at rest, AUD", "loads moved, AUD", "difference, AUD"], bills),
        Table(["grid's tariff", *pairs], bands),
    ]


def moved_figures(community: Json, key: str) -> list[Figure]:
    """Load by hour, and bills by class, with loads at rest and moved."""
    return [_load(community, f"{key}-moved-load"), _bills(community, f"{key}-moved-bills")]


def _load(community: Json, key: str) -> Figure:
    days = community["totals"]["days"]
    rest, moved = (
        [hour["use_wh"] / 1000 / days for hour in one["hours"]]
        for one in (community["disutility"]["at_rest"], community)
    )
    tariff = [hour["tou_uaud_per_kwh"] for hour in community["hours"]]
    drawing = canvas()
    axes = drawing.subplots()
    label: str | None = "grid's dearest band"
    for hour, tou in enumerate(tariff):
        if tou == max(tariff):
            axes.axvspan(hour, hour + 1, color=SUN_COLOUR, alpha=0.18, linewidth=0, label=label)
            label = None
    for values, colour, label in ((rest, GRID_COLOUR, "at rest"), (moved, BATTERY_COLOUR, "moved")):
        axes.stairs(values, range(25), baseline=None, color=colour, linewidth=2, label=label)
    clock(axes)
    axes.set_ylim(0, 1.05 * max(1e-9, *rest, *moved))
    axes.set_ylabel("kWh" if days == 1 else "kWh per day")
    legend(axes, columns=3)
    rows: list[list[Cell]] = [
        [f"{hour}:00", tariff[hour] / UAUD_PER_CENT, round(rest[hour], 2), round(moved[hour], 2)]
        for hour in range(24)
    ]
    return Figure(
        key,
        "All homes' use, by hour",
        "Load leaves the dear hours as far as the discomfort of moving it is worth it.",
        svg_of(drawing, key, "Lines by hour: use of all homes with loads at rest and moved"),
        Table(["hour", "grid, c/kWh", "at rest, kWh", "moved, kWh"], rows),
    )


def _bills(community: Json, key: str) -> Figure:
    rest = community["disutility"]["at_rest"]
    classes = [one for one in community["classes"] if one["class"] != "all"]
    names = [one["class"] for one in classes]
    before = [_class(rest, one["class"])["amount_naud"] / one["homes"] / NAUD_PER_AUD for one in classes]
    after = [one["amount_naud"] / one["homes"] / NAUD_PER_AUD for one in classes]
    drawing = canvas()
    paired_bars(drawing.subplots(), names, before, after, ("loads at rest", "loads moved"), "AUD per home")
    rows: list[list[Cell]] = [
        [name, round(a, 2), round(b, 2)] for name, a, b in zip(names, before, after, strict=True)
    ]
    return Figure(
        key,
        "Bill per home, with the market",
        "Prosumers' loads do not move; their bills change with what consumers buy from them, and when.",
        svg_of(drawing, key, "Bars: bill per home by class with loads at rest and moved"),
        Table(["class", "at rest, AUD", "moved, AUD"], rows),
    )


def stored_text(community: Json) -> str:
    """What batteries bought from the grid, in a sentence."""
    totals = community["totals"]
    paid = aud(totals["grid_charge_amount_naud"])
    return (
        f"Batteries took {totals['grid_charge_wh'] / 1000:,.1f} kWh from the grid in its cheapest band, for "
        f"{paid:,.2f} AUD; it is part of prosumers' bills."
    )


def stored_table(community: Json) -> Table:
    """Every home that charged from the grid, and what its battery gave."""
    rows: list[list[Cell]] = [
        [
            one["home"],
            one["grid_charge_wh"] / 1000,
            aud(one["grid_charge_amount_naud"]),
            one["own_wh"] / 1000,
            one["sold_wh"] / 1000,
        ]
        for one in community["homes"]
        if one["grid_charge_wh"]
    ]
    return Table(["home", "charged from the grid, kWh", "for, AUD", "own use, kWh", "sold, kWh"], rows)


def _class(community: Json, name: str) -> Json:
    nobody = {"amount_naud": 0}
    return next((one for one in community["classes"] if one["class"] == name), nobody)


def _in_band(hours: list[Json], tou: int, field: str) -> int:
    return sum(hour[field] for hour in hours if hour["tou_uaud_per_kwh"] == tou)


def _gain(amount_naud: int) -> str:
    return f"{'a gain' if amount_naud >= 0 else 'a loss'} of {abs(aud(amount_naud)):,.2f} AUD"
