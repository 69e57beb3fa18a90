# SPDX-License-Identifier: Apache-2.0
"""Fabric's key rules: simple keys, composite keys and the bounds of ranges over them.

A composite key is U+0000, then the object type and each attribute, each followed by U+0000. Simple keys may
not start with U+0000, so a range over simple keys never meets a composite key.
"""

from collections.abc import Sequence

from .errors import InvalidRequest

_SEPARATOR = "\x00"
_HIGHEST = "\U0010ffff"
_LOWEST_SIMPLE = "\x01"


def create_composite_key(object_type: str, attributes: Sequence[str]) -> str:
    """Join an object type and its attributes into one key, ordered attribute by attribute.

    Raises InvalidRequest for an empty object type and for the two code points Fabric reserves (U+0000, U+10FFFF).
    """
    if not object_type:
        raise InvalidRequest("a composite key needs an object type")
    for part in (object_type, *attributes):
        if _SEPARATOR in part or _HIGHEST in part:
            raise InvalidRequest(f"{part!r} holds U+0000 or U+10FFFF, which composite keys reserve")
    return _SEPARATOR + _SEPARATOR.join((object_type, *attributes)) + _SEPARATOR


def split_composite_key(key: str) -> tuple[str, tuple[str, ...]]:
    """Give back the object type and the attributes of a composite key; InvalidRequest if it is none."""
    if len(key) < 3 or not key.startswith(_SEPARATOR) or not key.endswith(_SEPARATOR):
        raise InvalidRequest(f"{key!r} is not a composite key")
    object_type, *attributes = key[1:-1].split(_SEPARATOR)
    return object_type, tuple(attributes)


def partial_composite_range(object_type: str, attributes: Sequence[str]) -> tuple[str, str]:
    """The range [start, end) of every composite key that continues these leading attributes."""
    start = create_composite_key(object_type, attributes)
    return start, start + _HIGHEST


def simple_range(start: str, end: str) -> tuple[str, str]:
    """The bounds to send for a range over simple keys; an empty start or end is open."""
    for bound in (start, end):
        if bound.startswith(_SEPARATOR):
            raise InvalidRequest("a range over simple keys may not start or end at a composite key")
    return start or _LOWEST_SIMPLE, end


def checked_key(key: str) -> str:
    """Refuse the empty key, which no peer can read back."""
    if not key:
        raise InvalidRequest("a key may not be empty")
    return key
