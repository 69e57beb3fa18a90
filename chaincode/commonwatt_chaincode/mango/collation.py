# SPDX-License-Identifier: Apache-2.0
"""CouchDB's order of JSON values: null, false, true, numbers, strings, arrays, objects.

Strings are in the order of ICU's root collation: first letters, then accents, then case (a, A, á, b). Exact for ASCII
and for the Latin letters with accents of most European languages; other characters are in the order of their class and
code point, after these.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

from .values import in_go_order
from .work import Work

Key = tuple[Any, ...]

_ASCII = "\t\n\x0b\f\r _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"
_ASCII_PRIMARY = {character: position for position, character in enumerate(_ASCII)}
_CLASSES = {"Z": " ", "P": "%", "S": "~", "N": "9"}  # another character of the class comes after these
_MARKS = "\u0301\u0300\u0306\u0302\u030c\u030a\u0308\u030b\u0303\u0307\u0338\u0327\u0328\u0304\u0335\u0309\u031b\u0323"
_MARK_ORDER = {mark: position for position, mark in enumerate(_MARKS)}
_COMPOSED = {
    "ø": "o\u0338", "Ø": "O\u0338", "đ": "d\u0335", "Đ": "D\u0335", "ħ": "h\u0335", "Ħ": "H\u0335",
    "ł": "l\u0335", "Ł": "L\u0335", "ß": "ss", "ẞ": "SS",
}  # fmt: skip

Weights = tuple[tuple[tuple[int, int], ...], tuple[int, ...], tuple[int, ...]]


def sort_key(value: Any, work: Work) -> Key:
    """A tuple that compares as CouchDB compares the values."""
    work.spend(1)
    if value is None:
        return (1,)
    if value is False:
        return (2,)
    if value is True:
        return (3,)
    if isinstance(value, (int, float)):
        return (4, value)
    if isinstance(value, str):
        work.spend(len(value) // 16)
        return (5, text_key(value))
    if isinstance(value, list):
        return (6, tuple(sort_key(entry, work) for entry in value))
    return (7, tuple((text_key(name), sort_key(value[name], work)) for name in in_go_order(value)))


def text_key(text: str) -> Key:
    """A tuple that compares as ICU's root collation compares the strings."""
    primary: list[tuple[int, int]] = []
    secondary: list[int] = []
    tertiary: list[int] = []
    for character in text:
        first, second, third = _weights(character)
        primary += first
        secondary += second
        tertiary += third
    return tuple(primary), tuple(secondary), tuple(tertiary)


@lru_cache(maxsize=4096)
def _weights(character: str) -> Weights:
    """(primary, secondary, tertiary) weights of one character; none where it is ignored."""
    if character in _ASCII_PRIMARY:
        return ((_ASCII_PRIMARY[character], 0),), (1,), (1,)
    if "A" <= character <= "Z":
        return ((_ASCII_PRIMARY[character.lower()], 0),), (1,), (2,)
    parts = _COMPOSED.get(character) or unicodedata.normalize("NFKD", character)
    if parts != character:
        weights = [_weights(part) for part in parts]
        accented = unicodedata.combining(parts[-1]) or parts == unicodedata.normalize("NFD", character)
        return (
            tuple(weight for first, _, _ in weights for weight in first),
            tuple(weight for _, second, _ in weights for weight in second),
            tuple(weight + 2 * (not accented) for _, _, third in weights for weight in third),
        )
    category = unicodedata.category(character)
    if category in ("Cc", "Cf"):
        return (), (), ()
    if category.startswith("M"):
        return (), (2 + _MARK_ORDER.get(character, ord(character)),), (1,)
    base = _ASCII_PRIMARY[_CLASSES.get(category[0], "z")]
    if category == "Sc":
        base = _ASCII_PRIMARY["$"]
    lower = character.lower()
    if len(lower) == 1 and lower != character:
        return ((base, ord(lower)),), (1,), (2,)
    return ((base, ord(character)),), (1,), (1,)
