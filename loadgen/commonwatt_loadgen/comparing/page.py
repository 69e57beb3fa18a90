# SPDX-License-Identifier: Apache-2.0
"""A comparison as a report with its figures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from commonwatt_loadgen.comparing.paired import Paired
from commonwatt_loadgen.comparing.show import BY_HOME, BY_SEED, Figures
from commonwatt_loadgen.report.axes import legend, plain
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    GRID_COLOUR,
    INK,
    SUN_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.page import Page, Section

_AUD = 1e9
_HEADERS = ("first", "second", "difference", "95 % from", "to")


def comparison_page(first: str, second: str, pairs: Sequence[tuple[str, Paired]]) -> Page:
    """The report of a comparison; `pairs` are named after their variants."""
    sections = []
    for place, (name, paired) in enumerate(pairs, 1):
        if not paired.seeds:
            continue
        tables = [_table(paired.by_seed, BY_SEED, "by seed")]
        if paired.same_homes:
            tables += [
                _table(group, BY_HOME, f"by home: {kind}, {group['homes'].iloc[0]}")
                for kind, group in paired.by_home.groupby("class", sort=False)
            ]
        figures = [*_of_seeds(paired, f"p{place}"), *_of_homes(paired, f"p{place}")]
        sections.append(Section(name or "What differs", tables=tables, figures=figures))
    return Page(
        "Two results compared",
        f"First: {first}. Second: {second}. Every difference is the second less the first, of the same communities.",
        [],
        sections,
        [
            "Intervals hold the true mean with 95 % confidence, by Student's t distribution. Homes of one community "
            "trade with each other: an interval by home speaks of these communities, one by seed of others that could "
            "be drawn."
        ],
    )


def _table(frame: pd.DataFrame, figures: Figures, title: str) -> Table:
    known = {one["figure"]: one for one in frame.to_dict("records")}
    rows: list[list[Cell]] = [
        [words, *_cells(known[name], unit)] for name, words, unit in figures if name in known
    ]
    return Table([title, *_HEADERS], rows)


def _cells(one: Mapping[Any, Any], unit: float) -> list[Cell]:
    return [
        None if pd.isna(one[name]) else float(one[name]) / unit
        for name in ("first", "second", "difference", "low", "high")
    ]


def _of_seeds(paired: Paired, key: str) -> Iterator[Figure]:
    rows = paired.seed_differences
    rows = rows[rows["figure"] == "saved_naud"]
    one = next(one for one in paired.by_seed.to_dict("records") if one["figure"] == "saved_naud")
    drawing = canvas()
    axes = drawing.subplots()
    aud = rows["difference"] / _AUD
    axes.plot(range(len(rows)), aud, "o", color=BATTERY_COLOUR, label="a seed")
    axes.axhline(one["difference"] / _AUD, color=INK, linewidth=1, label="mean")
    if pd.notna(one["low"]):
        axes.axhspan(
            one["low"] / _AUD, one["high"] / _AUD, color=GRID_COLOUR, alpha=0.25, label="95 % interval"
        )
    axes.axhline(0, color=INK, linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(rows)) if len(rows) <= 20 else [], rows["seed"] if len(rows) <= 20 else [])
    axes.set_xlabel("seed")
    axes.set_ylabel("AUD")
    plain(axes)
    legend(axes, columns=3)
    yield Figure(
        f"{key}-seeds",
        "What communities save more",
        "The difference of what all homes of a community save, for each seed.",
        svg_of(drawing, f"{key}-seeds", "Dots: difference in savings by seed, with mean and interval"),
        Table(
            ["seed", "first, AUD", "second, AUD", "difference, AUD"],
            [
                [str(row["seed"]), *(row[name] / _AUD for name in ("first", "second", "difference"))]
                for row in rows.to_dict("records")
            ],
        ),
    )


def _of_homes(paired: Paired, key: str) -> Iterator[Figure]:
    if not paired.same_homes:
        return
    rows = paired.home_differences
    rows = (
        rows[rows["figure"] == "saved_naud"].sort_values("difference", kind="stable").reset_index(drop=True)
    )
    drawing = canvas()
    axes = drawing.subplots()
    for kind, colour, label in (
        ("consumer", BATTERY_COLOUR, "consumers"),
        ("prosumer", SUN_COLOUR, "prosumers"),
    ):
        of_kind = rows[rows["class"] == kind]
        axes.bar(of_kind.index, of_kind["difference"] / _AUD, 1.0, color=colour, label=label)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks([])
    axes.set_xlabel("homes, from the largest loss to the largest gain")
    axes.set_ylabel("AUD")
    plain(axes)
    legend(axes)
    shares = range(0, 101, 10)
    yield Figure(
        f"{key}-homes",
        "What each home saves more",
        "The difference of what a home saves; below zero it is worse off in the second.",
        svg_of(drawing, f"{key}-homes", "Bars: difference in savings of each home, in rising order"),
        Table(
            ["homes, %", "save at most more, AUD"],
            [[str(share), float(rows["difference"].quantile(share / 100)) / _AUD] for share in shares],
        ),
    )
