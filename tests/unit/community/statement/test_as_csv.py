# SPDX-License-Identifier: Apache-2.0
"""The CSV file: what a spreadsheet adds up."""

import csv
import io
from dataclasses import replace
from decimal import Decimal

from commonwatt_community.statement import statement_csv, statement_json
from commonwatt_community.statement.as_csv import HEADER
from commonwatt_community.statement.as_text import statement_text

from .conftest import StatementOf


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_amounts_sum_to_the_total(statement: StatementOf) -> None:
    for home in ("ada", "bo", "cy"):
        text = statement_csv(await statement(home))
        assert text.startswith(",".join(HEADER) + "\r\n")
        rows = rows_of(text)
        kinds = [row["kind"] for row in rows]
        above = rows[: kinds.index("total")]
        assert sum(Decimal(row["amount_aud"]) for row in above) == Decimal(
            rows[kinds.index("total")]["amount_aud"]
        )
        assert {row["home"] for row in rows} == {home}


async def test_figures_beside_the_lines(statement: StatementOf) -> None:
    rows = {row["kind"]: row for row in rows_of(statement_csv(await statement("cy")))}
    assert rows["saved"]["amount_aud"] == "11.94"
    assert rows["days_billed"]["text"] == "2026-06-01/2026-06-30"
    assert rows["final_from"]["text"] == "2027-02-06"
    assert rows["periods_estimated"]["text"] == "30"
    assert rows["adjustment"]["energy_kwh"] == "-0.480"


async def test_no_cell_is_a_formula(statement: StatementOf) -> None:
    cy = await statement("cy")
    spoilt = tuple(line._replace(band='=HYPERLINK("http://x")') if line.band else line for line in cy.lines)
    cells = [cell for row in rows_of(statement_csv(replace(cy, lines=spoilt))) for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


async def test_json_and_text_say_the_same(statement: StatementOf) -> None:
    cy = await statement("cy")
    told = statement_json(cy)
    assert sum(line["cents"] for line in told["lines"]) + told["rounding_cents"] == told["total_cents"]
    assert told["days_billed"][0] == "2026-06-01"
    assert told["lines"][0]["text"] == "Bought from neighbours, day"
    text = statement_text(cy)
    assert (
        "Bought from neighbours, peak                              54.000       30.00       16.20\n" in text
    )
    assert "You saved: $11.94\n" in text
    assert "until 6 February 2027" in text
