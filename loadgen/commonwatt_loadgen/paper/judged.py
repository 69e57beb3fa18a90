# SPDX-License-Identifier: Apache-2.0
"""The report's pages beyond the paper's figures: its abstract claim by claim, and what its open assumptions move."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from commonwatt_loadgen.paper.claims import NOT_JUDGED, claims
from commonwatt_loadgen.paper.lines import shown
from commonwatt_loadgen.paper.sensitivity import SHARE_PERCENT
from commonwatt_loadgen.paper.thirty_days import DAYS, NOISE_PERCENT
from commonwatt_loadgen.report.axes import legend, plain
from commonwatt_loadgen.report.figure import CYCLE, GRID_COLOUR, INK, Cell, Figure, Table, canvas, svg_of
from commonwatt_loadgen.report.page import Section

Json = dict[str, Any]


def claims_section(summary: Json) -> Section:
    """The abstract, claim by claim."""
    rows: list[list[Cell]] = [list(asdict(one).values()) for one in claims(summary)]
    return Section(
        "The abstract, claim by claim",
        f"Each claim with the rule that judges it, and with our figures. Claims on time are judged over {DAYS} days of "
        f"60 homes that differ from day to day by {NOISE_PERCENT:g} %; “without a market” the same homes keep the same "
        "PV and batteries.",
        notes=[NOT_JUDGED],
        tables=[Table(["the paper claims", "judged by", "verdict", "our figures"], rows)],
        figures=[price_by_day(summary), orders_by_users(summary), imports_by_share(summary)],
    )


def sensitivity_section(summary: Json) -> Section:
    """What each open assumption moves."""
    rows: list[list[Cell]] = [
        [
            assumption["assumption"] if place == 0 else "",
            one["reading"],
            *(shown(one[name]) for name in ("consumers", "prosumers", "all", "p2p_of_need")),
        ]
        for assumption in summary["sensitivity"]
        for place, one in enumerate(assumption["readings"])
    ]
    heads = [
        "the paper does not say",
        "read as",
        "consumers, %",
        "prosumers, %",
        "all, %",
        "traded, % of need",
    ]
    return Section(
        "What the paper leaves open",
        f"60 homes, {SHARE_PERCENT} % of them with PV, preset NSW: one reading is changed at a time. Costs "
        "are in percent of those without the market. A battery that is full at 0:00 holds energy that nobody pays for.",
        tables=[Table(heads, rows)],
        figures=[moved_by_assumption(summary)],
    )


def price_by_day(summary: Json) -> Figure:
    """The mean price of each day's trades."""
    drawing = canvas()
    axes = drawing.subplots()
    months = summary["thirty_days"]
    for place, one in enumerate(months):
        days = range(1, len(one["price_c_per_kwh"]) + 1)
        axes.plot(days, one["price_c_per_kwh"], color=CYCLE[place], label=f"{one['share_percent']} %")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("day")
    axes.set_ylabel("c per kWh")
    plain(axes)
    legend(axes, columns=len(months), size=9, title="generators, % of homes")
    rows: list[list[Cell]] = [
        [str(day + 1), *(one["price_c_per_kwh"][day] for one in months)]
        for day in range(len(months[0]["price_c_per_kwh"]))
    ]
    return Figure(
        "price-by-day",
        "Price through 30 days",
        "The mean price of a day's trades. The first days count for nothing: batteries begin empty.",
        svg_of(drawing, "price-by-day", "Lines by day: the mean price of trades"),
        Table(["day, c per kWh", *(f"{one['share_percent']} %" for one in months)], rows),
    )


def orders_by_users(summary: Json) -> Figure:
    """What the mechanism costs: orders for each home."""
    points = summary["users"]
    names = ("requests", "offers", "fills")
    drawing = canvas()
    axes = drawing.subplots()
    for name, colour in zip(names, CYCLE, strict=False):
        axes.plot(
            [one["users"] for one in points],
            [one["counts"][name]["mean"] / one["users"] for one in points],
            "o-",
            color=colour,
            label=name,
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("homes")
    axes.set_ylabel("per home and day")
    plain(axes)
    legend(axes, columns=3, size=9)
    rows: list[list[Cell]] = [
        [str(one["users"]), *(round(one["counts"][name]["mean"] / one["users"], 1) for name in names)]
        for one in points
    ]
    return Figure(
        "orders-by-users",
        "What the mechanism takes, by number of homes",
        "20 % generators. A home's requests and fills stay the same; offers grow with the number of sellers, since "
        "each of them answers each request. On the ledger each is a transaction: scale.md measures them.",
        svg_of(drawing, "orders-by-users", "Lines by number of homes: requests, offers and fills per home"),
        Table(["homes, per home and day", *names], rows),
    )


def imports_by_share(summary: Json) -> Figure:
    """Peak hour and emissions with the market, in percent of those without."""
    months = summary["thirty_days"]
    series: tuple[tuple[str, str, Callable[[Json], Json]], ...] = (
        ("mean peak hour", CYCLE[0], lambda one: one["mean_peak_hour_wh"]),
        ("CO₂ of imports", CYCLE[1], lambda one: one["imports_kg"]),
    )
    drawing = canvas()
    axes = drawing.subplots()
    for place, (label, colour, pair) in enumerate(series):
        axes.bar(
            [number + place * 0.4 - 0.2 for number in range(len(months))],
            [_percent_of(pair(one)) for one in months],
            0.38,
            color=colour,
            label=label,
        )
    axes.axhline(100, color=INK, linewidth=1)
    axes.set_xticks(range(len(months)), [f"{one['share_percent']} %" for one in months])
    axes.set_xlabel("generators, % of homes")
    axes.set_ylabel("% of without a market")
    plain(axes)
    legend(axes, columns=2, size=9)
    rows: list[list[Cell]] = [
        [f"{one['share_percent']} %", *(round(_percent_of(pair(one)), 1) for _, _, pair in series)]
        for one in months
    ]
    return Figure(
        "imports-by-share",
        "Peak hour and emissions of imports",
        "With the market, in percent of the same homes with the same PV and batteries without it.",
        svg_of(drawing, "imports-by-share", "Bars by share of generators: peak hour and emissions"),
        Table(["generators", *(f"{label}, %" for label, _, _ in series)], rows),
    )


def moved_by_assumption(summary: Json) -> Figure:
    """The range of everybody's cost over the readings of each assumption."""
    assumptions = sorted(summary["sensitivity"], key=lambda one: one["moves_all_by_points"])
    drawing = canvas()
    axes = drawing.subplots()
    for place, one in enumerate(assumptions):
        means = [reading["all"]["mean"] for reading in one["readings"]]
        axes.barh(place, max(means) - min(means), 0.6, left=min(means), color=GRID_COLOUR)
        axes.plot(means, [place] * len(means), "o", color=INK, markersize=4)
    axes.set_yticks(range(len(assumptions)), [one["assumption"] for one in assumptions])
    axes.set_xlabel("% of everybody's cost without the market")
    plain(axes)
    rows: list[list[Cell]] = [
        [one["assumption"], one["moves_all_by_points"]] for one in reversed(assumptions)
    ]
    return Figure(
        "moved-by-assumption",
        "How far each assumption moves everybody's cost",
        "A dot for each reading, a bar from the lowest to the highest.",
        svg_of(drawing, "moved-by-assumption", "Bars: the range of everybody's cost for each assumption"),
        Table(["assumption", "moves it by, points"], rows),
    )


def _percent_of(pair: Json) -> float:
    return float(100 * pair["with"] / pair["without"]) if pair["without"] else 100.0
