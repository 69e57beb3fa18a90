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
class Page:
    """A whole report."""

    title: str
    lead: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    footer: Sequence[str]


def render(page: Page) -> str:
    """The page as one HTML file that needs nothing else."""
    environment = Environment(
        loader=PackageLoader("commonwatt_loadgen", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        title=page.title,
        lead=page.lead,
        tiles=page.tiles,
        sections=page.sections,
        footer=page.footer,
        rows=_table,
    )


def _table(table: Table) -> Markup:
    head = "".join(f'<th scope="col">{escape(header)}</th>' for header in table.headers)
    body = "".join(
        "<tr>"
        + f'<th scope="row">{escape(_shown(row[0]))}</th>'
        + "".join(f"<td>{escape(_shown(cell))}</td>" for cell in row[1:])
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
