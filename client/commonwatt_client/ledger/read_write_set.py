# SPDX-License-Identifier: Apache-2.0
"""Read-write sets: what a transaction read, and what it writes if it is valid."""

from dataclasses import dataclass
from typing import Any

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from commonwatt_client.ledger.wire import parse


@dataclass(frozen=True, order=True)
class Version:
    """Where a key was last written: transaction `transaction` of block `block`, both counted from 0."""

    block: int
    transaction: int


@dataclass(frozen=True)
class Read:
    """A key read and the version seen; the version is None when the key was absent."""

    key: str
    version: Version | None


@dataclass(frozen=True)
class RangeQuery:
    """A range [start_key, end_key) read; `exhausted` when it was read to its end.

    `reads` are the results, or empty where a Merkle summary of them was recorded (`summarized`). `summary_hashes` are
    the hashes of level `summary_level` of a tree of which each node has up to `summary_degree` + 1 below it.
    """

    start_key: str
    end_key: str
    exhausted: bool
    reads: tuple[Read, ...]
    summary_hashes: tuple[bytes, ...] = ()
    summary_level: int = 0
    summary_degree: int = 0
    summarized: bool = False


@dataclass(frozen=True)
class Write:
    """A key written, or deleted."""

    key: str
    value: bytes
    is_delete: bool = False


@dataclass(frozen=True)
class MetadataWrite:
    """A key's metadata written (its own endorsement policy, for one), by name."""

    key: str
    entries: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class HashedRead:
    """A private key read, by the SHA-256 of its name."""

    key_hash: bytes
    version: Version | None


@dataclass(frozen=True)
class HashedWrite:
    """A private key written, deleted or purged, by the SHA-256 of its name and of its value."""

    key_hash: bytes
    value_hash: bytes
    is_delete: bool = False
    is_purge: bool = False


@dataclass(frozen=True)
class HashedMetadataWrite:
    """A private key's metadata written, by the SHA-256 of its name."""

    key_hash: bytes
    entries: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class CollectionReadWriteSet:
    """What the ledger shows of reads and writes in a private data collection.

    private_hash: SHA-256 of the private read-write set that the collection's members hold.
    """

    collection: str
    reads: tuple[HashedRead, ...]
    writes: tuple[HashedWrite, ...]
    private_hash: bytes
    metadata_writes: tuple[HashedMetadataWrite, ...] = ()


@dataclass(frozen=True)
class NamespaceReadWriteSet:
    """Reads and writes in one chaincode's namespace."""

    namespace: str
    reads: tuple[Read, ...] = ()
    range_queries: tuple[RangeQuery, ...] = ()
    writes: tuple[Write, ...] = ()
    metadata_writes: tuple[MetadataWrite, ...] = ()
    collections: tuple[CollectionReadWriteSet, ...] = ()


def decode_read_write_sets(content: bytes) -> tuple[NamespaceReadWriteSet, ...]:
    """Read a ``rwset.TxReadWriteSet``. Raises UnexpectedAnswerError."""
    return tuple(map(_namespace, parse(rwset_pb2.TxReadWriteSet, content).ns_rwset))


def _namespace(public: Any) -> NamespaceReadWriteSet:
    inner = parse(kv_rwset_pb2.KVRWSet, public.rwset)
    return NamespaceReadWriteSet(
        namespace=public.namespace,
        reads=tuple(map(_read, inner.reads)),
        range_queries=tuple(map(_range, inner.range_queries_info)),
        writes=tuple(Write(write.key, write.value, write.is_delete) for write in inner.writes),
        metadata_writes=tuple(MetadataWrite(write.key, _entries(write)) for write in inner.metadata_writes),
        collections=tuple(map(_collection, public.collection_hashed_rwset)),
    )


def _collection(hashed: Any) -> CollectionReadWriteSet:
    inner = parse(kv_rwset_pb2.HashedRWSet, hashed.hashed_rwset)
    return CollectionReadWriteSet(
        hashed.collection_name,
        tuple(HashedRead(read.key_hash, _version(read)) for read in inner.hashed_reads),
        tuple(
            HashedWrite(write.key_hash, write.value_hash, write.is_delete, write.is_purge)
            for write in inner.hashed_writes
        ),
        hashed.pvt_rwset_hash,
        tuple(HashedMetadataWrite(write.key_hash, _entries(write)) for write in inner.metadata_writes),
    )


def _entries(write: Any) -> tuple[tuple[str, bytes], ...]:
    return tuple((entry.name, entry.value) for entry in write.entries)


def _range(query: Any) -> RangeQuery:
    return RangeQuery(
        query.start_key,
        query.end_key,
        query.itr_exhausted,
        tuple(map(_read, query.raw_reads.kv_reads)),
        tuple(query.reads_merkle_hashes.max_level_hashes),
        query.reads_merkle_hashes.max_level,
        query.reads_merkle_hashes.max_degree,
        query.HasField("reads_merkle_hashes"),
    )


def _read(read: Any) -> Read:
    return Read(read.key, _version(read))


def _version(read: Any) -> Version | None:
    return Version(read.version.block_num, read.version.tx_num) if read.HasField("version") else None
