# SPDX-License-Identifier: Apache-2.0
"""What valid transactions change: the new values, metadata and versions of keys, and their history."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from commonwatt_network.embedded.channels.transactions import NamespaceSets
from commonwatt_network.embedded.ledger import (
    Version,
    VersionedValue,
    hashed_namespace,
    private_namespace,
)
from commonwatt_network.embedded.ledger.state import Location, State, Updates

NO_VALUE_HASH = sha256(b"").digest()


class BlockUpdates:
    """Collects the updates of one block's valid transactions, in order."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.updates: Updates = {}
        self.deletions: dict[Location, Version] = {}  # which transaction deleted a key, last of all
        self.history: list[tuple[Location, int]] = []

    def _latest(self, location: Location) -> VersionedValue | None:
        if location in self.updates:
            return self.updates[location]
        return self._state.get(*location)

    def apply(self, namespaces: tuple[NamespaceSets, ...], version: Version) -> None:
        """Take over a transaction's public writes, and the hashes of its private ones."""
        for sets in namespaces:
            public = sets.public
            changes: dict[bytes, bytes] = {}
            for write in public.writes:
                key = write.key.encode()
                changes[key] = b"" if write.is_delete else write.value
                self.history.append(((sets.namespace, key), version.transaction_number))
            metadata = {write.key.encode(): write.entries for write in public.metadata_writes}
            self._apply(sets.namespace, changes, metadata, version)
            for collection in sets.collections:
                hashed = collection.hashed
                hashes = {
                    write.key_hash: b"" if _deletes(write) else write.value_hash
                    for write in hashed.hashed_writes
                }
                metadata = {write.key_hash: write.entries for write in hashed.metadata_writes}
                self._apply(
                    hashed_namespace(sets.namespace, collection.collection), hashes, metadata, version
                )

    def apply_private(self, namespace: str, collection: str, rwset: Any, version: Version) -> None:
        """Take over the plain writes to a collection that this peer's organisation belongs to."""
        changes = {write.key.encode(): b"" if write.is_delete else write.value for write in rwset.writes}
        location = private_namespace(namespace, collection)
        self._apply(location, changes, {}, version)
        for write in rwset.metadata_writes:  # only the hashed side has metadata; the versions must stay equal
            key = write.key.encode()
            if key not in changes and (found := self._latest((location, key))) is not None:
                self.updates[(location, key)] = found._replace(version=version)

    def _apply(
        self, namespace: str, changes: dict[bytes, bytes], metadata: dict[bytes, Any], version: Version
    ) -> None:
        keeps_metadata = bool(metadata) or self._state.has_metadata(namespace)
        for key, value in changes.items():
            location = (namespace, key)
            if not value:
                self.updates[location] = None
                self.deletions[location] = version
            elif key in metadata:
                self.updates[location] = VersionedValue(value, _encode(metadata[key]), version)
            else:
                former = self._latest(location) if keeps_metadata or location in self.updates else None
                self.updates[location] = VersionedValue(value, former.metadata if former else b"", version)
        for key, entries in metadata.items():
            if key not in changes and (found := self._latest((namespace, key))) is not None:
                self.updates[(namespace, key)] = VersionedValue(found.value, _encode(entries), version)


def _deletes(write: Any) -> bool:
    return bool(write.is_delete or not write.value_hash or write.value_hash == NO_VALUE_HASH)


def _encode(entries: Any) -> bytes:
    if not entries:
        return b""
    encoded: bytes = kv.KVMetadataWrite(entries=entries).SerializeToString()
    return encoded
