# SPDX-License-Identifier: Apache-2.0
"""A comparison as lines for a terminal."""

from collections.abc import Iterator, Sequence

import pandas as pd

from commonwatt_loadgen.comparing.paired import Paired

BY_SEED = (
    ("saved_percent", "saved, %", 1.0),
    ("saved_naud", "saved, AUD", 1e9),
    ("prosumers_saved_naud", "saved by prosumers, AUD", 1e9),
    ("consumers_saved_naud", "saved by consumers, AUD", 1e9),
    ("worse_off_homes", "homes worse off", 1.0),
    ("grid_import_wh_with", "from the grid, kWh", 1e3),
    ("grid_export_wh_with", "fed into the grid, kWh", 1e3),
    ("peak_import_with_energy_wh", "peak hour's import, kWh", 1e3),
)
"""Figures of a community: name, what it is, and its unit."""
BY_HOME = (
    ("saved_naud", "saved, AUD", 1e9),
    ("amount_naud", "to pay, AUD", 1e9),
)
Figures = Sequence[tuple[str, str, float]]


def lines_of(paired: Paired) -> Iterator[str]:
    """What differs by seed, then by home of each class."""
    if not paired.seeds:
        yield "no seed is in both, so nothing is paired"
        return
    seeds = len(paired.seeds)
    drawn = "1 community" if seeds == 1 else f"{seeds} communities"
    yield f"by seed: {drawn} that both drew; means, and 95 % confidence intervals"
    yield from _table(_rows(paired.by_seed, BY_SEED))
    if seeds == 1:
        yield "one seed has no interval: simulate several"
    if not paired.same_homes:
        yield "the homes of equal seeds are not the same on both sides, so they are not paired"
        return
    yield "by home: the same homes on both sides"
    rows = []
    for name, group in paired.by_home.groupby("class", sort=False):
        count = group["homes"].iloc[0]
        rows += _rows(
            group, [(key, f"{name} ({count}): {title}", unit) for key, title, unit in BY_HOME], homes=True
        )
    yield from _table(rows)


def _rows(frame: pd.DataFrame, figures: Figures, *, homes: bool = False) -> list[list[str]]:
    known = {one["figure"]: one for one in frame.to_dict("records")}
    rows = []
    for name, title, unit in figures:
        if name not in known:
            continue
        one = known[name]
        interval = "–"
        if pd.notna(one["low"]):
            interval = f"{one['low'] / unit:+,.2f} .. {one['high'] / unit:+,.2f}"
        row = [
            title,
            f"{one['first'] / unit:,.2f}",
            f"{one['second'] / unit:,.2f}",
            f"{one['difference'] / unit:+,.2f}",
            interval,
        ]
        rows.append([*row, f"higher in {one['higher']}, lower in {one['lower']}"] if homes else row)
    return rows


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))] if rows else []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  " + "  ".join([row[0].ljust(widths[0]), *cells[1:]])
