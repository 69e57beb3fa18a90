# SPDX-License-Identifier: Apache-2.0
"""`commonwatt clear` and `commonwatt settle` on periods of the forward market, and on files that hold none."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from commonwatt_audit.cli import register
from commonwatt_audit.forward_cases import cleared, settled
from commonwatt_audit.schemas import clear_schema, settle_schema

from ...support.command_line import Ended, invoke

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "forward_vectors.json").read_text())["cases"]
TARIFF = {"tou": 300_000, "feed_in": 100_000, "local_fee": 20_000}
HOME = {"home": "a", "bought_wh": 0, "sold_wh": 0, "import_wh": 5, "export_wh": 0}
SETTLE = {"market": "forward", "tariff": TARIFF, "sharing": {"mode": "dynamic"}, "homes": [HOME]}
REQUEST = {"id": "1-R-a", "home": "a", "wh": 5, "limit": 200_000}
CLEAR = {"market": "forward", "tariff": TARIFF, "requests": [REQUEST], "offers": []}


@pytest.fixture
def app() -> typer.Typer:
    application = typer.Typer()
    register(application)
    return application


def run(app: typer.Typer, command: str, case: Any) -> Ended:
    return invoke(app, [command, "-"], case if isinstance(case, str) else json.dumps(case))


def test_published_cases_and_their_schemas(app: typer.Typer) -> None:
    verbs = {
        "clear": ("clearing", clear_schema(), cleared),
        "settle": ("settlement", settle_schema(), settled),
    }
    for verb, (member, schema, rule) in verbs.items():
        assert json.loads(invoke(app, [verb, "--schema"]).stdout) == schema
        jsonschema.Draft202012Validator.check_schema(schema)
        assert json.loads(run(app, verb, CASES[0]).stdout) == CASES[0][member]
        for case in CASES:
            jsonschema.validate(case, schema)
            assert rule(case) == case[member]
            jsonschema.validate(case[member], schema["$defs"]["result"])


def test_defaults(app: typer.Typer) -> None:
    assert json.loads(run(app, "clear", CLEAR).stdout)["price"] is None
    assert json.loads(run(app, "settle", SETTLE).stdout)["lines"]["a"]["amount_naud"] == 5 * 300_000


def test_an_estimated_home_is_settled_with_the_grid_alone(app: typer.Typer) -> None:
    homes = [HOME | {"estimated": True}, HOME | {"home": "b", "import_wh": 0, "export_wh": 5}]
    assert json.loads(run(app, "settle", SETTLE | {"homes": homes}).stdout)["shared_wh"] == 0


WRONG: list[tuple[str, Any, str]] = [
    ("clear", CLEAR | {"market": "spot"}, "market must be ex_post, forward or exchange"),
    ("clear", CLEAR | {"market": ["forward"]}, "market must be ex_post, forward or exchange"),
    ("clear", CLEAR | {"tariff": None}, "tariff must be an object"),
    ("clear", CLEAR | {"tariff": TARIFF | {"local_fee": 200_001}}, "above tou - feed_in"),
    ("clear", CLEAR | {"tariff": TARIFF | {"local_fee": -1}}, "local_fee must be an integer"),
    ("clear", CLEAR | {"pricing": "median"}, "none of mid_market, uniform"),
    ("clear", CLEAR | {"offers": {}}, "offers must be a list"),
    ("clear", CLEAR | {"requests": [REQUEST | {"wh": 0}]}, "(in 1-R-a)"),
    ("clear", CLEAR | {"requests": [REQUEST | {"wh": True}]}, "wh must be an integer"),
    ("clear", CLEAR | {"requests": [REQUEST | {"limit": 280_001}]}, "outside 100000"),
    ("clear", CLEAR | {"requests": [REQUEST | {"limit": 99_999}]}, "outside 100000"),
    ("clear", CLEAR | {"requests": [REQUEST, REQUEST | {"id": "b"}]}, "another bid"),
    ("clear", CLEAR | {"offers": [{"id": "1-R-a", "home": "b", "wh": 1, "price": 200_000}]}, "another bid"),
    ("clear", CLEAR | {"requests": [REQUEST | {"id": "a\nb", "wh": 0}]}, "(in a b)"),
    ("clear", CLEAR | {"requests": [REQUEST | {"id": "\ud800"}]}, "surrogates"),
    ("settle", CASES[0] | {"market": "ex_post"}, "market must be forward"),
    ("settle", {}, "market must be forward"),
    ("settle", SETTLE | {"homes": [HOME, HOME]}, "a is settled twice"),
    ("settle", SETTLE | {"homes": [HOME | {"bought_wh": 5}]}, "a contract in a period that has no price"),
    (
        "settle",
        SETTLE | {"homes": [HOME | {"bought_wh": 5}], "clearing": {"price": 200_000}},
        "the homes' purchases differ from their sales",
    ),
    ("settle", SETTLE | {"clearing": {"price": 280_001}}, "price: 280001 is outside"),
    ("settle", SETTLE | {"sharing": {"mode": "dynamic", "price": 99_999}}, "sharing_price: 99999"),
    ("settle", SETTLE | {"sharing": {"mode": "fair"}}, "none of none, dynamic, static"),
    ("settle", SETTLE | {"sharing": {}}, "mode must be a text"),
    ("settle", SETTLE | {"homes": [HOME | {"import_wh": -1}]}, "(in a)"),
    ("settle", SETTLE | {"homes": [HOME | {"export_cap_wh": 1.0}]}, "export_cap_wh must be an integer"),
    ("settle", SETTLE | {"homes": [HOME | {"estimated": 1}]}, "estimated must be true or false"),
    (
        "settle",
        SETTLE
        | {"sharing": {"mode": "static"}, "homes": [HOME | {"home": h, "key_ppm": 500_001} for h in "ab"]},
        "together above 1000000",
    ),
    ("settle", "[" * 100_000, "recursion"),
    ("settle", "[]", "a case is one JSON object"),
]


@pytest.mark.parametrize(("verb", "case", "told"), WRONG, ids=[told for _, _, told in WRONG])
def test_what_is_no_case(app: typer.Typer, verb: str, case: Any, told: str) -> None:
    result = run(app, verb, case)
    assert result.exit_code == 2, result.stdout
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("-: ")
