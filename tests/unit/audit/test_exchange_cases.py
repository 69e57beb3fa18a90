# SPDX-License-Identifier: Apache-2.0
"""`commonwatt clear` on a round between communities: the page's example, and files that hold none."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from commonwatt_audit.cli import register
from commonwatt_audit.exchange_cases import cleared

from ...support.command_line import Ended, invoke

REQUEST, OFFER = {"limit": 20, "wh": 10}, {"price": 8, "wh": 6}
A = {"community": "a", "requests": [REQUEST], "offers": []}
B = {"community": "b", "requests": [], "offers": [OFFER]}
LINK = {"seller": "b", "buyer": "a", "limit_wh": 100, "fee": 2}
CASE = {"market": "exchange", "period": 7, "residuals": [A, B], "links": [LINK]}


@pytest.fixture
def app() -> typer.Typer:
    application = typer.Typer()
    register(application)
    return application


def run(app: typer.Typer, case: Any) -> Ended:
    return invoke(app, ["clear", "-"], json.dumps(case))


def test_the_pages_example_comes_to_what_the_page_says(app: typer.Typer, repository: Path) -> None:
    section = (repository / "docs/market.md").read_text("utf-8").split("## Between communities")[1]
    case, result = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", section, re.DOTALL)[:2])
    assert json.loads(run(app, case).stdout) == result


def test_a_round_names_trades_and_accounts(app: typer.Typer) -> None:
    assert cleared(CASE) == json.loads(run(app, CASE).stdout)
    assert cleared(CASE) == {
        "trades": [{"seller": "b", "buyer": "a", "offered": 8, "limit": 20, "wh": 6, "price": 13, "fee": 2}],
        "accounts": {"a": 90, "b": -78},
        "fee_naud": 12,
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"period": -1}, "period must be an integer"),
        ({"residuals": {}}, "residuals must be a list"),
        ({"residuals": [A, A]}, "two residuals"),
        ({"residuals": [A | {"requests": [REQUEST | {"wh": 0}]}]}, "wh must be an integer"),
        ({"residuals": [A | {"requests": [REQUEST, REQUEST]}]}, "two levels of one direction"),
        ({"residuals": [A | {"community": ""}]}, "community must be a text"),
        ({"links": [LINK | {"fee": -1}]}, "fee must be an integer"),
        ({"links": [LINK, LINK]}, "two links"),
        ({"links": [LINK | {"buyer": "b"}]}, "leads back"),
        ({"residuals": [A | {"community": "\ud800"}, B], "links": []}, "surrogates"),
    ],
)
def test_what_is_no_round(app: typer.Typer, changes: dict[str, Any], told: str) -> None:
    result = run(app, CASE | changes)
    assert result.exit_code == 2, result.stdout
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
