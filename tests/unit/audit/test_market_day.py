# SPDX-License-Identifier: Apache-2.0
"""docs/market.md: the day of three homes is what `commonwatt clear`, `settle` and `bill` make of its cases."""

from __future__ import annotations

import json
import re

import pytest
import typer
from commonwatt_audit.cli import register

from ...support.command_line import invoke
from ...support.market_day import (
    FOLDER,
    PAGE,
    TABLE,
    Day,
    commands,
    figures,
    files,
    page_with,
    tables,
    the_day,
)

FIGURE = re.compile(r"(?<![\d,.])(\d[\d,.]*) (Wh|W|c)\b")


@pytest.fixture(scope="module")
def day() -> Day:
    return the_day(commands())


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text("utf-8")


def test_every_table_of_the_page(day: Day, page: str) -> None:
    """`python -m tests.support.market_day` writes them anew."""
    computed = tables(day)
    assert [name for _, name, _, _ in TABLE.findall(page)] == list(dict.fromkeys(TABLE_NAMES))
    assert set(TABLE_NAMES) == set(computed)
    assert page_with(page, computed) == page


TABLE_NAMES = (
    "tariff",
    *("09:00", "11:00", "12:00", "18:00", "19:00", "20:00"),
    "quiet",
    "bills",
    *("statement-ada", "statement-bo", "statement-cy", "statement-later"),
    "case",
)


def test_the_words_name_the_hours_own_figures(day: Day, page: str) -> None:
    named = 0
    for hour in day.told["hours"]:
        words = TABLE.sub("", page.partition(f"### {hour}:00,")[2].partition("\n### ")[0])
        for number, unit in FIGURE.findall(words):
            assert f"{number} {unit}" in figures(day, hour), f"{hour}:00: {number} {unit}"
            named += 1
    assert named > 15


def test_the_cases_beside_the_page(day: Day) -> None:
    computed = files(day)
    assert {file.name for file in FOLDER.iterdir()} == {"day.json", *computed}
    for name, text in computed.items():
        assert (FOLDER / name).read_text("utf-8") == text, name


def test_the_commands_take_the_cases(day: Day) -> None:
    app = typer.Typer()
    register(app)

    def run(verb: str, name: str) -> object:
        ended = invoke(app, [verb, str(FOLDER / name)])
        assert ended.exit_code == 0, ended.stderr
        return json.loads(ended.stdout)

    for hour in day.told["hours"]:
        assert run("clear", f"{hour}-00.json") == day.clearings[hour]
        assert run("settle", f"{hour}-00.json") == day.settlements[hour]
    for name, bill in day.bills.items():
        assert run("bill", f"bill-{name}.json") == bill


def test_what_the_page_says_in_words(day: Day, page: str) -> None:
    for home in day.homes:
        assert day.bills[home]["bill"]["amount_naud"] < day.alone_naud(home), "All three are better off"
        assert day.bills[home]["bill"]["provisional"]
    assert dict(day.bills["cy"]["bill"]["qualities"])["estimated"] == 1
    assert f"Supply costs each home {day.version.supply_naud_per_day // 10**7} c a day" in page
    (adjustment,) = day.to_bill["later"]["adjustments"]
    assert f"Period {adjustment['period']} is that hour" in page
    estimated, corrected = adjustment["before"], adjustment["after"]
    assert "420 Wh instead of 900 Wh" in page
    assert estimated["grid_in_wh"] - corrected["grid_in_wh"] + corrected["grid_out_wh"] == 900 - 420
    assert "20 c come back for 400 Wh" in page
    assert (estimated["grid_in_wh"], corrected["grid_in_wh"], corrected["grid_out_wh"]) == (400, 0, 80)
    assert estimated["grid_in_wh"] * 500_000 == 20 * 10**7
    assert corrected["grid_naud"] == -96 * 10**5, "0.96 c for 80 Wh"
    (change,) = day.bills["later"]["bill"]["adjustments"]
    assert change["change"]["amount_naud"] == -(20 * 10**7 + 96 * 10**5)


def test_a_table_that_went_stale_is_noticed(day: Day, page: str) -> None:
    assert page_with(page.replace("**-16.9**", "**-16.8**"), tables(day)) == page
    assert page.count("**-16.9**") == 1
