# SPDX-License-Identifier: Apache-2.0
"""One run of a query over the keys and values of a chaincode, which come in key order."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from typing import Any, NamedTuple

from .collation import Key, sort_key
from .errors import refusal
from .query import Query
from .selector import get_field, has_field
from .values import document, go_json, query_json
from .work import Work

BATCH = (
    1000  # Fabric asks CouchDB for so many at once (internalQueryLimit), and CouchDB skips in each batch anew
)
LONGEST_BOOKMARK = 1 << 16
NO_ROWS = "nil"  # CouchDB's bookmark of a first page without rows


class Found(NamedTuple):
    """A matching key, with its place in the order: the keys of the values it is sorted by, and its own bytes."""

    place: tuple[Key, ...]
    key: bytes
    values: list[Any]


class Search:
    """Offer it every key and value in order; then it has the matching keys, in the query's order.

    `limit` is the most that are wanted; `bookmark` wins over the query's own.
    """

    def __init__(self, query: Query, limit: int, bookmark: str = "") -> None:
        self._query = query
        self._limit = limit
        self._bookmark = bookmark or query.bookmark
        self._work = Work()
        self._after = self._position() if self._bookmark else None
        self._enough = limit + query.skip * (1 + (limit - 1) // BATCH)
        self._found: list[Found] = []

    @property
    def start_key(self) -> str:
        """The first key that can match: no other need be offered."""
        if self._after is None or self._query.sort:
            return ""
        return self._after.key.decode() + "\x00"

    def offer(self, rows: Iterable[tuple[str, bytes]]) -> bool:
        """Look at some rows; False where no more are needed. Raises MangoError where it is too much work."""
        for key, value in rows:
            self._work.spend(1 + len(value) // 8)
            found = document(value) or {}  # of what is no JSON object, Fabric's documents have the key alone
            found["_id"] = key
            if self._query.condition(found, self._work) and not self._keep(key, found):
                return False
        return True

    def found_keys(self) -> list[str]:
        """The matching keys among those offered: in order, without those to skip, not more than wanted."""
        return [found.key.decode() for found in self._wanted()]

    def bookmark(self) -> str:
        """Where the next page goes on."""
        wanted = self._wanted()
        if not wanted:
            return self._bookmark or NO_ROWS
        text = json.dumps([wanted[-1].values, wanted[-1].key.decode()], separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).decode()

    def value(self, key: str, value: bytes) -> bytes:
        """What the row of a matching key says: the value as it is, or the fields that the query asks for."""
        if self._query.fields is None:
            return value
        found = document(value) or {}
        found["_id"] = key
        chosen: dict[str, Any] = {}
        for path in self._query.fields:
            part = get_field(found, path)
            if has_field(part):
                _set_field(chosen, path, part)
        chosen.pop("_id", None)
        return go_json(chosen)

    def _keep(self, key: str, document: dict[str, Any]) -> bool:
        values = [get_field(document, path) for path in self._query.sort]
        if not all(has_field(value) for value in values):
            return True  # an index, by which CouchDB sorts, does not have the document
        found = Found(tuple(sort_key(value, self._work) for value in values), key.encode(), values)
        if self._after is not None and not self._is_after(found):
            return True
        self._found.append(found)
        if not self._query.sort:
            return len(self._found) < self._enough
        if len(self._found) >= 2 * self._enough + BATCH:
            self._sort()
        return True

    def _is_after(self, found: Found) -> bool:
        assert self._after is not None
        if self._query.descending:
            return found[:2] < self._after[:2]
        return found[:2] > self._after[:2]

    def _sort(self) -> None:
        self._found.sort(key=lambda found: found[:2], reverse=self._query.descending)
        del self._found[self._enough :]

    def _wanted(self) -> list[Found]:
        self._sort()
        wanted: list[Found] = []
        position = 0
        while len(wanted) < self._limit:
            position += self._query.skip
            size = min(BATCH, self._limit - len(wanted))
            batch = self._found[position : position + size]
            wanted += batch
            position += size
            if len(batch) < size:
                break
        return wanted

    def _position(self) -> Found:
        """Where the bookmark says that the last page ended."""
        mistake = refusal("invalid_bookmark", f"Invalid bookmark value: {json.dumps(self._bookmark[:500])}")
        if len(self._bookmark) > LONGEST_BOOKMARK:
            raise mistake
        try:
            found = query_json(urlsafe_b64decode(self._bookmark.encode()).decode())
        except (Base64Error, ValueError) as error:
            raise mistake from error
        if not isinstance(found, list) or len(found) != 2:
            raise mistake
        values, key = found
        if not isinstance(values, list) or len(values) != len(self._query.sort) or not isinstance(key, str):
            raise mistake
        return Found(tuple(sort_key(value, self._work) for value in values), key.encode(), values)


def _set_field(chosen: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        inner = chosen.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        chosen = inner
    chosen[path[-1]] = value
