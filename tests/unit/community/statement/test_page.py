# SPDX-License-Identifier: Apache-2.0
"""The page: what it says, and that names on the ledger stay text. tests/interop prints it."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from commonwatt_community.statement import page_style, statement_html
from commonwatt_community.statement.page import MOST_CORRECTIONS

from .conftest import StatementOf


class Rows(HTMLParser):
    """The table's rows as lists of text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.cell: list[str] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.cell = []

    def handle_data(self, data: str) -> None:
        if self.cell is not None:
            self.cell.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td") and self.cell is not None:
            self.rows[-1].append("".join(self.cell))
            self.cell = None


def amounts(rows: list[list[str]]) -> int:
    """The cents of all lines above the total, sums of groups left out."""
    shown = [row for row in rows[1:] if len(row) == 4 and row[0] != "Together"]
    ends = next(place for place, row in enumerate(shown) if row[0] == "Total")
    return sum(round(float(row[3]) * 100) for row in shown[:ends])


async def test_a_resident_adds_up_the_page(statement: StatementOf) -> None:
    for home in ("ada", "bo", "cy"):
        told = await statement(home)
        rows = Rows(statement_html(told)).rows
        assert amounts(rows) == told.total_cents
        groups = [float(row[3]) for row in rows if row[0] == "Together"]
        assert groups, "groups of several lines have their sum"


async def test_what_is_said(statement: StatementOf) -> None:
    page = statement_html(await statement("cy"))
    for words in (
        "newtown, June 2026",
        "Provisional",
        "30 of 30 days",
        "You saved",
        "30 of 720 periods: estimated",
        "Both signed the result",
        "Each line is rounded to the cent",
        "Corrections of earlier days",
    ):
        assert words in page
    assert "<script" not in page
    assert not re.search(r"https?://", page), "the page asks for nothing"


async def test_a_server_may_keep_the_style_apart(statement: StatementOf) -> None:
    page = statement_html(await statement("cy"), stylesheet="/statement.css")
    assert '<link rel="stylesheet" href="/statement.css">' in page
    assert "<style" not in page
    assert " style=" not in page
    assert "@page" in page_style()


async def test_names_are_text(statement: StatementOf) -> None:
    cy = await statement("cy")
    lines = tuple(line._replace(band="<script>alert(1)</script>") if line.band else line for line in cy.lines)
    page = statement_html(replace(cy, lines=lines, home="<img src=x>", community='"><b>'))
    assert "<script>alert" not in page
    assert {"script", "img"}.isdisjoint(Rows(page).tags)


async def test_many_lines_still_make_one_page_that_adds_up(statement: StatementOf) -> None:
    cy = await statement("cy")
    energy = [line for line in cy.lines if line.band]
    many = [line._replace(band=f"band {number}") for number in range(8) for line in energy]
    (booked,) = [line for line in cy.lines if line.kind == "adjustment"]
    other = [line for line in cy.lines if not line.band and line != booked]
    lines = (*many, *other, *[booked] * (MOST_CORRECTIONS + 1))
    total = sum(line.cents for line in lines) + cy.rounding_cents
    rows = Rows(statement_html(replace(cy, lines=lines, total_cents=total))).rows
    assert amounts(rows) == total
    assert not [row for row in rows if "band" in row[0]], "bands are shown together"
    assert [row[3] for row in rows if "each in the CSV file" in row[0]] == [
        f"-{21 * (MOST_CORRECTIONS + 1) / 100:.2f}"
    ]


async def test_words_for_those_who_receive_and_those_whom_it_cost(statement: StatementOf) -> None:
    bo = await statement("bo")
    page = statement_html(replace(bo, total_cents=-250, without_market_cents=-300))
    assert "You receive" in page
    assert "$2.50" in page
    assert "The market cost you" in page
    empty = statement_html(replace(bo, lines=(), billed=(), final_from_s=None, unbilled=(20605, 20607)))
    assert "No day of this month is billed yet." in empty
    assert "Not billed yet: 1 June 2026, 3 June 2026." in empty
    assert "No energy." in empty
