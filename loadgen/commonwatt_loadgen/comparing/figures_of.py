# SPDX-License-Identifier: Apache-2.0
"""The figures of a community as one flat row: tables of runs and comparisons are made of these."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
Figure = int | float | bool | str | None


def figures_of(community: Json) -> dict[str, Figure]:
    """Totals, key figures and the sums of each class, by name: `saved_naud`, `peak_import_with_energy_wh`, ...

    `community` is one of a summary's. Lists, such as hours, are left out.
    """
    figures = dict(_scalars(community["totals"]))
    figures |= _scalars(community["key_figures"])
    for one in community["classes"]:
        if one["class"] != "all":
            figures |= _scalars(
                {name: value for name, value in one.items() if name != "class"}, one["class"] + "_"
            )
    if "forecast_error_wh" in community:
        figures["forecast_error_wh"] = community["forecast_error_wh"]
    return figures


def _scalars(content: Json, before: str = "") -> Iterator[tuple[str, Figure]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _scalars(value, f"{before}{name}_")
        elif not isinstance(value, list):
            yield f"{before}{name}", value
