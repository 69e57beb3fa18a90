# SPDX-License-Identifier: Apache-2.0
"""`commonwatt clear` and `commonwatt prices` on the published cases and on files that hold none."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from commonwatt_audit.cli import register

from ...support.command_line import Ended, invoke

VECTORS = Path(__file__).parents[2] / "vectors" / "market_vectors.json"
ROUND = {
    "minute": 615,
    "requests": [{"id": "R1", "user": "U07", "energy": 900, "price": 269_717, "bid": True}],
    "offers": [{"id": "O2", "user": "U12", "energy": 350, "price": 118_500}],
}


@pytest.fixture
def app() -> typer.Typer:
    application = typer.Typer()
    register(application)
    return application


def run(app: typer.Typer, command: str, case: Any) -> Ended:
    return invoke(app, [command, "-"], case if isinstance(case, str) else json.dumps(case))


def test_published_cases(app: typer.Typer, tmp_path: Path) -> None:
    vectors = json.loads(VECTORS.read_text())
    head = {name: vectors[name] for name in ("params", "feed_in", "tou")}
    for case in vectors["rounds"][:20]:
        assert json.loads(run(app, "clear", case).stdout) == case["result"]
        assert json.loads(run(app, "clear", head | case).stdout) == case["result"]
    for case in vectors["prices"][:20]:
        file = tmp_path / "case.json"
        file.write_text(json.dumps(head | case))
        result = invoke(app, ["prices", str(file)])
        assert json.loads(result.stdout) == {"sell": case["sell"], "buy": case["buy"]}


@pytest.mark.parametrize(
    "case",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        {},
        ROUND | {"minute": 1440},
        ROUND | {"minute": 1.0},
        ROUND | {"tou": [[0, 24, 1]]},
        ROUND | {"params": {"mode": "median"}},
        ROUND | {"params": []},
        ROUND | {"requests": [1]},
        ROUND | {"offers": ROUND["offers"] * 2},
        ROUND | {"offers": [{"id": "O2", "user": "U12", "energy": 0, "price": 118_500}]},
        ROUND | {"offers": [{"id": "O2", "user": "U12", "energy": 1, "price": 99_999}]},
        ROUND | {"requests": [{"id": "R1", "user": "U07", "energy": 1, "price": 277_101}]},
        ROUND | {"requests": [{"id": "R1", "user": "U07", "energy": 1, "price": 118_500, "bid": 1}]},
        ROUND | {"requests": [{"id": "", "user": "U07", "energy": 1, "price": 118_500}]},
    ],
    ids=str,
)
def test_what_is_no_case(app: typer.Typer, case: Any) -> None:
    result = run(app, "clear", case)
    assert result.exit_code == 2
    assert result.stderr.startswith("-: ")


def test_a_file_that_is_not_there(app: typer.Typer) -> None:
    result = invoke(app, ["prices", "nowhere.json"])
    assert result.exit_code == 2
    assert "No such file" in result.stderr


@pytest.mark.parametrize("history", [None, "1", [1.0], [True], [-1], [2**64]])
def test_histories_that_are_none(app: typer.Typer, history: Any) -> None:
    case = {"minute": 1, "energy": 1, "history": history}
    assert run(app, "prices", case).exit_code == 2
