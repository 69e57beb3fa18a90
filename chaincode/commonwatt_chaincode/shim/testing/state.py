# SPDX-License-Identifier: Apache-2.0
"""A channel's committed state in memory: values with versions, metadata, history."""

import hashlib
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import NamedTuple

from ..results import KeyModification, Timestamp

Version = tuple[int, int]
"""Block number and position in the block of the transaction that wrote a value."""


class Place(NamedTuple):
    """Where a value lives: the chaincode's namespace, the private collection (empty if public), the key."""

    namespace: str
    collection: str
    key: str


@dataclass
class WorldState:
    """The committed values, with their versions."""

    values: dict[Place, tuple[bytes, Version]] = field(default_factory=dict)
    metadata: dict[Place, dict[str, bytes]] = field(default_factory=dict)
    history: dict[Place, list[KeyModification]] = field(default_factory=dict)
    height: int = 1
    _keys: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)  # sorted, of each namespace

    def value(self, place: Place) -> bytes | None:
        """The committed value."""
        entry = self.values.get(place)
        return entry[0] if entry else None

    def version(self, place: Place) -> Version | None:
        """The version of the committed value."""
        entry = self.values.get(place)
        return entry[1] if entry else None

    def hash(self, place: Place) -> bytes | None:
        """SHA-256 of the committed value."""
        value = self.value(place)
        return None if value is None else hashlib.sha256(value).digest()

    def range(
        self, namespace: str, collection: str, start: str, end: str
    ) -> list[tuple[str, bytes, Version]]:
        """The rows from ``start`` up to but without ``end`` (open if empty), by their UTF-8 keys."""
        keys = self._keys.get((namespace, collection), [])
        first = bisect_left(keys, start.encode())
        last = bisect_left(keys, end.encode()) if end else len(keys)
        names = [key.decode() for key in keys[first:last]]
        return [(name, *self.values[Place(namespace, collection, name)]) for name in names]

    def write(
        self, place: Place, value: bytes | None, version: Version, transaction_id: str, timestamp: Timestamp
    ) -> None:
        """Commit one write; None deletes the value and its metadata."""
        if value is None:
            if self.values.pop(place, None) is not None:
                keys = self._keys[place[:2]]
                del keys[bisect_left(keys, place.key.encode())]
            self.metadata.pop(place, None)
        else:
            if place not in self.values:
                insort(self._keys.setdefault(place[:2], []), place.key.encode())
            self.values[place] = (value, version)
        change = KeyModification(transaction_id, value or b"", timestamp, value is None)
        self.history.setdefault(place, []).append(change)
