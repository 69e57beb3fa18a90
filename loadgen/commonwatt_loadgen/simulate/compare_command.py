# SPDX-License-Identifier: Apache-2.0
"""`commonwatt compare`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from commonwatt_loadgen.simulate.compare import Compared


def compare_command(
    first: Annotated[Path, typer.Argument(help="folder of a simulation's results, as out/simulate")],
    second: Annotated[Path, typer.Argument(help="folder of another one's")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Set the totals of two simulations side by side; differences are the second less the first."""
    from commonwatt_loadgen.simulate.compare import compare, read_summary

    rows, options = compare(read_summary(first), read_summary(second))
    if as_json:
        totals = [{**asdict(one), "difference": one.difference} for one in rows]
        print(json.dumps({"options": options, "totals": totals}, indent=1, ensure_ascii=False))
        return
    for name, (one, other) in options.items():
        print(f"{name}: {_option(one)} | {_option(other)}")
    lines = [["", str(first), str(second), "difference"], *(_line(one) for one in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(4)]
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        print("  ".join([line[0].ljust(widths[0]), *cells[1:]]))


def _line(one: Compared) -> list[str]:
    digits = 2 if one.unit else 0
    named = f"{one.name}, {one.unit}" if one.unit else one.name
    values = ["–" if value is None else f"{value:,.{digits}f}" for value in (one.first, one.second)]
    return [named, *values, "–" if one.difference is None else f"{one.difference:+,.{digits}f}"]


def _option(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
