# SPDX-License-Identifier: Apache-2.0
"""The page that every report is: a title, tiles, sections of tables and figures, a footer."""

from collections.abc import Sequence
from dataclasses import dataclass

from commonwatt_client.pages import HOUSE_STYLE, page_file
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from commonwatt_loadgen.report.figure import Cell, Figure, Table, dark_style, on_both

_LONG = 40  # letters of a cell that wraps


@dataclass(frozen=True)
class Tile:
    """A number that matters, already formatted, and what it is."""

    value: str
    label: str


@dataclass(frozen=True)
class Section:
    """A part of a report."""

    title: str
    text: str = ""
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class Chapter:
    """Sections under a heading of their own, as those of one community of several."""

    title: str
    sections: Sequence[Section]


@dataclass(frozen=True)
class Page:
    """A whole report: its sections, then chapters where there are any."""

    title: str
    lead: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    footer: Sequence[str]
    chapters: Sequence[Chapter] = ()


def render(page: Page) -> str:
    """The page as one HTML file that needs nothing else."""
    environment = Environment(
        loader=PackageLoader("commonwatt_loadgen", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["on_both"] = on_both
    house, dark = Markup(page_file(HOUSE_STYLE)), Markup(dark_style())  # noqa: S704 - our own words
    return environment.get_template("page.html.j2").render(page=page, rows=_table, house=house, dark=dark)


def _table(table: Table) -> Markup:
    columns = list(zip(*table.rows, strict=True)) or [("",)] * len(table.headers)
    kinds = [_kind(cells) for cells in columns]
    head = "".join(
        f'<th scope="col"{kind}>{escape(header).replace("_", Markup("_<wbr>"))}</th>'
        if header
        else "<td></td>"
        for header, kind in zip(table.headers, kinds, strict=True)
    )
    body = "".join(
        "<tr>"
        + (f'<th scope="row"{kinds[0]}>{escape(_shown(row[0]))}</th>' if row[0] != "" else "<td></td>")
        + "".join(
            f"<td{kind}>{escape(_shown(cell))}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    return Markup(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")  # noqa: S704 - cells are escaped


def _shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, int):
        return f"{cell:,}".replace(",", "\u2009")
    if isinstance(cell, float):
        return f"{cell:,.2f}".replace(",", "\u2009")
    return cell


def _kind(cells: Sequence[Cell]) -> str:
    """A column of words stands left and may wrap, one of numbers doesn't; long sentences get room."""
    filled = [cell for cell in cells if cell not in (None, "")]
    words = [cell for cell in filled if isinstance(cell, str) and (cell[:1].isalpha() or len(cell) > _LONG)]
    if 2 * len(words) <= len(filled):
        return ""
    return ' class="words long"' if max(map(len, words)) > _LONG else ' class="words"'
