# SPDX-License-Identifier: Apache-2.0
"""An experiment's variants in a few lines."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

_SHOWN = (
    ("saved_percent", "saved, %", 1.0),
    ("saved_naud", "saved, AUD", 1e9),
    ("prosumers_saved_naud", "prosumers, AUD", 1e9),
    ("consumers_saved_naud", "consumers, AUD", 1e9),
    ("worse_off_homes", "homes worse off", 1.0),
)


def lines_of(variants: pd.DataFrame, seeds: int) -> Iterator[str]:
    """A line for each variant: means over the seeds, and half the width of their 95 % intervals."""
    rows = [["", *(title for _, title, _ in _SHOWN)]]
    for variant, group in variants.groupby("variant", sort=False):
        figures = {one["figure"]: one for one in group.to_dict("records")}
        rows.append([str(variant), *(_cell(figures, name, unit) for name, _, unit in _SHOWN)])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join([row[0].ljust(widths[0]), *cells[1:]])
    if seeds > 1:
        yield f"means over {seeds} seeds ± half the width of their 95 % confidence intervals"


def _cell(figures: Mapping[str, Mapping[Any, Any]], name: str, unit: float) -> str:
    if name not in figures:
        return "–"
    mean, low, high = (figures[name][column] for column in ("mean", "low", "high"))
    if pd.isna(low):
        return f"{mean / unit:,.2f}"
    return f"{mean / unit:,.2f} ± {(high - low) / 2 / unit:,.2f}"
