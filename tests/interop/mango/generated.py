# SPDX-License-Identifier: Apache-2.0
"""Generated documents and queries: few fields and few values, so that conditions meet what they ask for."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

TEXTS = ["", "a", "A", "b", "aB", "Ab", "á", "z", "_", "-1", "10", "9", "é", "e\u0301", "~", "$", "a b", "ab"]
FIELDS = ["a", "b", "c", "n.x", "n.y", "n", "l", "l.0", "d\\.e", "missing"]
INDEXES = [["a"], ["b", "c"], ["n.x"]]
PATTERNS = ["^a", "b$", ".", "[a-z]+", "A|z", "^$", "^.$", "(?i)^A", "[^a]", "\\d+", "a.b"]

NUMBERS = [-3, -1, 0, 1, 2, 3, 1.5, -0.5, 10**15]

texts = st.sampled_from(TEXTS)
numbers = st.sampled_from([*NUMBERS, 2**53 + 1])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "Z"]), inner, max_size=2)
    ),
    max_leaves=5,
)


def documents(seed: int, count: int = 60) -> dict[str, dict[str, Any]]:
    """Documents by key; every kind of value in every field, or no such field."""
    choose = random.Random(seed)
    return {f"{choose.choice('kKä-~')}{number:02}": _body(choose) for number in range(count)}


def _body(choose: random.Random) -> dict[str, Any]:
    body = {name: _value(choose, 2 if name in "al" else 1) for name in ("a", "b", "c", "n", "l", "d.e")}
    if choose.random() < 0.6:
        body["n"] = {name: _value(choose, 1) for name in ("x", "y") if choose.random() < 0.8}
    if choose.random() < 0.7:
        body["l"] = [_value(choose, 1) for _ in range(choose.randrange(4))]
    return {name: value for name, value in body.items() if choose.random() < 0.75}


def _value(choose: random.Random, depth: int) -> Any:
    kind = choose.randrange(8 if depth else 6)
    if kind < 2:
        return choose.choice(NUMBERS)
    if kind < 5:
        return choose.choice(TEXTS)
    if kind == 5:
        return choose.choice([None, True, False])
    if kind == 6:
        return [_value(choose, depth - 1) for _ in range(choose.randrange(4))]
    return {name: _value(choose, depth - 1) for name in ("Z", "x", "y") if choose.random() < 0.5}


comparisons = st.one_of(
    *(
        values.map(lambda value, name=name: {name: value})
        for name in ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")
    )
)
terminals = st.one_of(
    comparisons,
    *(
        st.lists(values, max_size=3).map(lambda value, name=name: {name: value})
        for name in ("$in", "$nin", "$all")
    ),
    st.booleans().map(lambda value: {"$exists": value}),
    st.sampled_from(PATTERNS).map(lambda value: {"$regex": value}),
    st.integers(0, 3).map(lambda value: {"$size": value}),
    st.sampled_from(["null", "boolean", "number", "string", "array", "object"]).map(
        lambda value: {"$type": value}
    ),
    st.tuples(st.sampled_from([2, -2, 3]), st.integers(-1, 2)).map(lambda value: {"$mod": list(value)}),
    texts.map(lambda value: {"$beginsWith": value}),
    values,
)


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        *(
            st.lists(inner, max_size=3).map(lambda value, name=name: {name: value})
            for name in ("$and", "$or", "$nor")
        ),
        inner.map(lambda value: {"$not": value}),
    )


def _conditions(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        _combined(inner).filter(lambda found: all(isinstance(part, dict) and part for part in _parts(found))),
        inner.filter(lambda found: isinstance(found, dict)).map(lambda found: {"$elemMatch": found}),
        inner.filter(lambda found: isinstance(found, dict)).map(lambda found: {"$allMatch": found}),
        st.dictionaries(st.sampled_from(["x", "y"]), inner, min_size=1, max_size=2),
        st.tuples(terminals, terminals)
        .filter(lambda pair: all(isinstance(part, dict) for part in pair))
        .map(lambda pair: {**pair[0], **pair[1]}),
    )


def _parts(found: dict[str, Any]) -> list[Any]:
    value = next(iter(found.values()))
    return value if isinstance(value, list) else [value]


conditions = st.recursive(terminals, _conditions, max_leaves=4)
by_field = st.tuples(st.sampled_from(FIELDS), conditions).map(lambda pair: {pair[0]: pair[1]})
by_key = st.tuples(
    st.just("_id"),
    st.tuples(st.sampled_from(["$gt", "$lte", "$eq"]), st.sampled_from(["k03", "k30", "l", None])),
).map(lambda pair: {pair[0]: {pair[1][0]: pair[1][1]}})
selectors = st.recursive(
    st.one_of(by_field, by_field, by_field, by_key, st.lists(by_field, min_size=2, max_size=3).map(
        lambda found: {name: value for part in found for name, value in part.items()}
    )),
    _combined,
    max_leaves=4,
)  # fmt: skip
sorts = st.sampled_from([[], [], ["a"], [{"a": "desc"}], ["n.x"], ["b", "c"], [{"b": "desc"}, {"c": "desc"}]])
queries = st.fixed_dictionaries(
    {"selector": selectors}, optional={"sort": sorts, "skip": st.integers(0, 3), "limit": st.integers(1, 5)}
)


# PouchDB differs from CouchDB. It compares strings by their UTF-16 units, has its own view of null, of ranges over
# values of several types, of arrays in $in and of conditions on missing fields, and of two conditions on
# one field in $and it can lose one. What follows has none of these.


def for_pouchdb(bodies: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Documents whose fields a and n.x are numbers or strings without capitals, l a list of numbers."""
    choose = random.Random(len(bodies))
    return {
        key: {
            "a": choose.randrange(10),
            "b": choose.choice(["ant", "bee", "cat", "dog"]),
            "n": {"x": choose.randrange(5), "y": choose.choice(["one", "two"])},
            "l": [choose.randrange(5) for _ in range(choose.randrange(4))],
            **({"c": choose.randrange(3)} if choose.random() < 0.5 else {}),
        }
        for key in bodies
    }


def pouchdb_queries(seed: int, count: int) -> list[dict[str, Any]]:
    choose = random.Random(seed)
    return [
        {
            "selector": _pouchdb_selector(choose, 2),
            "limit": choose.choice([3, 1000]),
            "skip": choose.choice([0, 0, 2]),
        }
        for _ in range(count)
    ]


def _pouchdb_selector(choose: random.Random, depth: int) -> dict[str, Any]:
    kind = choose.randrange(9 if depth else 6)
    number = choose.randrange(6)
    if kind == 0:
        return {
            choose.choice(["a", "n.x", "c"]): {choose.choice(["$gt", "$gte", "$lt", "$lte", "$eq"]): number}
        }
    if kind == 1:
        return {"b": choose.choice(["ant", "bee", {"$gt": "bee"}, {"$lte": "bee"}, {"$regex": "^[ab]"}])}
    if kind == 2:
        return {"a": {choose.choice(["$in", "$nin"]): [choose.randrange(10) for _ in range(3)]}}
    if kind == 3:
        return {"n": {"x": number, "y": {"$ne": "one"}}} if depth else {"n.y": "two", "a": {"$gt": number}}
    if kind == 4:
        return {"c": {"$exists": choose.random() < 0.5}}
    if kind == 5:
        return {
            "l": choose.choice(
                [{"$elemMatch": {"$gt": number - 3, "$lt": number}}, {"$size": 2}, {"$all": [1, 2]}]
            )
        }
    inner = [_pouchdb_selector(choose, depth - 1) for _ in range(choose.randrange(1, 4))]
    if kind == 8:
        return {"$nor": [{"a": {"$gt": number}}, {"b": "cat"}]}
    if kind == 6:
        fields: dict[str, dict[str, Any]] = {}
        for part in (_pouchdb_selector(choose, 0) for _ in range(3)):
            if not {"a", "n.y"} & part.keys() & fields.keys():
                fields |= dict.fromkeys(part, part)
        return {"$and": list({id(part): part for part in fields.values()}.values())}
    return {"$or": inner}
