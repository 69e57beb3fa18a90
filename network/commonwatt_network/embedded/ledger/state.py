# SPDX-License-Identifier: Apache-2.0
"""Reading state: the current state of a channel, and views pinned to one height while blocks go on.

A simulation reads the state of one height from its first read to its last, though blocks are committed
meanwhile. Each committed block therefore leaves the values it replaced with the views that are still open;
a view looks there first.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from commonwatt_network.embedded.ledger.values import Version, VersionedValue

Location = tuple[str, bytes]
Updates = dict[Location, VersionedValue | None]

RANGE_PAGE = 200
_KEYS_AT_ONCE = 256
_SEVERAL = "select key, value, metadata, block, position from state where namespace = ? and key in ({})"


def hashed_namespace(namespace: str, collection: str) -> str:
    """Where the hashes of a collection's keys and values are kept; every peer has them."""
    return f"{namespace}$$h{collection}"


def private_namespace(namespace: str, collection: str) -> str:
    """Where a collection's own keys and values are kept; only members' peers have them."""
    return f"{namespace}$$p{collection}"


def is_private(namespace: str) -> bool:
    """Whether this is where a collection's own keys are: not every peer has them."""
    return "$$p" in namespace


def split_namespace(namespace: str) -> tuple[str, str]:
    """Chaincode and collection of where hashes are kept; no collection where it is a chaincode's own state."""
    chaincode, _, collection = namespace.partition("$$h")
    return chaincode, collection


class State:
    """The state database of one channel: reads, the writes of one block, and the open views."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._views: set[StateView] = set()
        rows = database.execute("select distinct namespace from state where metadata <> x''").fetchall()
        self._with_metadata: set[str] = {row[0] for row in rows}

    def has_metadata(self, namespace: str) -> bool:
        """Whether any key of the namespace has, or ever had, metadata: most have none, and need no look."""
        return namespace in self._with_metadata

    def get(self, namespace: str, key: bytes) -> VersionedValue | None:
        row = self._database.execute(
            "select value, metadata, block, position from state where namespace = ? and key = ?",
            (namespace, key),
        ).fetchone()
        return VersionedValue(row[0], row[1], Version(row[2], row[3])) if row else None

    def several(self, locations: Iterable[Location]) -> Updates:
        """What is at each of these places: a batch of messages touches thousands, and a query for each takes longer."""
        found: Updates = dict.fromkeys(locations)
        keys: dict[str, list[bytes]] = {}
        for namespace, key in found:
            keys.setdefault(namespace, []).append(key)
        for namespace, wanted in keys.items():
            for first in range(0, len(wanted), _KEYS_AT_ONCE):
                some = wanted[first : first + _KEYS_AT_ONCE]
                padding = (1 << (len(some) - 1).bit_length()) - len(
                    some
                )  # few lengths: statements are kept prepared
                some += some[-1:] * padding
                rows = self._database.execute(_SEVERAL.format(", ".join("?" * len(some))), [namespace, *some])
                for key, value, metadata, block, position in rows:
                    found[namespace, key] = VersionedValue(value, metadata, Version(block, position))
        return found

    def range(self, namespace: str, start: bytes, end: bytes) -> Iterator[tuple[bytes, VersionedValue]]:
        """Keys from `start` (included) to `end` (excluded; empty is unbounded), in order.

        Read page by page, so that a commit between two pages never disturbs an open cursor.
        """
        query = (
            "select key, value, metadata, block, position from state where namespace = ? and key {} ? {}"
            "order by key limit ?"
        )
        comparison, position = ">=", start
        while True:
            parameters: list[object] = [namespace, position, RANGE_PAGE]
            if end:
                parameters.insert(2, end)
            rows = self._database.execute(
                query.format(comparison, "and key < ? " if end else ""), parameters
            ).fetchall()
            for key, value, metadata, block, number in rows:
                yield key, VersionedValue(value, metadata, Version(block, number))
            if len(rows) < RANGE_PAGE:
                return
            comparison, position = ">", rows[-1][0]

    def everything(self) -> Iterator[tuple[str, bytes, VersionedValue]]:
        """Every key of every namespace, in order."""
        query = "select namespace, key, value, metadata, block, position from state order by namespace, key"
        for namespace, key, value, metadata, block, position in self._database.execute(query):
            yield namespace, key, VersionedValue(value, metadata, Version(block, position))

    def write(self, updates: Updates) -> None:
        """Apply a block's updates inside the caller's SQLite transaction."""
        if self._views:
            replaced = self.several(updates)
            for view in self._views:
                view.keep(replaced)
        deletions = [location for location, value in updates.items() if value is None]
        writes = [
            (*location, value.value, value.metadata, *value.version)
            for location, value in updates.items()
            if value is not None
        ]
        self._with_metadata.update(
            location[0] for location, value in updates.items() if value and value.metadata
        )
        if deletions:
            self._database.executemany("delete from state where namespace = ? and key = ?", deletions)
        if writes:
            self._database.executemany("insert or replace into state values (?, ?, ?, ?, ?, ?)", writes)

    def view(self, height: int) -> StateView:
        view = StateView(self, height)
        self._views.add(view)
        return view

    def forget(self, view: StateView) -> None:
        self._views.discard(view)


class StateView:
    """The state at one height. Close it: an open view costs memory for every block that follows."""

    def __init__(self, state: State, height: int) -> None:
        self.height = height
        self._state = state
        self._replaced: list[Updates] = []  # oldest block first; shared with the other open views
        self._replaced_keys: dict[str, list[bytes]] = {}

    def keep(self, replaced: Updates) -> None:
        self._replaced.append(replaced)
        self._replaced_keys.clear()

    def get(self, namespace: str, key: bytes) -> VersionedValue | None:
        if self._replaced:
            location = (namespace, key)
            for replaced in self._replaced:
                if location in replaced:
                    return replaced[location]
        return self._state.get(namespace, key)

    def several(self, locations: Iterable[Location]) -> Updates:
        """As `State.several`, at this view's height."""
        found = self._state.several(locations)
        for replaced in reversed(self._replaced):  # the oldest block's last: it replaced what this view sees
            found.update((location, replaced[location]) for location in found.keys() & replaced.keys())
        return found

    def has_metadata(self, namespace: str) -> bool:
        """As `State.has_metadata`."""
        return self._state.has_metadata(namespace)

    def range(self, namespace: str, start: bytes, end: bytes) -> Iterator[tuple[bytes, VersionedValue]]:
        """As `State.range`, at this view's height, even while blocks are committed between two results."""
        current = self._state.range(namespace, start, end)
        position, upcoming = start, next(current, None)
        while True:
            replaced = self._next_replaced(namespace, position, end)
            if replaced is not None and (upcoming is None or replaced <= upcoming[0]):
                if upcoming is not None and upcoming[0] == replaced:
                    upcoming = next(current, None)
                position = replaced + b"\x00"
                value = self.get(namespace, replaced)
                if value is not None:
                    yield replaced, value
            elif upcoming is not None:
                result = upcoming
                position = result[0] + b"\x00"
                upcoming = next(current, None)
                yield result
            else:
                return

    def _next_replaced(self, namespace: str, start: bytes, end: bytes) -> bytes | None:
        if not self._replaced:
            return None
        keys = self._replaced_keys.get(namespace)
        if keys is None:
            keys = sorted({key for replaced in self._replaced for ns, key in replaced if ns == namespace})
            self._replaced_keys[namespace] = keys
        index = bisect_left(keys, start)
        if index == len(keys) or (end and keys[index] >= end):
            return None
        return keys[index]

    def close(self) -> None:
        self._state.forget(self)

    def __enter__(self) -> StateView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
