# SPDX-License-Identifier: Apache-2.0
"""Private data at commit: finding each member's write sets, checking them against their hashes, and their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, Protocol

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.transactions import Codes, CollectionSets, NamespaceSets
from commonwatt_network.embedded.ledger import (
    ExpiringKey,
    PrivateUpdates,
    PrivateWrite,
    Version,
)
from commonwatt_network.embedded.validation.updates import BlockUpdates

# Verdicts on transactions that their creators signed, and whose private data are kept though they are invalid.
LOST = frozenset((Codes.ENDORSEMENT_POLICY_FAILURE, Codes.MVCC_READ_CONFLICT, Codes.PHANTOM_READ_CONFLICT))
LAST_BLOCK_NUMBER = 2**63 - 1  # the ledger's numbers are signed; no channel comes as far

Fetch = Callable[[str, Version, str, str, bytes], Iterable[bytes]]
"""(transaction id, its version, chaincode, collection, wanted hash) -> write sets from wherever one is to be had."""


class Collections(Protocol):
    """What the peer knows of the channel's collections."""

    def is_member(self, namespace: str, collection: str) -> bool:
        """Whether this peer is to hold the collection's data."""

    def block_to_live(self, namespace: str, collection: str) -> int:
        """For how many blocks data live; 0 is for ever."""


class PrivateCommit:
    """Gathers the private side of one block."""

    def __init__(
        self, block_number: int, collections: Collections, fetch: Fetch, updates: BlockUpdates
    ) -> None:
        self._block_number = block_number
        self._collections = collections
        self._fetch = fetch
        self._updates = updates
        self.result = PrivateUpdates()

    def apply(self, transaction_id: str, namespaces: tuple[NamespaceSets, ...], version: Version) -> None:
        """Take over a valid transaction's private writes, after its public ones."""
        touched = False
        for sets in namespaces:
            for collection in sets.collections:
                if collection.writes:
                    touched = True
                    self._apply(transaction_id, sets.namespace, collection, version)
        if touched:
            self.result.committed_txids.append(transaction_id)

    def keep(self, transaction_id: str, namespaces: tuple[NamespaceSets, ...], version: Version) -> None:
        """Keep what an invalid transaction would have written: streams of blocks with private data tell it too.

        As Fabric does from the capability V1_4_2 on. A write set that nobody has now is given up for good.
        """
        for sets in namespaces:
            for collection in sets.collections:
                name = collection.collection
                encoded = self._found(transaction_id, sets.namespace, collection, version)
                if encoded is not None:
                    end = self._expires_at(sets.namespace, name)
                    write = PrivateWrite(version.transaction_number, sets.namespace, name, encoded, end)
                    self.result.writes.append(write)
                    self.result.committed_txids.append(transaction_id)

    def _expires_at(self, namespace: str, collection: str) -> int | None:
        return expires_at(self._block_number, self._collections.block_to_live(namespace, collection))

    def _found(
        self, transaction_id: str, namespace: str, sets: CollectionSets, version: Version
    ) -> bytes | None:
        """The write set that was endorsed, where this peer is to hold it and somebody has it."""
        name = sets.collection
        if not sets.private_hash or not self._collections.is_member(namespace, name):
            return None
        found = self._fetch(transaction_id, version, namespace, name, sets.private_hash)
        return next((each for each in found if is_write_set(each, sets)), None)

    def _apply(self, transaction_id: str, namespace: str, sets: CollectionSets, version: Version) -> None:
        name, position = sets.collection, version.transaction_number
        end = self._expires_at(namespace, name)
        keys: dict[bytes, bytes] = {}
        if sets.private_hash and not self._collections.is_member(namespace, name):
            self.result.others.append((position, namespace, name))
        elif sets.private_hash:
            encoded = self._found(transaction_id, namespace, sets, version)
            if encoded is None:
                self.result.missing.append((position, namespace, name))
            else:
                rwset = kv.KVRWSet.FromString(encoded)
                self._updates.apply_private(namespace, name, rwset, version)
                write = PrivateWrite(position, namespace, name, encoded, end)
                self.result.writes.append(write)
                if end is not None:
                    keys = {sha256(write.key.encode()).digest(): write.key.encode() for write in rwset.writes}
        for hashed in sets.hashed.hashed_writes:
            if hashed.is_purge:
                self.result.purged.append((position, namespace, name, hashed.key_hash))
            if end is not None and not hashed.is_delete:
                key = keys.get(hashed.key_hash)
                self.result.expiring.append(ExpiringKey(end, namespace, name, hashed.key_hash, key, position))


def expires_at(block_number: int, block_to_live: int) -> int | None:
    """With which block ends what block `block_number` wrote; None if it never does."""
    end = block_number + block_to_live + 1
    return end if block_to_live and end <= LAST_BLOCK_NUMBER else None


def is_write_set(encoded: bytes, sets: CollectionSets) -> bool:
    """Whether it can be read, and is the write set that was endorsed: as it was or without keys purged since."""
    try:
        rwset = kv.KVRWSet.FromString(encoded)
    except DecodeError:
        return False
    if sha256(encoded).digest() == sets.private_hash:
        return True
    endorsed = {
        write.key_hash: b"" if write.is_delete else write.value_hash for write in sets.hashed.hashed_writes
    }
    return all(
        endorsed.get(sha256(write.key.encode()).digest())
        == (b"" if write.is_delete else sha256(write.value).digest())
        for write in rwset.writes
    )


def find_write_set(encoded: bytes, namespace: str, collection: str, wanted_hash: bytes) -> bytes | None:
    """The collection's write set within a serialized TxPvtReadWriteSet, if it has the hash that was endorsed."""
    message: Any = rwset_pb2.TxPvtReadWriteSet.FromString(encoded)
    for sets in message.ns_pvt_rwset:
        for entry in sets.collection_pvt_rwset:
            if sets.namespace == namespace and entry.collection_name == collection:
                found: bytes = entry.rwset
                if sha256(found).digest() == wanted_hash:
                    return found
    return None
