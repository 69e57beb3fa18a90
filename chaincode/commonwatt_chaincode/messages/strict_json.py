# SPDX-License-Identifier: Apache-2.0
"""JSON objects of text and integers: headers and payloads are made of these, and of nothing else that JSON allows."""

import json
from typing import Any

MOST_OBJECTS = 2  # a payload, and the key inside it: no depth can exhaust the parser


class NotStrict(ValueError):
    """The bytes are not such an object; the message says why."""


def strict_object(content: bytes) -> dict[str, Any]:
    """The members of an object whose values are text, integers, or one object of the same kind.

    NotStrict for anything outside ASCII, escapes, arrays, true, false, null, fractions, exponents, NaN, -0, and members
    named twice.
    Whitespace and the order of members are free.
    """
    if not content.isascii():
        raise NotStrict("it holds characters outside ASCII")
    if b"\\" in content or b"[" in content or content.count(b"{") > MOST_OBJECTS:
        raise NotStrict("it holds escapes, arrays, or objects inside each other")
    try:
        value = _DECODER.decode(content.decode("ascii"))
    except json.JSONDecodeError:
        raise NotStrict("it is not JSON") from None
    if not isinstance(value, dict):
        raise NotStrict("it is not an object")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrict("it names a member twice")
    if any(value is None or isinstance(value, bool) for value in members.values()):
        raise NotStrict("its values have to be text or integers")
    return members


def _integer(digits: str) -> int:
    if digits == "-0":
        raise NotStrict("-0 is not an integer of its own")
    return int(digits)


def _not_a_number(text: str) -> Any:
    raise NotStrict("its numbers have to be integers")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_integer,
    parse_float=_not_a_number,
    parse_constant=_not_a_number,
)
