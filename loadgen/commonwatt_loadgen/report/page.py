# SPDX-License-Identifier: Apache-2.0
"""The page that every report is: a title, tiles, sections of tables and figures, a footer."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from commonwatt_loadgen.report.figure import Cell, Figure, Table


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
    return environment.get_template("page.html.j2").render(page=page, rows=_table)


def _table(table: Table) -> Markup:
    first = table.rows[0] if table.rows else [""] * len(table.headers)
    head = "".join(
        f'<th scope="col"{_kind(cell)}>{escape(header)}</th>' if header else "<td></td>"
        for header, cell in zip(table.headers, first, strict=True)
    )
    body = "".join(
        "<tr>"
        + f'<th scope="row">{escape(_shown(row[0]))}</th>'
        + "".join(f"<td{_kind(cell)}>{escape(_shown(cell))}</td>" for cell in row[1:])
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


def _kind(cell: Cell) -> str:
    """Words stand left and may wrap, numbers don't; long sentences get room."""
    if not isinstance(cell, str) or not cell[:1].isalpha():
        return ""
    return ' class="words long"' if len(cell) > 40 else ' class="words"'
