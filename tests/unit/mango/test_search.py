# SPDX-License-Identifier: Apache-2.0
"""Searches: pages, sorting, skipping and their bounds."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from commonwatt_chaincode.mango import MangoError, Search, parse_query, work

ROWS = [
    (f"k{number:05}", json.dumps({"n": number, "even": number % 2 == 0, "g": number % 7}).encode())
    for number in range(3000)
]


def search(query: dict[str, Any], limit: int = 100_000, bookmark: str = "") -> tuple[list[str], str]:
    running = Search(parse_query(json.dumps(query)), limit, bookmark)
    running.offer(row for row in ROWS if row[0] >= running.start_key)
    return running.found_keys(), running.bookmark()


@pytest.mark.parametrize("sort", [[], ["g"], [{"g": "desc"}], ["g", "n"], [{"g": "desc"}, {"n": "desc"}]])
@pytest.mark.parametrize("size", [1, 7, 1000, 1001])
def test_pages_together_are_the_whole(sort: list[Any], size: int) -> None:
    query = {"selector": {"n": {"$lt": 10 if size < 10 else 2500}}, "sort": sort}
    whole, _ = search(query)
    pages, bookmark = [], ""
    while True:
        page, bookmark = search(query, size, bookmark)
        if not page:
            break
        assert len(page) <= size
        pages += page
    assert pages == whole
    assert len(set(whole)) == len(whole) == (10 if size < 10 else 2500)


def test_a_search_ends_when_it_has_enough() -> None:
    running = Search(parse_query('{"selector": {"even": true}}'), 3)
    assert running.offer(ROWS[:4]) is True
    assert running.offer(ROWS[4:]) is False
    assert running.found_keys() == ["k00000", "k00002", "k00004"]


def test_fabric_skips_in_each_batch_of_a_thousand() -> None:
    keys, _ = search({"selector": {}, "skip": 10})
    assert (len(keys), keys[0], keys[999], keys[1000]) == (2970, "k00010", "k01009", "k01020")


def test_many_sorted_rows_keep_no_more_than_are_wanted() -> None:
    assert search({"selector": {}, "sort": [{"n": "desc"}]}, 2)[0] == ["k02999", "k02998"]


@pytest.mark.parametrize(
    "bookmark",
    [
        "nil",
        "x",
        "!!!!",
        "W10=",
        "bnVsbA==",
        "e30=",
        "W1tdLDFd",
        "W1sxXSwiayJd",
        "W" * 100_000,
        "é",
        "\ud800",
    ],
)
def test_a_foreign_bookmark_is_refused(bookmark: str) -> None:
    with pytest.raises(MangoError, match="Error:invalid_bookmark"):
        search({"selector": {}}, 5, bookmark)


@pytest.mark.parametrize(
    "query",
    [
        {"selector": {"$or": [{"l": {"$elemMatch": {"$eq": number}}} for number in range(5000)]}},
        {"selector": {"$and": [{"l": {"$ne": [number]}} for number in range(5000)]}},
        {"selector": {"l": {"$nin": [[number] * 100 for number in range(1000)]}}, "sort": ["l"]},
        {"selector": {"$or": [{"t": {"$regex": f"(a|b|ab)*{number}$"}} for number in range(1000)]}},
    ],
)
@pytest.mark.parametrize("steps", [250_000, pytest.param(work.STEPS_PER_QUERY, marks=pytest.mark.long)])
def test_a_search_is_refused_where_it_is_too_much_work(
    query: dict[str, Any], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "STEPS_PER_QUERY", steps)
    value = json.dumps({"l": list(range(-5000, 0)), "t": "ab" * 5000}).encode()
    began = time.process_time()
    with pytest.raises(MangoError, match=f"needs more than {steps} steps"):
        Search(parse_query(json.dumps(query)), 5).offer((str(number), value) for number in range(10_000))
    assert time.process_time() - began < 2 + steps / 200_000


def test_projections_follow_paths() -> None:
    running = Search(
        parse_query('{"selector": {}, "fields": ["a.b", "a.c", "l.1", "none", "_id", "x.y"]}'), 5
    )
    value = b'{"a": {"b": 1, "c": [2], "d": 3}, "l": [1, {"z": 2}], "x": 5}'
    assert running.value("k", value) == b'{"a":{"b":1,"c":[2]},"l":{"1":{"z":2}}}'
    assert running.value("k", b"no JSON") == b"{}"
