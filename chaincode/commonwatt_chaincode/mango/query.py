# SPDX-License-Identifier: Apache-2.0
"""A query as chaincode sends it: JSON with a selector and options, checked as Fabric and CouchDB check them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import MangoError, erlang_term, refusal
from .selector import Condition, field_path, parse_selector
from .values import NotJson, in_go_order, query_json

LARGEST_QUERY = 1 << 20
_OPTIONS = (
    "selector",
    "use_index",
    "bookmark",
    "limit",
    "skip",
    "sort",
    "fields",
    "partition",
    "r",
    "conflicts",
)
_BOOLEANS = ("conflicts", "update", "stable", "execution_stats", "allow_fallback")
_KNOWN = {*_OPTIONS, *_BOOLEANS, "stale"}


@dataclass(frozen=True)
class Query:
    """What to look for. `fields` is None where whole values are asked for."""

    condition: Condition
    sort: tuple[tuple[str, ...], ...] = ()
    descending: bool = False
    fields: tuple[tuple[str, ...], ...] | None = None
    skip: int = 0
    bookmark: str = ""


def parse_query(text: str) -> Query:
    """Raises MangoError in Fabric's and CouchDB's words."""
    options = _options(text)
    fields = options.get("fields")
    if "fields" in options and not isinstance(fields, list):
        raise MangoError("fields definition must be an array")
    if "selector" not in options:
        raise refusal("missing_required_key", "Missing required key: selector")
    selector = options["selector"]
    if not isinstance(selector, dict):
        raise refusal(
            "invalid_selector_json", f"Selector must be a JSON object, not: {erlang_term(selector)}"
        )
    try:
        condition = parse_selector(selector)
    except RecursionError as error:
        raise refusal("bad_request", "the selector is nested too deeply") from error
    _check_index(options.get("use_index"))
    bookmark = options.get("bookmark")
    if bookmark is not None and not isinstance(bookmark, str):
        raise refusal("invalid_bookmark", f"Invalid bookmark value: {erlang_term(bookmark)}")
    sort, descending = _sort(options.get("sort", []))
    query = Query(
        condition=condition,
        skip=_skip(options.get("skip", 0)),
        sort=sort,
        descending=descending,
        fields=None if fields is None else tuple(_field(name) for name in fields),
        bookmark=bookmark or "",
    )
    _check_others(options)
    return query


def _options(text: str) -> dict[str, Any]:
    if len(text) > LARGEST_QUERY:
        raise MangoError(f"the query is longer than {LARGEST_QUERY} characters")
    if not text.strip(" \t\r\n"):
        raise MangoError("EOF")
    try:
        options = query_json(text)
    except NotJson as error:
        raise MangoError(f"the query is not JSON: {error}") from error
    if not isinstance(options, dict):
        kind = {str: "string", list: "array", bool: "bool", int: "number", float: "number"}.get(
            type(options), "null"
        )
        raise MangoError(f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
    return options


def _skip(skip: Any) -> int:
    if not isinstance(skip, int) or isinstance(skip, bool) or skip < 0:
        raise refusal(
            "invalid_non_neg_integer",
            f"{erlang_term(skip)} is not an integer greater than or equal to zero",
        )
    return skip


def _sort(sort: Any) -> tuple[tuple[tuple[str, ...], ...], bool]:
    if not isinstance(sort, list):
        raise refusal("invalid_sort_json", f"Sort must be an array of sort specs, not: {erlang_term(sort)}")
    paths, directions = [], set()
    for entry in sort:
        name, direction = entry, "asc"
        if isinstance(entry, dict) and len(entry) == 1:
            name, direction = next(iter(entry.items()))
        if not isinstance(name, str) or not name or direction not in ("asc", "desc"):
            raise refusal("invalid_sort_field", f"Invalid sort field: {erlang_term(entry)}")
        paths.append(field_path(name))
        directions.add(direction)
    if len(directions) > 1:
        raise refusal(
            "unsupported_mixed_sort", "Sorts currently only support a single direction for all fields."
        )
    return tuple(paths), directions == {"desc"}


def _field(name: Any) -> tuple[str, ...]:
    if not isinstance(name, str):
        raise refusal("invalid_field", f"Invalid JSON for field spec: {erlang_term(name)}")
    return field_path(name)


def _check_index(index: Any) -> None:
    """A hint that the kit takes and ignores: it has no indexes."""
    if index is None:
        return
    if isinstance(index, str):
        parts = index.split("/")
        if len(parts) <= 2 or (len(parts) == 3 and parts[0] == "_design"):
            return
    elif isinstance(index, list) and len(index) <= 2 and all(isinstance(part, str) for part in index):
        return
    raise refusal("invalid_index_name", f"Invalid index name: {erlang_term(index)}")


def _check_others(options: dict[str, Any]) -> None:
    for name in _BOOLEANS:
        value = options.get(name, False)
        if not isinstance(value, bool):
            raise refusal("invalid_boolean", f"Invalid boolean value: {erlang_term(value)}")
    replies = options.get("r", 1)
    if not isinstance(replies, int) or isinstance(replies, bool) or replies < 1:
        raise refusal("invalid_pos_integer", f"{erlang_term(replies)} is not an integer greater than zero")
    if options.get("stale", False) not in ("ok", "false", False):
        raise refusal("invalid_ok_or_false_value", "stale must be ok or false")
    if options.get("partition", ""):
        raise refusal("bad_request", "`partition` is not supported on this database.")
    for name in in_go_order(options):
        if name not in _KNOWN:
            raise refusal("invalid_key", f"Invalid key {name} for this request.")
