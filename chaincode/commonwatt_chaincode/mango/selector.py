# SPDX-License-Identifier: Apache-2.0
"""Selectors: normalized as CouchDB's `mango_selector` does it, then matched against documents.

Normalizing decides what a query means where fields are missing: negations move down to the conditions. A condition on
a field that a document lacks is false, whatever it says; `$exists: false` alone is true.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from . import regular_expressions
from .collation import sort_key
from .errors import erlang_term, refusal
from .values import in_go_order
from .work import Work

Condition = Callable[[Any, Work], bool]
Node = tuple[Any, ...]
"""("and" | "or", [Node]), ("not", Node), ("field", path, Node), ("nor", [Node]) or (operator, argument)."""

NEGATED = {
    "$lt": "$gte", "$lte": "$gt", "$eq": "$ne", "$ne": "$eq", "$gte": "$lt", "$gt": "$lte", "$in": "$nin",
    "$nin": "$in",
}  # fmt: skip
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$lt": lambda a, b: a < b,
    "$lte": lambda a, b: a <= b,
    "$eq": lambda a, b: a == b,
    "$ne": lambda a, b: a != b,
    "$gte": lambda a, b: a >= b,
    "$gt": lambda a, b: a > b,
}
LISTS = ("$in", "$nin", "$all")
INSIDE = ("$elemMatch", "$allMatch", "$keyMapMatch")
UNSUPPORTED = ("$where", "$geoWithin", "$geoIntersects", "$near", "$nearSphere", "$text")
_MISSING = object()
_BAD_PATH = object()


class _Unmatchable(Exception):
    """CouchDB fails on the condition; inside $elemMatch and its like it takes that for no match."""


def parse_selector(selector: dict[str, Any]) -> Condition:
    """(document, work) -> whether it matches. Raises MangoError in CouchDB's words."""
    if not selector:
        return lambda document, work: True
    node = _negations(_fields(_operators(selector), ""))
    if node[0] == "field" and not node[1]:
        raise refusal("invalid_selector", "One or more conditions is missing a field name.")
    if node[0] in ("and", "or") and not node[1]:
        return lambda document, work: False  # CouchDB does not run such a query
    condition = _condition(node)

    def matches(document: Any, work: Work) -> bool:
        try:
            return condition(document, work)
        except _Unmatchable as error:
            raise refusal("unknown_error", "badarith", 500) from error

    return matches


# Normalizing, step by step as in mango_selector.erl


def _operators(selector: Any) -> Node:
    """Implicit $and and $eq made explicit, arguments checked."""
    if not isinstance(selector, dict) or not selector:
        return ("$eq", selector)
    if len(selector) > 1:
        return ("and", [_operators({name: selector[name]}) for name in in_go_order(selector)])
    name, argument = next(iter(selector.items()))
    if not name.startswith("$"):
        return ("field", name, _operators(argument))
    if name in ("$and", "$or", "$nor"):
        if not isinstance(argument, list):
            raise _bad_argument(name, argument)
        return (name[1:], [_operators(entry) for entry in argument])
    if name == "$not" or name in INSIDE:
        if not isinstance(argument, dict):
            raise _bad_argument(name, argument)
        return ("not" if name == "$not" else name, _operators(argument))
    _check_argument(name, argument)
    return (name, argument)


def _check_argument(name: str, argument: Any) -> None:
    if name in COMPARISONS:
        return
    if name in UNSUPPORTED:
        raise refusal("not_supported", f"Unsupported operator: {name}")
    good = {
        "$in": isinstance(argument, list),
        "$nin": isinstance(argument, list),
        "$all": isinstance(argument, list),
        "$exists": isinstance(argument, bool),
        "$type": isinstance(argument, str),
        "$regex": isinstance(argument, str),
        "$beginsWith": isinstance(argument, str),
        "$size": _is_integer(argument) and argument >= 0,
        "$mod": isinstance(argument, list)
        and len(argument) == 2
        and all(_is_integer(part) for part in argument),
    }
    if name not in good:
        raise refusal("invalid_operator", f"Invalid operator: {name}")
    if not good[name]:
        raise _bad_argument(name, argument)


def _bad_argument(name: str, argument: Any) -> Exception:
    return refusal("bad_arg", f"Bad argument for operator {name}: {erlang_term(argument)}")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _fields(node: Node, path: str) -> Node:
    """Field names moved down to the conditions: {a: {b: {$gt: 1}}} is {"a.b": {$gt: 1}}."""
    kind = node[0]
    if kind in ("and", "or", "nor"):
        return (kind, [_fields(entry, path) for entry in node[1]])
    if kind == "not":
        return (kind, _fields(node[1], path))
    if kind == "field":
        return _fields(node[2], f"{path}.{node[1]}" if path else node[1])
    if kind in INSIDE:
        return ("field", path, (kind, _fields(node[1], "")))
    return ("field", path, node)


def _negations(node: Node) -> Node:
    """Negations moved down to the conditions, by De Morgan; not into $elemMatch and its like, as in CouchDB."""
    kind = node[0]
    if kind == "not":
        return _negate(node[1])
    if kind == "nor":
        return ("and", [_negate(entry) for entry in node[1]])
    if kind in ("and", "or"):
        return (kind, [_negations(entry) for entry in node[1]])
    return node


def _negate(node: Node) -> Node:
    kind = node[0]
    if kind == "not":
        return _negations(node[1])
    if kind == "nor":
        return ("or", [_negations(entry) for entry in node[1]])
    if kind in ("and", "or"):
        return ("or" if kind == "and" else "and", [_negate(entry) for entry in node[1]])
    if kind == "field":
        return ("field", node[1], _negate(node[2]))
    if kind in NEGATED:
        return (NEGATED[kind], node[1])
    if kind == "$exists":
        return (kind, not node[1])
    return ("not", node)


# Matching


def _condition(node: Node) -> Condition:
    kind, argument = node[0], node[1]
    if kind == "and":
        parts = [_condition(entry) for entry in argument]
        return lambda value, work: all(part(value, work) for part in parts)
    if kind == "or":
        parts = [_condition(entry) for entry in argument]
        return lambda value, work: not parts or any(part(value, work) for part in parts)
    if kind == "not":
        inner = _condition(argument)
        return lambda value, work: not inner(value, work)
    if kind == "nor":
        return _unmatchable
    if kind == "field":
        return _on_field(argument, node[2])
    return OPERATORS[kind](kind, argument)


def _unmatchable(value: Any, work: Work) -> bool:
    raise _Unmatchable


def _on_field(name: str, node: Node) -> Condition:
    if not name:
        return _condition(node)
    path = field_path(name)
    absent = node == ("$exists", False)
    raw = name == "_id" and node[0] in COMPARISONS
    condition = _raw_comparison(*node) if raw else _condition(node)

    def matches(value: Any, work: Work) -> bool:
        work.spend(1)
        found = get_field(value, path)
        if found is _MISSING:
            return absent
        return found is not _BAD_PATH and condition(found, work)

    return matches


def _raw_comparison(operator: str, argument: Any) -> Condition:
    """Keys are compared byte by byte; all that is no string comes before them."""
    compare = COMPARISONS[operator]
    bound = argument.encode() if isinstance(argument, str) else b""

    def matches(value: Any, work: Work) -> bool:
        if not isinstance(argument, str):
            return compare(1, 0)
        return compare(value.encode(), bound)

    return matches


def _comparison(operator: str, argument: Any) -> Condition:
    compare, key = COMPARISONS[operator], cache(lambda: sort_key(argument, Work()))
    return lambda value, work: compare(sort_key(value, work), key())


def _among(operator: str, arguments: list[Any]) -> Condition:
    keys = cache(lambda: {sort_key(argument, Work()) for argument in arguments})
    wanted = operator == "$in"

    def matches(value: Any, work: Work) -> bool:
        if isinstance(value, list):
            return any(sort_key(entry, work) in keys() for entry in value) == wanted
        return (sort_key(value, work) in keys()) == wanted

    return matches


def _all(_: str, arguments: list[Any]) -> Condition:
    keys = cache(lambda: [_identity(argument) for argument in arguments])

    def matches(value: Any, work: Work) -> bool:
        if not arguments or not isinstance(value, list):
            return False
        work.spend(len(value))
        present = {_identity(entry) for entry in value}
        if all(key in present for key in keys()):
            return True
        return len(arguments) == 1 and isinstance(arguments[0], list) and _identity(value) == keys()[0]

    return matches


def _identity(value: Any) -> Any:
    """What Erlang's =:= compares: 1 is not 1.0."""
    if isinstance(value, list):
        return ("list", tuple(_identity(entry) for entry in value))
    if isinstance(value, dict):
        return ("object", tuple((name, _identity(value[name])) for name in in_go_order(value)))
    return (type(value).__name__, value)


def _exists(_: str, wanted: bool) -> Condition:
    return lambda value, work: wanted


def _type(_: str, name: str) -> Condition:
    return lambda value, work: _type_of(value) == name


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "number"


def _modulo(_: str, argument: list[int]) -> Condition:
    divisor, remainder = argument

    def matches(value: Any, work: Work) -> bool:
        if not _is_integer(value):
            return False
        if divisor == 0:
            raise _Unmatchable
        left = abs(value) % abs(divisor)
        signed: int = left if value >= 0 else -left
        return signed == remainder

    return matches


def _begins_with(_: str, prefix: str) -> Condition:
    return lambda value, work: isinstance(value, str) and value.startswith(prefix)


def _regex(_: str, pattern: str) -> Condition:
    found = regular_expressions.compiled(pattern)
    return lambda value, work: isinstance(value, str) and found(value, work)


def _size(_: str, size: int) -> Condition:
    return lambda value, work: isinstance(value, list) and len(value) == size


def _elements(operator: str, node: Node) -> Condition:
    condition = _condition(node)

    def matches(value: Any, work: Work) -> bool:
        if operator == "$keyMapMatch":
            entries = list(value) if isinstance(value, dict) else []
        else:
            entries = value if isinstance(value, list) else []
        work.spend(len(entries))
        try:
            if operator == "$allMatch":
                return bool(entries) and all(condition(entry, work) for entry in entries)
            return any(condition(entry, work) for entry in entries)
        except _Unmatchable:
            return False

    return matches


OPERATORS: dict[str, Callable[[str, Any], Condition]] = {
    **dict.fromkeys(COMPARISONS, _comparison),
    **dict.fromkeys(INSIDE, _elements),
    "$in": _among,
    "$nin": _among,
    "$all": _all,
    "$exists": _exists,
    "$type": _type,
    "$mod": _modulo,
    "$beginsWith": _begins_with,
    "$regex": _regex,
    "$size": _size,
}


# Fields


def field_path(name: str) -> tuple[str, ...]:
    """The parts of a field's name between dots; a backslash keeps a dot. Raises MangoError."""
    parts = re.split(r"(?<!\\)\.", name) if "\\" in name else name.split(".")
    if not all(parts):
        raise refusal("invalid_field_name", f"Invalid field name: {name}")
    return tuple(part.replace("\\", "") for part in parts)


def get_field(value: Any, path: tuple[str, ...]) -> Any:
    """The value at `path`, where a number is also a place in an array."""
    for name in path:
        if isinstance(value, dict):
            if name not in value:
                return _MISSING
            value = value[name]
        elif isinstance(value, list):
            if not re.fullmatch(r"[+-]?[0-9]{1,9}", name) or not 0 <= int(name) < len(value):
                return _BAD_PATH
            value = value[int(name)]
        else:
            return _BAD_PATH
    return value


def has_field(value: Any) -> bool:
    """Whether `get_field` found something."""
    return value is not _MISSING and value is not _BAD_PATH
