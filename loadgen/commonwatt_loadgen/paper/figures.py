# SPDX-License-Identifier: Apache-2.0
"""Figures 3 to 10 of the paper redrawn, and what tells why some of it does not reproduce."""

from typing import Any

from commonwatt_loadgen.paper.targets import TARGETS
from commonwatt_loadgen.report.axes import clock, legend, plain
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    CYCLE,
    GRID_COLOUR,
    INK,
    NEIGHBOUR_COLOUR,
    SUN_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.types import type_lines
from commonwatt_loadgen.traces import default_types

Json = dict[str, Any]
PRESET = "NSW"
_MARKED_SHARES = (0, 10, 30, 50, 70, 90)
_IMPLIED_PERCENT = 72.8


def at_share(summary: Json, share: int, preset: str = PRESET) -> Json:
    """The figures of 60 homes at a share of generators in percent."""
    found: Json = next(one for one in summary["shares"][preset] if one["share_percent"] == share)
    return found


def shown(spread: Json | None) -> str:
    """A mean with the deviation of a single run."""
    return f"{spread['mean']:.1f} ± {spread['sd']:.1f}" if spread else "–"


def inputs() -> list[Figure]:
    """Figures 3 and 4: the types that homes follow."""
    types = default_types()
    lines = {
        kind: {
            name: [source.energy_wh(hour * 60, hour * 60 + 60) for hour in range(24)]
            for name, source in group.items()
        }
        for kind, group in (("generation", types.generation), ("usage", types.usage))
    }
    return [
        type_lines(
            lines["generation"],
            "f3",
            "Figure 3: generation types",
            "PV power of 5 kW systems, November 2012.",
        ),
        type_lines(lines["usage"], "f4", "Figure 4: usage types", "Load of the 15 types as measured."),
    ]


def need_by_hour(summary: Json) -> Figure:
    """Figure 5: what homes buy through the day."""
    point = at_share(summary, 20)
    drawing = canvas()
    axes = drawing.subplots()
    places = [hour + 0.5 for hour in range(24)]
    axes.bar(places, point["p2p_by_hour_kwh"], 0.86, color=NEIGHBOUR_COLOUR, label="from neighbours")
    axes.bar(
        places,
        point["grid_by_hour_kwh"],
        0.86,
        bottom=point["p2p_by_hour_kwh"],
        color=GRID_COLOUR,
        label="from the grid",
    )
    clock(axes)
    axes.set_ylabel("kWh")
    legend(axes, columns=3)
    rows: list[list[Cell]] = [
        [f"{hour}:00", point["p2p_by_hour_kwh"][hour], point["grid_by_hour_kwh"][hour]] for hour in range(24)
    ]
    caption = (
        f"60 homes, 20 % generators: {point['p2p_of_need']['mean']:.0f} % of need is traded (reference 17), "
        f"{point['midday_p2p_of_need']['mean']:.0f} % from 10 to 16 h (reference 61)."
    )
    svg = svg_of(drawing, "f5", "Bars by hour: energy bought from neighbours and from the grid")
    return Figure(
        "f5",
        "Figure 5: need through the day",
        caption,
        svg,
        Table(["hour", "p2p, kWh", "grid, kWh"], rows),
    )


def energy_per_user(summary: Json) -> Figure:
    """Figure 6: energy per user for communities of any size."""
    points = summary["users"]
    drawing = canvas()
    axes = drawing.subplots()
    users = [one["users"] for one in points]
    for key, label, colour in (
        ("use_kwh_per_user", "use", GRID_COLOUR),
        ("need_kwh_per_user", "bought", BATTERY_COLOUR),
    ):
        axes.errorbar(
            users,
            [one[key]["mean"] for one in points],
            [one[key]["sd"] for one in points],
            fmt="o-",
            capsize=3,
            color=colour,
            label=label,
        )
    axes.axhspan(15, 16, color=SUN_COLOUR, alpha=0.3, linewidth=0, label="reference: 15–16 kWh")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("users")
    axes.set_ylabel("kWh per user and day")
    plain(axes)
    legend(axes, columns=3, size=9)
    rows: list[list[Cell]] = [
        [str(one["users"]), one["use_kwh_per_user"]["mean"], one["need_kwh_per_user"]["mean"]]
        for one in points
    ]
    return Figure(
        "f6",
        "Figure 6: energy per user",
        "The energy a user buys does not depend on how many there are: the market scales.",
        svg_of(drawing, "f6", "Energy per user and day for 10 to 100 users"),
        Table(["users", "use, kWh", "bought, kWh"], rows),
    )


def cost_by_users(summary: Json) -> Figure:
    """Figure 7: cost for communities of any size."""
    points = summary["users"]
    drawing = canvas()
    axes = drawing.subplots()
    users = [one["users"] for one in points]
    for key, label, colour in (
        ("consumers", "consumers", BATTERY_COLOUR),
        ("prosumers", "prosumers", SUN_COLOUR),
        ("all", "all", INK),
    ):
        axes.errorbar(
            users,
            [one[key]["mean"] for one in points],
            [one[key]["sd"] for one in points],
            fmt="o-",
            capsize=3,
            color=colour,
            label=label,
        )
    axes.set_xlabel("users")
    axes.set_ylabel("cost, % of cost without market")
    plain(axes)
    legend(axes, columns=3)
    rows: list[list[Cell]] = [
        [str(one["users"]), shown(one["consumers"]), shown(one["prosumers"]), shown(one["all"])]
        for one in points
    ]
    return Figure(
        "f7",
        "Figure 7: cost by number of users",
        "20 % generators. Bars show the deviation of a single run: the smaller a community, the more its luck matters.",
        svg_of(drawing, "f7", "Cost in percent for 10 to 100 users"),
        Table(["users", "consumers, %", "prosumers, %", "all, %"], rows),
    )


def _by_share(summary: Json, key: str, title: str, caption: str, field: str, unit: str) -> Figure:
    drawing = canvas()
    axes = drawing.subplots()
    places = [hour + 0.5 for hour in range(24)]
    for place, share in enumerate(_MARKED_SHARES):
        axes.plot(places, at_share(summary, share)[field], color=CYCLE[place % len(CYCLE)], label=f"{share}")
    clock(axes)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(unit)
    legend(axes, columns=6, size=9, title="generators, % of homes")
    shares = [one["share_percent"] for one in summary["shares"][PRESET]]
    rows: list[list[Cell]] = [
        [f"{hour}:00", *(round(at_share(summary, share)[field][hour], 2) for share in shares)]
        for hour in range(24)
    ]
    return Figure(
        key,
        title,
        caption,
        svg_of(drawing, key, title),
        Table(["hour", *(f"{share} %" for share in shares)], rows),
    )


def paid_by_hour(summary: Json) -> Figure:
    """Figure 8: what homes pay through the day."""
    return _by_share(
        summary,
        "f8",
        "Figure 8: what homes pay, by hour",
        "All 60 homes' purchases. It falls from sunrise; the paper says from 9 a.m.",
        "paid_by_hour_aud",
        "AUD",
    )


def grid_by_hour(summary: Json) -> Figure:
    """Figure 9: what homes buy from the grid through the day."""
    return _by_share(
        summary,
        "f9",
        "Figure 9: energy from the grid, by hour",
        "Near zero from 11 to 15 h once 30 % or more of the homes generate.",
        "grid_by_hour_kwh",
        "kWh",
    )


def cost_by_share(summary: Json) -> Figure:
    """Figure 10: cost by share of generators, with the paper's points."""
    points = summary["shares"][PRESET]
    drawing = canvas()
    axes = drawing.subplots()
    series = (
        ("consumers", "consumers", BATTERY_COLOUR),
        ("prosumers", "prosumers", SUN_COLOUR),
        ("all", "all", INK),
    )
    for key, label, colour in series:
        known = [one for one in points if one[key]]
        axes.errorbar(
            [one["share_percent"] for one in known],
            [one[key]["mean"] for one in known],
            [one[key]["sd"] for one in known],
            fmt="o-",
            capsize=3,
            markersize=4,
            color=colour,
            label=label,
        )
    colours = {key: colour for key, _, colour in series}
    for target in TARGETS:
        if target.paper is not None:
            axes.plot(
                [target.share_percent],
                [target.paper],
                "X",
                markersize=9,
                color=colours[target.key],
                markeredgecolor=INK,
            )
    axes.plot([], [], "X", markersize=9, color="white", markeredgecolor=INK, label="the paper")
    axes.set_xlabel("generators, % of homes")
    axes.set_ylabel("cost, % of cost without market")
    plain(axes)
    legend(axes, columns=4, size=9)
    rows: list[list[Cell]] = [
        [f"{one['share_percent']} %", shown(one["consumers"]), shown(one["prosumers"]), shown(one["all"])]
        for one in points
    ]
    return Figure(
        "f10",
        "Figure 10: cost by share of generators",
        "Crosses are the points that the paper states. Bars show the deviation of a single run.",
        svg_of(drawing, "f10", "Cost in percent by share of generators, with the paper's points"),
        Table(["generators", "consumers, %", "prosumers, %", "all, %"], rows),
    )


def prosumers_by_preset(summary: Json) -> Figure:
    """A prosumer's cost by share of generators and preset."""
    drawing = canvas()
    axes = drawing.subplots()
    for place, (name, points) in enumerate(summary["shares"].items()):
        known = [one for one in points if one["prosumers_of_consumers"]]
        axes.plot(
            [one["share_percent"] for one in known],
            [one["prosumers_of_consumers"]["mean"] for one in known],
            "o-",
            markersize=4,
            color=CYCLE[place],
            label=name,
        )
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("generators, % of homes")
    axes.set_ylabel("% of a consumer's cost without market")
    plain(axes)
    legend(axes, columns=3)
    shares = [one["share_percent"] for one in summary["shares"][PRESET]]
    rows: list[list[Cell]] = [
        [
            f"{share} %",
            *(shown(at_share(summary, share, name)["prosumers_of_consumers"]) for name in summary["shares"]),
        ]
        for share in shares
    ]
    return Figure(
        "f11",
        "A prosumer's cost, by preset",
        "The paper has it fall below zero at 70 %; no preset does.",
        svg_of(drawing, "f11", "Prosumers' cost by share of generators and preset"),
        Table(["generators", *summary["shares"]], rows),
    )


def without_market(summary: Json) -> Figure:
    """What a prosumer might pay without the market, by five readings; the paper's own figures imply one of them."""
    points = [one for one in summary["shares"][PRESET] if one["variants"]["gross feed-in"]]
    shares = [one["share_percent"] for one in points]
    names = list(points[0]["variants"])
    drawing = canvas()
    axes = drawing.subplots()
    for place, name in enumerate(names):
        means = [one["variants"][name]["mean"] for one in points]
        axes.plot(shares, means, "o-", markersize=4, color=CYCLE[place], label=name)
    axes.axhline(
        _IMPLIED_PERCENT, color=INK, linestyle=":", label=f"implied by the paper: {_IMPLIED_PERCENT} %"
    )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("generators, % of homes")
    axes.set_ylabel("% of a consumer's cost")
    plain(axes)
    legend(axes, columns=2, size=8)
    rows: list[list[Cell]] = [
        [f"{one['share_percent']} %", *(shown(one["variants"][name]) for name in names)] for one in points
    ]
    return Figure(
        "f12",
        "A prosumer's cost without the market, five readings",
        "Gross feed-in (all PV sold at the feed-in tariff) comes closest to what the paper's figures imply.",
        svg_of(
            drawing,
            "f12",
            "Lines: a prosumer's cost without the market by share of generators, five readings",
        ),
        Table(["generators", *(f"{name}, %" for name in names)], rows),
    )
