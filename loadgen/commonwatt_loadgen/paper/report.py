"""The report of the paper's experiments: Figures 3 to 10 redrawn, and the table of what reproduces."""

from typing import Any

from matplotlib.axes import Axes

from commonwatt_loadgen.paper.targets import DOES_NOT_REPRODUCE, TARGETS
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
from commonwatt_loadgen.report.market_charts import type_lines
from commonwatt_loadgen.report.page import Page, Section, Tile, render
from commonwatt_loadgen.traces import default_types
from commonwatt_loadgen.traces.profiles import ATTRIBUTION

Json = dict[str, Any]
_PRESET = "NSW"
_MARKED_SHARES = (0, 10, 30, 50, 70, 90)


def paper_report(summary: Json) -> str:
    """The HTML of the summary."""
    reproduced = sum(one["nsw_within_one_spread"] for one in summary["targets"])
    at_50 = _at(summary, 50)
    tiles = [
        Tile(
            f"{reproduced} of {len(summary['targets'])}",
            "figures within one single-run spread of the reference",
        ),
        Tile(f"{at_50['consumers']['mean']:.1f} %", "consumers' cost at 50 % generators (paper 60.2)"),
        Tile(f"{at_50['all']['mean']:.1f} %", "everybody's cost at 50 % generators (paper 43.1)"),
        Tile(
            f"{_at(summary, 20)['p2p_of_need']['mean']:.1f} %",
            "of need traded on the default day (reference 17)",
        ),
    ]
    sections = [
        Section(
            "The paper, this repetition, and an independent reference",
            "Cost with the market in percent of the cost without it: mean ± deviation of a single run, "
            f"{summary['seeds']} one-day runs of 60 homes each. "
            + " ".join(f"{name}: {text}." for name, text in summary["presets"].items()),
            tables=[_targets_table(summary), _day_table(summary)],
        ),
        Section(
            "What does not reproduce, and why", notes=DOES_NOT_REPRODUCE, tables=[_variants_table(summary)]
        ),
        Section("Inputs", figures=_inputs()),
        Section(
            "The default day, and more or fewer users",
            figures=[_figure_5(summary), _figure_6(summary), _figure_7(summary)],
        ),
        Section(
            "More or fewer generators",
            figures=[_figure_8(summary), _figure_9(summary), _figure_10(summary), _presets(summary)],
        ),
    ]
    lead = (
        "The experiments of Wang et al. 2023 (CE-SDT, doi 10.3389/fenrg.2022.1091350), run with the very rules that "
        "the chaincode executes on every peer."
    )
    footer = [ATTRIBUTION, "Every field of summary.json is explained in its own `definitions`."]
    return render(Page("The paper's experiments, repeated", lead, tiles, sections, footer))


def _at(summary: Json, share: int, preset: str = _PRESET) -> Json:
    found: Json = next(one for one in summary["shares"][preset] if one["share_percent"] == share)
    return found


def _shown(spread: Json | None) -> str:
    return f"{spread['mean']:.1f} ± {spread['sd']:.1f}" if spread else "–"


def _targets_table(summary: Json) -> Table:
    headers = ["cost in percent", "paper"]
    headers += [f"{name}, {who}" for name in summary["presets"] for who in ("ours", "reference")]
    rows: list[list[Cell]] = []
    for one in summary["targets"]:
        row: list[Cell] = [one["label"], one["paper"]]
        for name in summary["presets"]:
            row += [_shown(one["ours"][name]), f"{one['reference'][name]:.1f}"]
        rows.append([*row, "yes" if one["nsw_within_one_spread"] else "no"])
    return Table([*headers, "NSW within one spread"], rows)


def _day_table(summary: Json) -> Table:
    rows: list[list[Cell]] = [
        [
            f"NSW day at {share} % generators, {who}",
            *(int(day[who][name]) for name in ("requests", "offers", "fills")),
        ]
        for share, day in summary["default_day"].items()
        for who in ("ours", "reference")
    ]
    return Table(["", "requests", "offers", "fills"], rows)


def _variants_table(summary: Json) -> Table:
    shares = (30, 50, 70)
    names = list(_at(summary, 50)["variants"])
    rows: list[list[Cell]] = [
        [name, *(_shown(_at(summary, share)["variants"][name]) for share in shares)] for name in names
    ]
    return Table(
        ["a prosumer's cost without the market, % of a consumer's", *(f"at {share} %" for share in shares)],
        rows,
    )


def _inputs() -> list[Figure]:
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


def _hours(axes: Axes) -> None:
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 4), [f"{hour}:00" for hour in range(0, 25, 4)])
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _figure_5(summary: Json) -> Figure:
    point = _at(summary, 20)
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
    _hours(axes)
    axes.set_ylabel("kWh")
    axes.legend(frameon=False, loc="upper left")
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
        "",
        svg,
        Table(["hour", "p2p, kWh", "grid, kWh"], rows),
    )


def _figure_6(summary: Json) -> Figure:
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
    axes.axhspan(15, 16, color=SUN_COLOUR, alpha=0.3, linewidth=0, label="reference: 15-16 kWh")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("users")
    axes.set_ylabel("kWh per user and day")
    _plain(axes)
    axes.legend(frameon=False, loc="lower right")
    rows: list[list[Cell]] = [
        [str(one["users"]), one["use_kwh_per_user"]["mean"], one["need_kwh_per_user"]["mean"]]
        for one in points
    ]
    return Figure(
        "f6",
        "Figure 6: energy per user",
        "The energy a user buys does not depend on how many there are: the market scales.",
        "",
        svg_of(drawing, "f6", "Energy per user and day for 10 to 100 users"),
        Table(["users", "use, kWh", "bought, kWh"], rows),
    )


def _figure_7(summary: Json) -> Figure:
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
    _plain(axes)
    axes.legend(frameon=False)
    rows: list[list[Cell]] = [
        [str(one["users"]), _shown(one["consumers"]), _shown(one["prosumers"]), _shown(one["all"])]
        for one in points
    ]
    return Figure(
        "f7",
        "Figure 7: cost by number of users",
        "20 % generators. Bars show the deviation of a single run: the smaller a community, the more its luck matters.",
        "",
        svg_of(drawing, "f7", "Cost in percent for 10 to 100 users"),
        Table(["users", "consumers, %", "prosumers, %", "all, %"], rows),
    )


def _by_share(summary: Json, key: str, title: str, caption: str, field: str, unit: str) -> Figure:
    drawing = canvas()
    axes = drawing.subplots()
    places = [hour + 0.5 for hour in range(24)]
    for place, share in enumerate(_MARKED_SHARES):
        axes.plot(places, _at(summary, share)[field], color=CYCLE[place % len(CYCLE)], label=f"{share} %")
    _hours(axes)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(unit)
    axes.legend(frameon=False, ncols=2, title="generators", loc="upper left")
    shares = [one["share_percent"] for one in summary["shares"][_PRESET]]
    rows: list[list[Cell]] = [
        [f"{hour}:00", *(round(_at(summary, share)[field][hour], 2) for share in shares)]
        for hour in range(24)
    ]
    return Figure(
        key,
        title,
        caption,
        "",
        svg_of(drawing, key, title),
        Table(["hour", *(f"{share} %" for share in shares)], rows),
    )


def _figure_8(summary: Json) -> Figure:
    return _by_share(
        summary,
        "f8",
        "Figure 8: what homes pay, by hour",
        "All 60 homes' purchases. It falls from sunrise; the paper says from 9 a.m.",
        "paid_by_hour_aud",
        "AUD",
    )


def _figure_9(summary: Json) -> Figure:
    return _by_share(
        summary,
        "f9",
        "Figure 9: energy from the grid, by hour",
        "Near zero from 11 to 15 h once 30 % or more of the homes generate.",
        "grid_by_hour_kwh",
        "kWh",
    )


def _figure_10(summary: Json) -> Figure:
    points = summary["shares"][_PRESET]
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
    axes.plot([], [], "X", markersize=9, color="white", markeredgecolor=INK, label="stated in the paper")
    axes.set_xlabel("generators, % of homes")
    axes.set_ylabel("cost, % of cost without market")
    _plain(axes)
    axes.legend(frameon=False)
    rows: list[list[Cell]] = [
        [f"{one['share_percent']} %", _shown(one["consumers"]), _shown(one["prosumers"]), _shown(one["all"])]
        for one in points
    ]
    return Figure(
        "f10",
        "Figure 10: cost by share of generators",
        "Crosses are the points that the paper states.",
        "",
        svg_of(drawing, "f10", "Cost in percent by share of generators, with the paper's points"),
        Table(["generators", "consumers, %", "prosumers, %", "all, %"], rows),
    )


def _presets(summary: Json) -> Figure:
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
    _plain(axes)
    axes.legend(frameon=False)
    shares = [one["share_percent"] for one in summary["shares"][_PRESET]]
    rows: list[list[Cell]] = [
        [
            f"{share} %",
            *(_shown(_at(summary, share, name)["prosumers_of_consumers"]) for name in summary["shares"]),
        ]
        for share in shares
    ]
    return Figure(
        "f11",
        "A prosumer's cost, by preset",
        "The paper has it fall below zero at 70 %; no preset does.",
        "",
        svg_of(drawing, "f11", "Prosumers' cost by share of generators and preset"),
        Table(["generators", *summary["shares"]], rows),
    )
