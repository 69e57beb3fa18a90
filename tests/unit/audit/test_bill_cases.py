# SPDX-License-Identifier: Apache-2.0
"""`commonwatt bill` on a home's day of the forward market, and on files that hold none."""

import json
from typing import Any

import jsonschema
import pytest
import typer
from commonwatt_audit.bill_cases import billed
from commonwatt_audit.cli import register
from commonwatt_audit.forward_cases import settled
from commonwatt_audit.schemas import bill_schema

from ...support.command_line import invoke

TARIFF = {"tou": 541_100, "feed_in": 100_000, "local_fee": 20_000}
ADA = {"home": "ada", "bought_wh": 400, "sold_wh": 0, "import_wh": 650, "export_wh": 0}
BO = {"home": "bo", "bought_wh": 0, "sold_wh": 400, "import_wh": 0, "export_wh": 600}
LINE = settled(
    {
        "market": "forward",
        "tariff": TARIFF,
        "clearing": {"price": 310_550},
        "sharing": {"mode": "dynamic"},
        "homes": [ADA, BO],
    }
)["lines"]["ada"]
PERIOD = {
    "period": 29_853_090,
    "period_min": 30,
    "band": "peak",
    "tariff": TARIFF,
    "metered": ADA,
    "line": LINE,
    "quality": "measured",
}
LATER = LINE | {
    "grid_in_wh": 60,
    "grid_naud": LINE["grid_naud"] + 10 * 541_100,
    "amount_naud": LINE["amount_naud"] + 10 * 541_100,
}
ADJUSTMENT = {"period": 1, "tariff": TARIFF, "reason": "measured late", "before": LINE, "after": LATER}
CASE = {
    "market": "forward",
    "home": "ada",
    "day": 20_731,
    "periods": [PERIOD],
    "supply_naud": 1_000_000_000,
    "adjustments": [ADJUSTMENT],
    "demand": {"peak_w": 1_300, "price_uaud_per_kw": 3_000_000},
}


@pytest.fixture
def app() -> typer.Typer:
    application = typer.Typer()
    register(application)
    return application


def test_a_day_of_one_period(app: typer.Typer) -> None:
    printed = json.loads(invoke(app, ["bill", "-"], json.dumps(CASE)).stdout)
    assert printed == json.loads(json.dumps(billed(CASE)))
    made, shown = printed["bill"], printed["statement"]
    assert made["amount_naud"] == 225_385_000 + 1_000_000_000 + 5_411_000 + 3_900_000_000
    assert made["taxable_naud"] == 50 * 541_100 + 12_000_000 + 1_000_000_000 + 5_411_000 + 3_900_000_000
    assert made["provisional"]
    assert made["bands"][0]["band"] == "peak"
    assert {line["text"]: line["cents"] for line in shown["lines"]} == {
        "peak: contracts": 12,
        "peak: shared": 6,
        "peak: from the grid": 3,
        "peak: local network fee": 1,
        "supply": 100,
        "demand, 1300 W": 390,
        "adjustment of period 1, measured late": 1,
    }
    assert (shown["total_cents"], shown["rounding_cents"], shown["gst_cents"]) == (513, 0, 45)


def test_the_schema_fits_case_and_result(app: typer.Typer) -> None:
    schema = json.loads(invoke(app, ["bill", "--schema"]).stdout)
    assert schema == bill_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(CASE, schema)
    jsonschema.validate(json.loads(json.dumps(billed(CASE))), schema["$defs"]["result"])
    for name in schema["required"]:
        case = {member: value for member, value in CASE.items() if member != name}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(case, schema)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"market": "ex_post"}, "market must be forward"),
    ({"home": "bo"}, "a period of another home"),
    ({"periods": [PERIOD, PERIOD]}, "a period is billed twice"),
    ({"periods": [PERIOD | {"period_min": 7}]}, "period_min must be one of"),
    ({"periods": [PERIOD | {"quality": "guessed"}]}, "quality must be one of"),
    ({"periods": [PERIOD | {"line": LINE | {"amount_naud": 1}}]}, "amount_naud is 1, the sum"),
    ({"periods": [PERIOD | {"line": LATER | {"grid_naud": 1}}]}, "grid_naud is 1, at the tariff"),
    ({"periods": [PERIOD | {"line": {}}]}, "shared_in_wh must be an integer"),
    ({"adjustments": [ADJUSTMENT | {"reason": ""}]}, "reason must be a text"),
    ({"adjustments": None}, "adjustments must be a list"),
    ({"demand": []}, "demand must be an object"),
    ({"supply_naud": -1}, "supply_naud must be an integer"),
    ({"day": "monday"}, "day must be an integer"),
]


@pytest.mark.parametrize(("changes", "told"), WRONG, ids=[told for _, told in WRONG])
def test_what_is_no_day(app: typer.Typer, changes: dict[str, Any], told: str) -> None:
    result = invoke(app, ["bill", "-"], json.dumps(CASE | changes))
    assert result.exit_code == 2, result.stdout
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
