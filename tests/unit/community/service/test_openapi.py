# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: valid, of the routes that are served, and the one that callers know."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from commonwatt_community.service import answers
from commonwatt_community.service.openapi import document
from commonwatt_community.service.parameters import SPAN
from commonwatt_community.service.problems import STATUSES, Problem
from commonwatt_community.service.route import API, Parameter, integer, one_of, text
from commonwatt_community.service.table import OUTSIDE, ROUTES
from jsonschema import Draft202012Validator


def test_the_document_is_the_one_that_callers_know(repository: Path) -> None:
    kept = json.loads((repository / "docs/openapi.json").read_text("utf-8"))
    assert document(ROUTES) == kept, (
        "routes changed: `python tools/write_openapi.py` writes docs/openapi.json"
    )


def test_the_document_is_valid() -> None:
    made = document(ROUTES)
    schemathesis.openapi.from_dict(made).validate()
    for schema in made["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    references = re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(made))
    assert set(references) <= set(made["components"]["schemas"])
    assert set(made["components"]["schemas"]) <= {*references}


def test_every_route_stands_once_and_names_its_callers() -> None:
    places = [(route.method, route.path) for route in (*ROUTES, *OUTSIDE)]
    assert len(set(places)) == len(places)
    names = [route.name for route in ROUTES]
    assert len(set(names)) == len(names)
    changes = [route for route in ROUTES if route.method != "GET"]
    for route in changes:
        assert (
            route.may or route.guess or route.name in ("post_login", "post_totp", "post_enrolment_state")
        ), route.name
    for route in ROUTES:
        in_path = set(re.findall(r"{(\w+)}", route.path))
        assert in_path == {one.name for one in route.parameters if one.where == "path"}
        assert set(route.problems) <= set(STATUSES)


def test_the_page_names_every_route(repository: Path) -> None:
    page = (repository / "docs/rest.md").read_text("utf-8")
    for route in ROUTES:
        words = [word for word in route.path.split("/") if word and "{" not in word]
        assert all(word in page for word in words), route.path
    for code in ("bad_request", "not_yours", "csrf", "peer_unreachable"):
        assert f"`{code}`" in page


@pytest.mark.parametrize(
    ("schema", "good", "wrong"),
    [
        (integer(0, 9), ["0", "9"], ["-1", "10", "1.0", "", "٣", "1" * 40]),
        (text("[a-z]{2}"), ["ab"], ["a", "abc", "ab\n", "AB"]),
        (one_of("bid", "reading"), ["bid"], ["", "Bid"]),
    ],
)
def test_a_parameter_takes_what_its_schema_says(
    schema: dict[str, Any], good: list[str], wrong: list[str]
) -> None:
    parameter = Parameter("name", "query", schema, "")
    for one in good:
        assert str(parameter.value(one)) == one
    for one in wrong:
        with pytest.raises(Problem):
            parameter.value(one)
    with pytest.raises(Problem):
        parameter.value(None)
    assert Parameter("name", "query", {**schema, "default": 3}, "", needed=False).value(None) == 3


def test_spans_and_answers_have_names() -> None:
    assert [one.name for one in SPAN] == ["from_period", "to_period"]
    assert API == "/api/v1"
    assert answers.Me.model_fields.keys() == {"role", "home", "name", "expires_s", "csrf"}
