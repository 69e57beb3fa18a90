# SPDX-License-Identifier: Apache-2.0
"""Prices and batteries through the simulated time."""

from commonwatt_loadgen.report.axes import clock, legend
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    GRID_COLOUR,
    NEIGHBOUR_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.units import UAUD_PER_CENT, Json


def prices(community: Json, key: str) -> Figure:
    """Tariff, suggested and traded prices."""
    slots = community["half_hours"]
    days = community["totals"]["days"]
    drawing = canvas()
    axes = drawing.subplots()
    times = [one["start_min"] / 60 for one in slots]
    axes.step(
        [*times, 24 * days],
        [one["tou_uaud_per_kwh"] / UAUD_PER_CENT for one in (*slots, slots[-1])],
        where="post",
        color=GRID_COLOUR,
        label="grid (ToU)",
    )
    suggested = [(t, one["suggested_uaud_per_kwh"]) for t, one in zip(times, slots, strict=True)]
    axes.plot(
        [t for t, price in suggested if price is not None],
        [price / UAUD_PER_CENT for _, price in suggested if price is not None],
        color=BATTERY_COLOUR,
        label="suggested to sellers",
    )
    traded = [
        (t + 0.25, one["traded_uaud_per_kwh"], one["p2p_wh"])
        for t, one in zip(times, slots, strict=True)
        if one["traded_uaud_per_kwh"] is not None
    ]
    most = max((energy for *_, energy in traded), default=1)
    axes.scatter(
        [t for t, *_ in traded],
        [price / UAUD_PER_CENT for _, price, _ in traded],
        s=[8 + 60 * energy / most for *_, energy in traded],
        color=NEIGHBOUR_COLOUR,
        alpha=0.7,
        linewidths=0,
        label="traded (size: energy)",
        zorder=3,
    )
    clock(axes, days * 24, community.get("first_day"))
    axes.set_ylim(0, 1.08 * max(one["tou_uaud_per_kwh"] for one in slots) / UAUD_PER_CENT)
    axes.set_ylabel("c/kWh")
    legend(axes)
    rows: list[list[Cell]] = [
        [
            _moment(one["start_min"]),
            one["tou_uaud_per_kwh"] / UAUD_PER_CENT,
            _cents(one["suggested_uaud_per_kwh"]),
            _cents(one["traded_uaud_per_kwh"]),
            one["p2p_wh"] / 1000,
        ]
        for one in slots
    ]
    return Figure(
        f"{key}-prices",
        "Prices through the day" if days == 1 else "Prices through the days",
        "Neighbours trade between the feed-in tariff and the grid's time-of-use price.",
        svg_of(drawing, f"{key}-prices", "Lines and dots: grid, suggested and traded prices through time"),
        Table(["time", "grid, c/kWh", "suggested, c/kWh", "traded, c/kWh", "traded, kWh"], rows),
    )


def batteries(community: Json, key: str) -> Figure:
    """Battery contents."""
    slots = community["half_hours"]
    days = community["totals"]["days"]
    drawing = canvas()
    axes = drawing.subplots()
    times = [one["start_min"] / 60 + 0.5 for one in slots]
    lows = [one["battery_min_wh"] / 1000 for one in slots]
    highs = [one["battery_max_wh"] / 1000 for one in slots]
    axes.fill_between(
        times, lows, highs, color=BATTERY_COLOUR, alpha=0.2, linewidth=0, label="emptiest to fullest"
    )
    means = [one["battery_mean_wh"] / 1000 for one in slots]
    axes.plot(times, means, color=BATTERY_COLOUR, linewidth=2, label="mean")
    clock(axes, days * 24, community.get("first_day"))
    axes.set_ylim(0, 1.05 * max(0.1, *highs))
    axes.set_ylabel("kWh in a battery")
    legend(axes)
    rows: list[list[Cell]] = [
        [
            _moment(one["start_min"] + 30),
            one["battery_mean_wh"] / 1000,
            one["battery_min_wh"] / 1000,
            one["battery_max_wh"] / 1000,
        ]
        for one in slots
    ]
    return Figure(
        f"{key}-batteries",
        "Batteries through the day" if days == 1 else "Batteries through the days",
        "Charged from the sun, and from the grid where the community allows it; emptied by own use and by sales.",
        svg_of(drawing, f"{key}-batteries", "Line and band: mean, emptiest and fullest battery through time"),
        Table(["time", "mean, kWh", "least, kWh", "most, kWh"], rows),
    )


def _cents(price: int | None) -> float | None:
    return None if price is None else round(price / UAUD_PER_CENT, 2)


def _moment(minute: int) -> str:
    day, rest = divmod(minute, 1440)
    text = f"{rest // 60}:{rest % 60:02d}"
    return f"day {day + 1} {text}" if day else text
