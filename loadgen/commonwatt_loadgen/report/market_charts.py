"""The charts of a community's summary."""

from typing import Any

from matplotlib.axes import Axes

from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    CYCLE,
    GRID_COLOUR,
    INK,
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

Json = dict[str, Any]
_CENT = 10_000  # µAUD
_AUD = 1_000_000_000  # nAUD


def _clock(axes: Axes, hours: int = 24) -> None:
    axes.set_xlim(0, hours)
    if hours <= 24:
        axes.set_xticks(range(0, 25, 4), [f"{hour}:00" for hour in range(0, 25, 4)])
    else:
        days = hours // 24
        step = max(1, days // 7)
        axes.set_xticks(
            range(0, hours + 1, 24 * step), [f"day {day + 1}" for day in range(0, days + 1, step)]
        )
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def class_costs(community: Json, key: str) -> Figure:
    """What each class pays without and with the market (Figure 10)."""
    classes = [one for one in community["classes"] if one["class"] != "all"]
    drawing = canvas()
    axes = drawing.subplots()
    names = [one["class"] for one in classes]
    without = [one["traditional_naud"] / _AUD / one["homes"] for one in classes]
    with_it = [one["amount_naud"] / _AUD / one["homes"] for one in classes]
    for place, (before, after) in enumerate(zip(without, with_it, strict=True)):
        axes.bar(place - 0.2, before, 0.38, color=GRID_COLOUR, label="without market" if not place else None)
        axes.bar(place + 0.2, after, 0.38, color=BATTERY_COLOUR, label="with market" if not place else None)
        for x, value in ((place - 0.2, before), (place + 0.2, after)):
            axes.annotate(f"{value:.2f}", (x, value), ha="center", va="bottom" if value >= 0 else "top")
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.margins(y=0.15)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("AUD per home")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    rows: list[list[Cell]] = [
        [name, round(a, 2), round(b, 2)] for name, a, b in zip(names, without, with_it, strict=True)
    ]
    return Figure(
        f"{key}-classes",
        "Cost per home, without and with the market",
        "Mean bill of a consumer (no PV) and of a prosumer (PV and battery). Without: grid and feed-in tariff alone.",
        "Bars of mean cost per home by class",
        svg_of(drawing, f"{key}-classes", "Bars: mean cost per home without and with the market"),
        Table(["class", "without, AUD", "with, AUD"], rows),
    )


def home_costs(community: Json, key: str) -> Figure:
    """Cost per home before and after."""
    homes = sorted(community["homes"], key=lambda one: one["traditional_naud"])
    drawing = canvas()
    axes = drawing.subplots()
    for place, one in enumerate(homes):
        before, after = one["traditional_naud"] / _AUD, one["amount_naud"] / _AUD
        colour = SUN_COLOUR if one["class"] == "prosumer" else BATTERY_COLOUR
        axes.plot([place, place], [before, after], color=colour, alpha=0.6, linewidth=1.6)
        axes.plot([place], [after], "o", color=colour, markersize=4)
        axes.plot([place], [before], "_", color=GRID_COLOUR, markersize=6, markeredgewidth=1.6)
    axes.plot([], [], "_", color=GRID_COLOUR, markeredgewidth=1.6, label="without market")
    axes.plot([], [], "o", color=BATTERY_COLOUR, markersize=4, label="with: consumer")
    axes.plot([], [], "o", color=SUN_COLOUR, markersize=4, label="with: prosumer")
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("homes, by their cost without the market")
    axes.set_ylabel("AUD")
    axes.set_xticks([])
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    rows: list[list[Cell]] = [
        [
            one["home"],
            one["class"],
            round(one["traditional_naud"] / _AUD, 2),
            round(one["amount_naud"] / _AUD, 2),
            round((one["traditional_naud"] - one["amount_naud"]) / _AUD, 2),
        ]
        for one in homes
    ]
    return Figure(
        f"{key}-homes",
        "Each home's bill, before and after",
        "The line from the grey mark to the dot is what the market changed; no consumer can pay more than the grid.",
        "Dumbbell chart of every home's cost",
        svg_of(drawing, f"{key}-homes", "Dumbbells: cost of every home without and with the market"),
        Table(["home", "class", "without, AUD", "with, AUD", "gained, AUD"], rows),
    )


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
    ]
    parts = [
        (0, 3, totals["direct_wh"], "PV, used at once"),
        (0, 2, totals["charged_wh"], "PV, into batteries"),
        (0, 6, totals["spill_wh"], "PV, no room left"),
        (2, 3, totals["own_wh"], "batteries, own use"),
        (2, 4, totals["p2p_wh"], "batteries, sold to neighbours"),
        (2, 7, totals["battery_end_wh"], "batteries, left at the end"),
        (1, 5, totals["grid_wh"], "grid"),
        (1, 2, totals["grid_charge_wh"], "grid, into batteries"),
    ]
    svg = sankey(
        nodes,
        [Flow(source, target, energy) for source, target, energy, _ in parts],
        "Sankey diagram of energy from PV and the grid to batteries, homes and neighbours",
    )
    return Figure(
        f"{key}-flows",
        "Energy flows",
        "From PV and the grid, through batteries, to where it was used. Widths are in proportion to energy.",
        "Sankey diagram",
        svg,
        Table(["flow", "kWh"], [[name, energy / 1000] for *_, energy, name in parts]),
        wide=True,
    )


_SERVED = (
    ("direct_wh", "own PV", SUN_COLOUR),
    ("own_wh", "own battery", BATTERY_COLOUR),
    ("p2p_wh", "neighbours", NEIGHBOUR_COLOUR),
    ("grid_wh", "grid", GRID_COLOUR),
)


def served_by_hour(community: Json, key: str) -> Figure:
    """What served the homes' use, by hour (Figure 5)."""
    return _stacked(
        community,
        f"{key}-served",
        _SERVED,
        "What served the homes, by hour",
        "Use of all homes, by the hour their settlement interval began.",
    )


def generation_by_hour(community: Json, key: str) -> Figure:
    """What became of PV generation, by hour."""
    parts = (
        ("direct_wh", "used at once", SUN_COLOUR),
        ("charged_wh", "stored", BATTERY_COLOUR),
        ("spill_wh", "spilt", LOST_COLOUR),
    )
    return _stacked(
        community,
        f"{key}-generation",
        parts,
        "What became of PV generation, by hour",
        "Surplus goes into the home's battery; what finds no room is spilt.",
    )


def _stacked(
    community: Json, key: str, parts: tuple[tuple[str, str, str], ...], title: str, caption: str
) -> Figure:
    hours = community["hours"]
    days = community["totals"]["days"]
    drawing = canvas()
    axes = drawing.subplots()
    base = [0.0] * 24
    for name, label, colour in parts:
        values = [one[name] / 1000 / days for one in hours]
        axes.bar([hour + 0.5 for hour in range(24)], values, 0.86, bottom=base, color=colour, label=label)
        base = [low + value for low, value in zip(base, values, strict=True)]
    _clock(axes)
    axes.set_ylabel("kWh" if days == 1 else "kWh per day")
    axes.set_ylim(0, 1.22 * max(1e-9, *base))
    axes.legend(frameon=False, ncols=2, loc="upper left")
    rows: list[list[Cell]] = [
        [f"{one['hour']}:00", *(round(one[name] / 1000 / days, 2) for name, *_ in parts)] for one in hours
    ]
    headers = ["hour", *(f"{label}, kWh" for _, label, _ in parts)]
    return Figure(
        key,
        title,
        caption,
        "Stacked bars by hour of the day",
        svg_of(drawing, key, title),
        Table(headers, rows),
    )


def prices(community: Json, key: str) -> Figure:
    """Tariff, suggested and traded prices through time."""
    slots = community["half_hours"]
    hours = community["totals"]["days"] * 24
    drawing = canvas()
    axes = drawing.subplots()
    times = [one["start_min"] / 60 for one in slots]
    axes.step(
        times,
        [one["tou_uaud_per_kwh"] / _CENT for one in slots],
        where="post",
        color=GRID_COLOUR,
        label="grid (ToU)",
    )
    suggested = [(t, one["suggested_uaud_per_kwh"]) for t, one in zip(times, slots, strict=True)]
    axes.plot(
        [t for t, price in suggested if price is not None],
        [price / _CENT for _, price in suggested if price is not None],
        color=BATTERY_COLOUR,
        label="suggested to sellers (eq 5)",
    )
    traded = [
        (t + 0.25, one["traded_uaud_per_kwh"], one["p2p_wh"]) for t, one in zip(times, slots, strict=True)
    ]
    most = max((energy for _, price, energy in traded if price is not None), default=1)
    axes.scatter(
        [t for t, price, _ in traded if price is not None],
        [price / _CENT for _, price, _ in traded if price is not None],
        s=[8 + 60 * energy / most for _, price, energy in traded if price is not None],
        color=NEIGHBOUR_COLOUR,
        alpha=0.7,
        linewidths=0,
        label="traded (size: energy)",
        zorder=3,
    )
    _clock(axes, hours)
    axes.set_ylim(0, 1.4 * max(one["tou_uaud_per_kwh"] for one in slots) / _CENT)  # room for the legend
    axes.set_ylabel("c/kWh")
    axes.legend(frameon=False, loc="upper left")
    rows: list[list[Cell]] = [
        [
            _moment(one["start_min"]),
            one["tou_uaud_per_kwh"] / _CENT,
            _cents(one["suggested_uaud_per_kwh"]),
            _cents(one["traded_uaud_per_kwh"]),
            one["p2p_wh"] / 1000,
        ]
        for one in slots
    ]
    return Figure(
        f"{key}-prices",
        "Prices through the day",
        "Neighbours trade between the feed-in tariff and the grid's time-of-use price.",
        "Lines of the grid's and the suggested price, dots of traded prices",
        svg_of(drawing, f"{key}-prices", "Grid, suggested and traded prices by half hour"),
        Table(["time", "grid, c/kWh", "suggested, c/kWh", "traded, c/kWh", "traded, kWh"], rows),
    )


def _cents(price: int | None) -> float | None:
    return None if price is None else round(price / _CENT, 2)


def _moment(minute: int) -> str:
    day, rest = divmod(minute, 1440)
    text = f"{rest // 60}:{rest % 60:02d}"
    return f"day {day + 1} {text}" if day else text


def batteries(community: Json, key: str) -> Figure:
    """Battery contents through time."""
    slots = community["half_hours"]
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
    _clock(axes, community["totals"]["days"] * 24)
    axes.set_ylim(0, 1.35 * max(0.1, *highs))
    axes.set_ylabel("kWh in a battery")
    axes.legend(frameon=False, loc="upper left")
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
        "Batteries through the day",
        "Charged from the sun, and from the grid where the community allows it; emptied by own use and by sales.",
        "Mean battery content with a band from the emptiest to the fullest",
        svg_of(drawing, f"{key}-batteries", "Battery content by half hour"),
        Table(["time", "mean, kWh", "least, kWh", "most, kWh"], rows),
    )


def trades(community: Json, key: str) -> Figure:
    """Who traded with whom, as a matrix."""
    pairs = community["trades"]
    sellers = sorted({one["seller"] for one in pairs})
    buyers = sorted({one["buyer"] for one in pairs})
    energy = {(one["seller"], one["buyer"]): one["energy_wh"] / 1000 for one in pairs}
    drawing = canvas(wide=True)
    axes = drawing.subplots()
    if pairs:
        grid = [[energy.get((seller, buyer), float("nan")) for buyer in buyers] for seller in sellers]
        mesh = axes.pcolormesh(grid, cmap="YlGnBu", vmin=0, edgecolors="white", linewidth=0.6)
        bar = drawing.colorbar(mesh, ax=axes, pad=0.01)
        bar.set_label("kWh")
        if bar.solids is not None:
            bar.solids.set_rasterized(False)
        axes.set_yticks([place + 0.5 for place in range(len(sellers))], sellers, fontsize=8)
        step = max(1, len(buyers) // 30)
        axes.set_xticks(
            [place + 0.5 for place in range(0, len(buyers), step)], buyers[::step], rotation=90, fontsize=8
        )
    else:
        axes.text(0.5, 0.5, "nobody traded", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
    axes.set_xlabel("buyer")
    axes.set_ylabel("seller")
    rows: list[list[Cell]] = [
        [
            one["seller"],
            one["buyer"],
            one["energy_wh"] / 1000,
            round(one["amount_naud"] / _AUD, 4),
            one["fills"],
        ]
        for one in sorted(pairs, key=lambda one: -one["energy_wh"])
    ]
    return Figure(
        f"{key}-trades",
        "Who traded with whom",
        f"{len(sellers)} sellers served {len(buyers)} buyers in {len(pairs)} pairs.",
        "Matrix of traded energy by seller and buyer",
        svg_of(drawing, f"{key}-trades", "Matrix of energy traded between sellers and buyers"),
        Table(["seller", "buyer", "kWh", "AUD", "fills"], rows),
        wide=True,
    )


def types(community: Json, key: str) -> list[Figure]:
    """The generation and usage types in use (Figures 3 and 4)."""
    data = community["types"]
    return [
        type_lines(
            data["generation_w"], f"{key}-gtypes", "Generation types (Figure 3)", "PV power on the first day."
        ),
        type_lines(
            data["usage_w"], f"{key}-utypes", "Usage types (Figure 4)", "Homes' load on the first day."
        ),
    ]


_LINES_SHOWN = 18  # as many as a legend can name; the table has all


def type_lines(lines: dict[str, list[int]], key: str, title: str, caption: str) -> Figure:
    """Mean power by hour of each type."""
    drawing = canvas()
    axes = drawing.subplots()
    for place, (name, watts) in enumerate(list(lines.items())[:_LINES_SHOWN]):
        style = ("-", "--", ":")[place // len(CYCLE) % 3]
        axes.plot(
            [hour + 0.5 for hour in range(24)],
            [w / 1000 for w in watts],
            style,
            color=CYCLE[place % len(CYCLE)],
            label=name,
        )
    _clock(axes)
    highest = max((max(watts) for watts in lines.values()), default=1) / 1000
    axes.set_ylim(0, highest * (1.5 if len(lines) > 4 else 1.1))
    axes.set_ylabel("kW")
    if lines:
        axes.legend(frameon=False, fontsize=8, ncols=3 if len(lines) > 4 else 1, loc="upper left")
    headers = ["hour", *(f"{name}, W" for name in lines)]
    rows: list[list[Cell]] = [
        [f"{hour}:00", *(watts[hour] for watts in lines.values())] for hour in range(24)
    ]
    return Figure(
        key,
        title,
        caption,
        f"Lines by hour: {', '.join(lines)}",
        svg_of(drawing, key, title),
        Table(headers, rows),
    )
