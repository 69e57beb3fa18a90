# SPDX-License-Identifier: Apache-2.0
"""JSON as Go reads and writes it."""

from __future__ import annotations

import json
import time

import pytest
from commonwatt_chaincode.mango.values import NotJson, document, go_json, query_json


@pytest.mark.parametrize(
    "value",
    [
        b"", b"5", b"null", b"[]", b'"a"', b"{", b'{"a":1}x', b'{"a":NaN}', b'{"a":1e400}', b'{"a":-Infinity}', b"\xff",
        b'{"a":' * 101 + b"1" + b"}" * 101, b'{"a":' * 200_000, b"[" * 5_000_000, b'{"a":' + b"9" * 400 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_document(value: bytes) -> None:
    began = time.process_time()
    assert document(value) is None
    assert time.process_time() - began < 5


def test_numbers_become_what_a_float64_holds() -> None:
    found = document(b'{"a":9007199254740993,"b":1.0,"c":12345678901234567890,"d":1e21,"e":0.1,"f":-0}')
    assert found == {"a": 2**53, "b": 1, "c": 12345678901234567000, "d": 1e21, "e": 0.1, "f": 0}
    assert [type(found[name]) for name in "abcd"] == [int, int, int, float]


def test_the_last_of_two_members_counts_and_lone_surrogates_are_replaced() -> None:
    assert document(b' {"a":1,"a":"\\ud800","b":["\\ud800x"]}\n') == {"a": "\ufffd", "b": ["\ufffdx"]}


def test_go_writes_members_sorted_and_escapes_html() -> None:
    assert go_json({"b": "<&>\u2028é", "a": {"d": 1.5, "c": None}}) == (
        b'{"a":{"c":null,"d":1.5},"b":"\\u003c\\u0026\\u003e\\u2028' + "é".encode() + b'"}'
    )


def test_queries_keep_their_numbers_and_end_where_the_value_ends() -> None:
    assert query_json('{"a": 9007199254740993} and more') == {"a": 2**53 + 1}
    for text in (
        "",
        "{",
        '{"a": 1e999}',
        '{"a":' + "9" * 5000 + "}",
        json.dumps([[[]]]).replace("[", "[" * 50),
    ):
        with pytest.raises(NotJson):
            query_json(text)
