# SPDX-License-Identifier: Apache-2.0
"""JSON as Fabric's peer reads and writes it (Go's encoding/json): which values of the state are documents, and their
text."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

DEEPEST = 100

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class NotJson(ValueError):
    """Not JSON, or JSON that the kit does not look into."""


def document(value: bytes) -> dict[str, Any] | None:
    """The JSON object in a state value; None where the value is anything else.

    Numbers become what Go's float64 makes of them. Objects nested more than 100 deep count as no documents.
    """
    if value[:1] not in (b"{", b" ", b"\n", b"\t", b"\r"):
        return None
    try:
        found = _load(value.decode("utf-8", "replace"), _float64)
    except NotJson:
        return None
    return found if isinstance(found, dict) else None


def query_json(text: str) -> Any:
    """The first JSON value of a query, numbers as they are written. Raises NotJson."""
    return _load(text, _exact, trailing=True)


def go_json(value: Any) -> bytes:
    """`value` as Go writes it: members sorted, no spaces, and <, >, & escaped."""
    text = json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def in_go_order(names: Any) -> list[str]:
    """Member names in the order of their UTF-8 bytes."""
    return sorted(names, key=lambda name: name.encode("utf-8", "surrogatepass"))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in in_go_order(value)}
    if isinstance(value, list):
        return [_sorted(entry) for entry in value]
    return value


def _load(text: str, number: Any, trailing: bool = False) -> Any:
    _demand_shallow(text)
    decoder = json.JSONDecoder(
        parse_int=number, parse_float=number, parse_constant=_refuse, object_pairs_hook=_members
    )
    try:
        found, end = decoder.raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error
    if not trailing and text[end:].strip(" \t\r\n"):
        raise NotJson("text after the value")
    return _text(found) if isinstance(found, str) else found


def _demand_shallow(text: str) -> None:
    if text.count("{") + text.count("[") <= DEEPEST:
        return
    depth = 0
    for bracket in re.finditer(r'"(?:[^"\\]|\\.)*"|[{\[]|[}\]]', text):
        character = bracket.group()
        if character in "{[":
            depth += 1
            if depth > DEEPEST:
                raise NotJson(f"more than {DEEPEST} values inside each other")
        elif character in "}]":
            depth -= 1


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {_text(name): _clean(value) for name, value in pairs}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    return value


def _text(value: str) -> str:
    return _LONE_SURROGATE.sub("\ufffd", value)


def _refuse(constant: str) -> Any:
    raise NotJson(f"{constant} is not JSON")


def _float64(digits: str) -> int | float:
    number = float(digits)
    if math.isinf(number):
        raise NotJson("a number out of range")
    if abs(number) < 1e21 and number == int(number):
        return int(number) if abs(number) <= 2**53 else int(Decimal(repr(number)))
    return number


def _exact(digits: str) -> int | float:
    if not any(character in ".eE" for character in digits):
        if len(digits) > 1000:
            raise NotJson("a number of more than 1,000 digits")
        return int(digits)
    number = float(digits)
    if math.isinf(number):
        raise NotJson("a number out of range")
    return number
