# SPDX-License-Identifier: Apache-2.0
"""Figures 3 to 10 of the paper redrawn."""

from typing import Any

from commonwatt_loadgen.paper.lines import PRESET, at_share, lines_by_hour, shown
from commonwatt_loadgen.paper.sweeps import DEFAULT_USERS
from commonwatt_loadgen.paper.targets import TARGETS
from commonwatt_loadgen.report.axes import clock, legend, plain
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
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


def need_by_users(summary: Json) -> Figure:
    """Figure 6: the energy that a user has to buy through the day, for communities of any size."""
    daily = [one["need_kwh_per_user"]["mean"] for one in summary["users"]]
    return lines_by_hour(
        summary["users"],
        lambda one: [power / one["users"] for power in _need(one)],
        "f6",
        "Figure 6: need per user, by number of users",
        f"20 % generators. A user's need hardly depends on their number ({min(daily):.1f} to {max(daily):.1f} kWh "
        "a day): the market scales.",
        "kW per user",
    )


def grid_by_users(summary: Json) -> Figure:
    """Figure 7: what a user draws from the grid through the day, for communities of any size."""
    traded = [one["midday_p2p_of_need"]["mean"] for one in summary["users"]]
    sizes = [one["users"] for one in summary["users"]]
    return lines_by_hour(
        summary["users"],
        lambda one: [power / one["users"] for power in one["grid_by_hour_kwh"]],
        "f7",
        "Figure 7: grid power per user, by number of users",
        "20 % generators. Does not reproduce: the paper's grid power falls at midday as users become more. Here "
        f"neighbours cover {min(traded):.1f} to {max(traded):.1f} % of the need from 10 to 16 h for {min(sizes)} to "
        f"{max(sizes)} users, so the lines lie together.",
        "kW per user",
    )


def need_by_share(summary: Json) -> Figure:
    """Figure 8: the energy that a user has to buy through the day, by share of generators."""
    return lines_by_hour(
        summary["shares"][PRESET],
        lambda one: [power / DEFAULT_USERS for power in _need(one)],
        "f8",
        "Figure 8: need per user, by share of generators",
        "60 homes. Does not reproduce: the paper's need falls from 9 a.m. on. Here it falls from sunrise, since "
        "batteries begin the day empty and PV serves its own home first.",
        "kW per user",
    )


def grid_by_share(summary: Json) -> Figure:
    """Figure 9: what homes draw from the grid through the day, by share of generators."""
    alone = sum(at_share(summary, 0)["grid_by_hour_kwh"][11:15])
    noon = {
        share: 100 * sum(at_share(summary, share)["grid_by_hour_kwh"][11:15]) / alone
        for share in (20, 30, 50)
    }
    told = ", ".join(f"{percent:.0f} % at {share} % generators" for share, percent in noon.items())
    return lines_by_hour(
        summary["shares"][PRESET],
        lambda one: [float(power) for power in one["grid_by_hour_kwh"]],
        "f9",
        "Figure 9: grid power, by share of generators",
        f"All 60 homes. From 11 to 15 h the grid serves, of what homes buy without generators, {told}.",
        "kW",
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


def _need(one: Json) -> list[float]:
    """Mean power that homes have to buy, by hour: kWh of an hour are kW."""
    return [p2p + grid for p2p, grid in zip(one["p2p_by_hour_kwh"], one["grid_by_hour_kwh"], strict=True)]
