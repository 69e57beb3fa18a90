# SPDX-License-Identifier: Apache-2.0
"""Rich queries find what CouchDB finds: generated selectors, sorts and pages, on CouchDB itself where there is one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.mango import MangoError, Search, parse_query
from hypothesis import HealthCheck, given, settings

from .mango import generated
from .mango.couchdb import CouchDB, couchdb
from .npm import with_packages

Documents = dict[str, dict[str, Any]]


def found(documents: Documents, query: dict[str, Any], bookmark: str = "") -> tuple[list[str], str] | str:
    """The keys and the bookmark, or the error's words."""
    try:
        search = Search(parse_query(json.dumps(query)), query.get("limit", 1000), bookmark)
        search.offer((key, json.dumps(documents[key]).encode()) for key in sorted(documents))
        return search.found_keys(), search.bookmark()
    except MangoError as error:
        return str(error)


def couchdb_answer(answer: dict[str, Any]) -> tuple[list[str], str] | str:
    if "error" in answer:
        return f"error handling CouchDB request. Error:{answer['error']},  Status Code:400,  Reason:{answer['reason']}"
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


def run_on_couchdb(seed: int, examples: int) -> None:
    plain, indexed = couchdb(), couchdb()
    documents = generated.documents(seed)
    bodies = [{"_id": key, **body} for key, body in documents.items()]

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
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


def test_generated_queries_on_couchdb() -> None:
    run_on_couchdb(0, 100)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(1, 4))
def test_many_generated_queries_on_couchdb(seed: int) -> None:
    run_on_couchdb(seed, 1000)


def run_on_pouchdb(seeds: range, queries: int) -> None:
    """PouchDB in a process of its own: all that both are meant to know, in one order of strings."""
    folder = with_packages(Path(__file__).parent / "mango")
    requests, expected = [], []
    for seed in seeds:
        documents = generated.for_pouchdb(generated.documents(seed))
        wanted = generated.pouchdb_queries(seed, queries)
        bodies = [{"_id": key, **body} for key, body in documents.items()]
        requests.append({"documents": bodies, "indexes": [], "queries": wanted})
        expected.append([(query, found(documents, query)) for query in wanted])
    answered = subprocess.run(
        ["node", "find.mjs"],
        input="".join(json.dumps(request) + "\n" for request in requests),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert answered.returncode == 0, answered.stderr
    compared = 0
    for line, ours in zip(answered.stdout.splitlines(), expected, strict=True):
        for (query, answer), theirs in zip(ours, json.loads(line), strict=True):
            if theirs is not None:
                assert not isinstance(answer, str), (query, answer)
                assert answer[0] == theirs, query
                compared += 1
    assert compared > len(seeds) * queries * 0.9


def test_generated_queries_on_pouchdb() -> None:
    run_on_pouchdb(range(2), 200)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_many_generated_queries_on_pouchdb() -> None:
    run_on_pouchdb(range(2, 22), 1000)
