# SPDX-License-Identifier: Apache-2.0
"""The read-write set of one transaction, built in the order and form of a Fabric peer.

Two endorsers' results must be equal byte for byte, and equal to what a real peer would make of the same
transaction: namespaces, collections and keys sorted; range queries in the order they were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from commonwatt_network.embedded.ledger import Version
from commonwatt_network.embedded.simulation.range_reads import RangeReads

Metadata = Mapping[str, bytes]


def kv_read(key: str, version: Version | None) -> Any:
    """A KVRead. `version` is None for a key that is absent."""
    return kv.KVRead(key=key, version=_proto_version(version))


def _proto_version(version: Version | None) -> Any | None:
    return None if version is None else kv.Version(block_num=version[0], tx_num=version[1])


def _metadata_entries(metadata: Metadata) -> list[Any]:
    return [kv.KVMetadataEntry(name=name, value=metadata[name]) for name in sorted(metadata)]


@dataclass
class RangeQuery:
    """A range query as it proceeds: `end_key` is the last key seen until the iterator is exhausted."""

    start_key: str
    end_key: str = ""
    exhausted: bool = False
    reads: RangeReads = field(default_factory=RangeReads)

    def message(self) -> Any:
        info = kv.RangeQueryInfo(start_key=self.start_key, end_key=self.end_key, itr_exhausted=self.exhausted)
        self.reads.into(info)
        return info


@dataclass
class CollectionSet:
    """Reads and writes of one private collection; `writes` maps to the value, `purged` are writes that purge."""

    reads: dict[str, Version | None] = field(default_factory=dict)
    writes: dict[str, bytes] = field(default_factory=dict)
    purged: set[str] = field(default_factory=set)
    metadata_writes: dict[str, Metadata] = field(default_factory=dict)

    def private_message(self) -> Any | None:
        """What members' peers exchange: the plain writes; None where there is nothing of that kind."""
        if not self.writes and not self.metadata_writes:
            return None
        return kv.KVRWSet(
            writes=[
                kv.KVWrite(key=key, is_delete=not value, value=value)
                for key, value in sorted(self.writes.items())
            ],
            metadata_writes=[kv.KVMetadataWrite(key=key) for key in sorted(self.metadata_writes)],
        )

    def hashed_message(self) -> Any:
        """What every peer sees: hashes of keys and values."""
        hashed = kv.HashedRWSet()
        for key, version in sorted(self.reads.items(), key=_by_key):
            hashed.hashed_reads.add(key_hash=_key_hash(key), version=_proto_version(version))
        for key, value in sorted(self.writes.items()):
            hashed.hashed_writes.add(
                key_hash=_key_hash(key),
                is_delete=not value,
                value_hash=sha256(value).digest() if value else b"",
                is_purge=key in self.purged,
            )
        for key, metadata in sorted(self.metadata_writes.items(), key=_by_key):
            hashed.metadata_writes.add(key_hash=_key_hash(key), entries=_metadata_entries(metadata))
        return hashed


def _by_key(item: tuple[str, Any]) -> str:
    return item[0]


def _key_hash(key: str) -> bytes:
    return sha256(key.encode()).digest()


@dataclass
class NamespaceSet:
    """Reads and writes of one chaincode's namespace; an empty written value is a deletion, as in Fabric."""

    reads: dict[str, Version | None] = field(default_factory=dict)
    writes: dict[str, bytes] = field(default_factory=dict)
    metadata_writes: dict[str, Metadata] = field(default_factory=dict)
    range_queries: list[RangeQuery] = field(default_factory=list)
    collections: dict[str, CollectionSet] = field(default_factory=dict)

    def message(self) -> Any:
        return kv.KVRWSet(
            reads=[kv_read(key, self.reads[key]) for key in sorted(self.reads)],
            range_queries_info=[query.message() for query in self._distinct_range_queries()],
            writes=[
                kv.KVWrite(key=key, is_delete=not value, value=value)
                for key, value in sorted(self.writes.items())
            ],
            metadata_writes=[
                kv.KVMetadataWrite(key=key, entries=_metadata_entries(metadata))
                for key, metadata in sorted(self.metadata_writes.items(), key=_by_key)
            ],
        )

    def _distinct_range_queries(self) -> Iterator[RangeQuery]:
        seen = set()
        for query in self.range_queries:
            identity = (query.start_key, query.end_key, query.exhausted)
            if identity not in seen:
                seen.add(identity)
                yield query


class ReadWriteSet:
    """All namespaces that a transaction touched."""

    def __init__(self) -> None:
        self.namespaces: dict[str, NamespaceSet] = {}

    def namespace(self, name: str) -> NamespaceSet:
        found = self.namespaces.get(name)
        if found is None:
            found = self.namespaces[name] = NamespaceSet()
        return found

    def collection(self, namespace: str, collection: str) -> CollectionSet:
        collections = self.namespace(namespace).collections
        found = collections.get(collection)
        if found is None:
            found = collections[collection] = CollectionSet()
        return found

    def messages(self) -> tuple[Any, Any | None]:
        """TxReadWriteSet: public reads and writes, and the hashes of the private ones; and TxPvtReadWriteSet, or None
        where the transaction wrote no private data."""
        public = rwset_pb2.TxReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
        private = rwset_pb2.TxPvtReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
        for name, namespace in sorted(self.namespaces.items(), key=_by_key):
            shown = public.ns_rwset.add(namespace=name, rwset=namespace.message().SerializeToString())
            kept = []
            for collection, sets in sorted(namespace.collections.items(), key=_by_key):
                plain = sets.private_message()
                encoded = b"" if plain is None else plain.SerializeToString()
                shown.collection_hashed_rwset.add(
                    collection_name=collection,
                    hashed_rwset=sets.hashed_message().SerializeToString(),
                    pvt_rwset_hash=b"" if plain is None else sha256(encoded).digest(),
                )
                if plain is not None:
                    kept.append(
                        rwset_pb2.CollectionPvtReadWriteSet(collection_name=collection, rwset=encoded)
                    )
            if kept:
                private.ns_pvt_rwset.add(namespace=name, collection_pvt_rwset=kept)
        return public, private if private.ns_pvt_rwset else None
