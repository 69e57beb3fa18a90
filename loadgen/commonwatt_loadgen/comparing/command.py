# SPDX-License-Identifier: Apache-2.0
"""`commonwatt compare`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from commonwatt_client.command_line import JsonOption
from commonwatt_client.verbosity import say

from commonwatt_loadgen.simulate.exclusive import require_writable

if TYPE_CHECKING:
    from commonwatt_loadgen.comparing.paired import Paired
    from commonwatt_loadgen.comparing.sides import Side
    from commonwatt_loadgen.comparing.totals import Compared

    Compares = Sequence[tuple[Side, Side, Paired]]


def compare_command(
    first: Annotated[
        Path,
        typer.Argument(
            help="Folder of a simulation, as out/simulate, of an experiment, or of a variant's runs."
        ),
    ],
    second: Annotated[Path, typer.Argument(help="Folder of another one.")],
    as_json: JsonOption = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html, the tables as CSV and Parquet, and figures.")
    ] = None,
) -> None:
    """Set two results side by side: totals, and paired differences by seed and by home with their intervals.

    Differences are the second less the first.
    """
    from commonwatt_loadgen.comparing.paired import paired  # pandas and scipy are slow to load
    from commonwatt_loadgen.comparing.sides import paired_sides

    sides = [(one, other, paired(one, other)) for one, other in paired_sides(first, second)]
    if out is not None:
        require_writable(out)
        _write(out, str(first), str(second), sides)
    if as_json:
        _print_json(sides)
        return
    for one, other, found in sides:
        if len(sides) > 1:
            print(f"{one.variant}:")
        _print_totals(one, other, str(first), str(second))
        _print_paired(found)
    if out is not None:
        say(f"report: {out / 'report.html'}")


def _print_totals(one: Side, other: Side, first: str, second: str) -> None:
    from commonwatt_loadgen.comparing.totals import compare

    rows, options = compare(one.summary, other.summary)
    for name, (value, another) in options.items():
        print(f"{name}: {_option(value)} | {_option(another)}")
    lines = [["", first, second, "difference"], *(_line(row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(4)]
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        print("  ".join([line[0].ljust(widths[0]), *cells[1:]]))


def _print_paired(found: Paired) -> None:
    from commonwatt_loadgen.comparing.show import lines_of

    print()
    for line in lines_of(found):
        print(line)


def _print_json(sides: Compares) -> None:
    from commonwatt_loadgen.comparing.totals import compare

    told = []
    for one, other, found in sides:
        rows, options = compare(one.summary, other.summary)
        told.append(
            {
                "variant": one.variant or None,
                "options": options,
                "totals": [{**asdict(row), "difference": row.difference} for row in rows],
                "seeds": found.seeds,
                "same_homes": found.same_homes,
                "by_seed": json.loads(found.by_seed.to_json(orient="records")),
                "by_home": json.loads(found.by_home.to_json(orient="records")),
            }
        )
    json.dump(told[0] if len(told) == 1 else told, sys.stdout, indent=1, ensure_ascii=False)
    print()


def _write(out: Path, first: str, second: str, sides: Compares) -> None:
    from commonwatt_loadgen.comparing.page import comparison_page
    from commonwatt_loadgen.frames import write_frame
    from commonwatt_loadgen.report.figure_files import write_figures
    from commonwatt_loadgen.report.page import render

    for one, _, found in sides:
        folder = out / one.variant if len(sides) > 1 else out
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in found.frames.items():
            write_frame(frame, folder / name)
    page = comparison_page(first, second, [(one.variant, found) for one, _, found in sides])
    (out / "report.html").write_text(render(page), "utf-8")
    write_figures(page, out / "figures")


def _line(one: Compared) -> list[str]:
    digits = 2 if one.unit else 0
    named = f"{one.name}, {one.unit}" if one.unit else one.name
    values = ["–" if value is None else f"{value:,.{digits}f}" for value in (one.first, one.second)]
    return [named, *values, "–" if one.difference is None else f"{one.difference:+,.{digits}f}"]


def _option(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
