# SPDX-License-Identifier: Apache-2.0
"""Rich queries find what CouchDB finds: generated selectors, sorts and pages, on CouchDB itself where there is one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from commonwatt_chaincode.mango import MangoError, Search, parse_query

from .mango import generated
from .mango.couchdb import CouchDB, couchdb

Documents = dict[str, dict[str, Any]]


def found(documents: Documents, query: dict[str, Any], bookmark: str = "") -> tuple[list[str], str] | str:
    """The keys and the bookmark, or the error's words."""
    try:
        search = Search(parse_query(json.dumps(query)), query.get("limit", 1000), bookmark)
        search.offer((key, json.dumps(documents[key]).encode()) for key in sorted(documents))
        return search.keys(), search.bookmark()
    except MangoError as error:
        return str(error)


def couchdb_answer(answer: dict[str, Any]) -> tuple[list[str], str] | str:
    if "error" in answer:
        return (
            f"error handling CouchDB request. Error:{answer['error']},  Status Code:400,  Reason:{answer['reason']}"
        )
    return [row["_id"] for row in answer["docs"]], answer.get("bookmark", "")


def compare(server: CouchDB, documents: Documents, query: dict[str, Any]) -> None:
    """Every page of both."""
    ours, theirs = found(documents, query), couchdb_answer(server.find({"limit": 1000, **query}))
    if isinstance(theirs, str) and "unknown_error" in theirs:
        return  # CouchDB's own fault: with an index it cannot read {"$eq": [null]}
    if isinstance(ours, str) or isinstance(theirs, str):
        assert ours == theirs, query
        return
    assert ours[0] == theirs[0], query
    while "limit" in query and theirs[0]:
        theirs = couchdb_answer(server.find({**query, "bookmark": theirs[1]}))
        ours = found(documents, query, ours[1])
        assert ours[0] == theirs[0], query


@pytest.mark.parametrize("seed", range(3))
def test_generated_queries_on_couchdb(seed: int) -> None:
    plain, indexed = couchdb(), couchdb()
    documents = generated.documents(seed)
    bodies = [{"_id": key, **body} for key, body in documents.items()]

    @settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
    @given(generated.queries)
    def run(query: dict[str, Any]) -> None:
        compare(indexed if query.get("sort") else plain, documents, query)

    try:
        plain.fill(bodies, [])
        indexed.fill(bodies, generated.INDEXES)
        run()
    finally:
        plain.request("DELETE", "")
        indexed.request("DELETE", "")
