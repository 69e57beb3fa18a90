# SPDX-License-Identifier: Apache-2.0
"""Selectors where CouchDB's answers surprise; the rest is compared with CouchDB itself in tests/interop."""

from __future__ import annotations

from typing import Any

import pytest
from commonwatt_chaincode.mango.errors import MangoError
from commonwatt_chaincode.mango.query import parse_query
from commonwatt_chaincode.mango.selector import field_path, parse_selector
from commonwatt_chaincode.mango.work import Work


@pytest.mark.parametrize(
    ("selector", "document", "matches"),
    [
        ({"$not": {"a": {"$gt": 1}}}, {}, False),  # means {"a": {"$lte": 1}}
        ({"a": {"$ne": 1}}, {}, False),
        ({"a": {"$nin": [1]}}, {}, False),
        ({"a.b": {"$exists": False}}, {"a": 5}, False),  # no path leads there
        ({"a.b": {"$exists": False}}, {"a": {}}, True),
        ({"a": {"$in": [2]}}, {"a": [1, 2]}, True),
        ({"a": {"$in": []}}, {"a": 1}, False),
        ({"a": {"$nin": []}}, {"a": 1}, True),
        ({"$or": []}, {"a": 1}, False),
        ({"a": 1, "$or": []}, {"a": 1}, True),
        ({"a": {"$and": []}}, {"a": 1}, False),
        ({"a": {}}, {"a": {}}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a": {"$eq": {"b": 1}}}, {"a": {"b": 1, "c": 2}}, False),
        ({"a.1": 5}, {"a": [4, 5]}, True),
        ({"a\\.b": 5}, {"a.b": 5}, True),
        ({"a": {"$elemMatch": {"$nor": [{"$eq": 1}]}}}, {"a": [2]}, False),
        ({"a": {"$elemMatch": {"$not": {"b": 1}}}}, {"a": [{}]}, True),
        ({"a": {"$allMatch": {"$gt": 1}}}, {"a": []}, False),
        ({"a": {"$keyMapMatch": {"$eq": "b"}}}, {"a": {"b": 0}}, True),
        ({"a": {"$all": [[1]]}}, {"a": [1]}, True),
        ({"a": {"$mod": [-3, -1]}}, {"a": -4}, True),
        ({"a": {"$size": 0}}, {"a": []}, True),
        ({"a": {"$type": "number"}}, {"a": True}, False),
        ({"_id": {"$gt": None}}, {"_id": "k"}, True),
        ({"_id": {"$gt": "a"}}, {"_id": "B"}, False),  # keys are compared byte by byte
        ({"k": {"$gt": "a"}}, {"k": "B"}, True),
    ],
)
def test_matching(selector: dict[str, Any], document: dict[str, Any], matches: bool) -> None:
    assert parse_selector(selector)(document, Work()) is matches


@pytest.mark.parametrize("name", ["$where", "$geoWithin", "$geoIntersects", "$near", "$nearSphere", "$text"])
def test_operators_that_there_are_not_are_named(name: str) -> None:
    with pytest.raises(
        MangoError, match=r"Error:not_supported,  Status Code:400,  Reason:Unsupported operator: \$"
    ):
        parse_selector({"a": {name: 1}})


def test_a_division_by_zero_is_refused() -> None:
    matches = parse_selector({"a": {"$mod": [0, 1]}})
    assert matches({"a": "x"}, Work()) is False
    with pytest.raises(MangoError, match="badarith"):
        matches({"a": 1}, Work())
    assert parse_selector({"a": {"$elemMatch": {"$mod": [0, 1]}}})({"a": [1]}, Work()) is False


def test_names_of_fields() -> None:
    assert field_path("a.b\\.c.0") == ("a", "b.c", "0")
    for name in ("a.", ".a", "a..b"):
        with pytest.raises(MangoError, match="Error:invalid_field_name"):
            field_path(name)


@pytest.mark.parametrize(
    "text",
    ["null", "true", "5", '"a"', "{", '{"selector":{}', '{"selector":{},"use_index":5}', "x" * 2_000_000],
)
def test_queries_that_are_none(text: str) -> None:
    with pytest.raises(MangoError):
        parse_query(text)
