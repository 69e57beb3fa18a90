# SPDX-License-Identifier: Apache-2.0
"""The report of the paper's experiments: Figures 3 to 10 redrawn, and the table of what reproduces."""

from typing import Any

from commonwatt_loadgen.paper.figures import (
    cost_by_share,
    grid_by_share,
    grid_by_users,
    inputs,
    need_by_hour,
    need_by_share,
    need_by_users,
)
from commonwatt_loadgen.paper.further_figures import (
    cost_by_users,
    energy_per_user,
    paid_by_share,
    prosumers_by_preset,
    without_market,
)
from commonwatt_loadgen.paper.futures import between_communities
from commonwatt_loadgen.paper.judged import claims_section, sensitivity_section
from commonwatt_loadgen.paper.lines import at_share, shown
from commonwatt_loadgen.paper.targets import DOES_NOT_REPRODUCE
from commonwatt_loadgen.report.figure import Cell, Table
from commonwatt_loadgen.report.page import Page, Section, Tile, render
from commonwatt_loadgen.traces.profiles import ATTRIBUTION

Json = dict[str, Any]


def paper_report(summary: Json) -> str:
    """The HTML of the summary."""
    return render(paper_page(summary))


def paper_page(summary: Json) -> Page:
    """The report of the summary."""
    reproduced = sum(one["nsw_within_one_spread"] for one in summary["targets"])
    distances = [one["nsw_less_paper"] for one in summary["targets"]]
    at_50 = at_share(summary, 50)
    tiles = [
        Tile(
            f"{reproduced} of {len(summary['targets'])}",
            "figures within one single-run spread of our own reference, an independent simulation of the same rules",
        ),
        Tile(
            f"{min(distances):+.1f} to {max(distances):+.1f} points",
            "from the figures that the paper prints to these, over the same figures",
        ),
        Tile(f"{at_50['consumers']['mean']:.1f} %", "consumers' cost at 50 % generators (paper 60.2)"),
        Tile(f"{at_50['all']['mean']:.1f} %", "everybody's cost at 50 % generators (paper 43.1)"),
        Tile(
            f"{at_share(summary, 20)['p2p_of_need']['mean']:.1f} %",
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
        *([claims_section(summary), sensitivity_section(summary)] if "thirty_days" in summary else []),
        Section(
            "Figures 3 to 10",
            "As the paper has them. An interval's energy counts in the hours in which it flowed. What does not "
            "reproduce stands beside each.",
            figures=[
                *inputs(),
                need_by_hour(summary),
                need_by_users(summary),
                grid_by_users(summary),
                need_by_share(summary),
                grid_by_share(summary),
                cost_by_share(summary),
            ],
        ),
        Section(
            "Beyond the paper's figures",
            "Ours, from the same runs.",
            figures=[energy_per_user(summary), cost_by_users(summary), paid_by_share(summary)],
        ),
        Section(
            "What does not reproduce, and why",
            notes=DOES_NOT_REPRODUCE,
            figures=[prosumers_by_preset(summary), without_market(summary)],
        ),
    ]
    if "futures" in summary:
        sections += between_communities(summary["futures"])
    lead = (
        "The experiments of Wang et al. 2023 (CE-SDT, doi 10.3389/fenrg.2022.1091350), run with the very rules that "
        "the chaincode executes on every peer."
    )
    footer = [ATTRIBUTION, "Every field of summary.json is explained in its own `definitions`."]
    return Page("The paper's experiments, repeated", lead, tiles, sections, footer)


def _targets_table(summary: Json) -> Table:
    headers = ["cost in percent", "paper", "ours (NSW) less the paper, points"]
    headers += [f"{name}, {who}" for name in summary["presets"] for who in ("ours", "reference")]
    rows: list[list[Cell]] = []
    for one in summary["targets"]:
        row: list[Cell] = [one["label"], one["paper"], f"{one['nsw_less_paper']:+.1f}"]
        for name in summary["presets"]:
            row += [shown(one["ours"][name]), f"{one['reference'][name]:.1f}"]
        rows.append([*row, "yes" if one["nsw_within_one_spread"] else "no"])
    return Table([*headers, "NSW within one spread of our reference"], rows)


def _day_table(summary: Json) -> Table:
    rows: list[list[Cell]] = [
        [
            f"NSW day at {share} % generators, {who}",
            *(_count(day[who][name]) for name in ("requests", "offers", "fills")),
        ]
        for share, day in summary["default_day"].items()
        for who in ("ours", "reference")
    ]
    return Table(["", "requests", "offers", "fills"], rows)


def _count(spread: Json) -> str:
    mean = f"{spread['mean']:,.0f}"
    return f"{mean} ± {spread['sd']:,.0f}" if "sd" in spread else mean
