# SPDX-License-Identifier: Apache-2.0
"""Figures that the paper does not have: sizes of communities, and what tells why some of it does not reproduce."""

from typing import Any

from commonwatt_loadgen.paper.lines import PRESET, at_share, lines_by_hour, shown
from commonwatt_loadgen.report.axes import legend, plain
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    CYCLE,
    GRID_COLOUR,
    INK,
    SUN_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)

Json = dict[str, Any]
_IMPLIED_PERCENT = 72.8


def energy_per_user(summary: Json) -> Figure:
    """Energy per user for communities of any size."""
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
        "energy-per-user",
        "Energy per user",
        "The energy a user buys does not depend on how many there are: the market scales.",
        svg_of(drawing, "energy-per-user", "Energy per user and day for 10 to 100 users"),
        Table(["users", "use, kWh", "bought, kWh"], rows),
    )


def cost_by_users(summary: Json) -> Figure:
    """Cost for communities of any size."""
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
        "cost-by-users",
        "Cost by number of users",
        "20 % generators. Bars show the deviation of a single run: the smaller a community, the more its luck matters.",
        svg_of(drawing, "cost-by-users", "Cost in percent for 10 to 100 users"),
        Table(["users", "consumers, %", "prosumers, %", "all, %"], rows),
    )


def paid_by_share(summary: Json) -> Figure:
    """What homes pay through the day."""
    return lines_by_hour(
        summary["shares"][PRESET],
        lambda one: [float(paid) for paid in one["paid_by_hour_aud"]],
        "paid-by-share",
        "What homes pay, by hour",
        "All 60 homes' purchases, by share of generators. It falls from sunrise on.",
        "AUD",
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
        "prosumers-by-preset",
        "A prosumer's cost, by preset",
        "The paper has it fall below zero at 70 %; no preset does.",
        svg_of(drawing, "prosumers-by-preset", "Prosumers' cost by share of generators and preset"),
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
        "without-market",
        "A prosumer's cost without the market, five readings",
        "Gross feed-in (all PV sold at the feed-in tariff) comes closest to what the paper's figures imply.",
        svg_of(
            drawing,
            "without-market",
            "Lines: a prosumer's cost without the market by share of generators, five readings",
        ),
        Table(["generators", *(f"{name}, %" for name in names)], rows),
    )
