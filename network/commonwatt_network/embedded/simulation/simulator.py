# SPDX-License-Identifier: Apache-2.0
"""The ledger as one transaction sees it: reads at one height, writes recorded and never read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from commonwatt_network.embedded.ledger import (
    StateView,
    Version,
    VersionedValue,
    hashed_namespace,
    private_namespace,
)
from commonwatt_network.embedded.simulation.read_write_set import Metadata, RangeQuery, ReadWriteSet, kv_read


class SimulationError(Exception):
    """The transaction asked for something that Fabric's ledger refuses; the text is Fabric's."""


CollectionNames = Callable[[str, Callable[[str], bytes | None]], "set[str] | None"]
"""(chaincode, read of a `_lifecycle` key) -> the names of its collections, None where it has no definition."""


@dataclass(frozen=True)
class SimulationResult:
    """What a simulation leaves: `public`, TxReadWriteSet bytes, and `private`, a TxPvtReadWriteSet message or None.

    The choice of endorsers depends on the rest: the metadata of every written key by (chaincode, collection, key), and
    the (chaincode, collection) whose private data were read.
    """

    public: bytes
    private: Any | None
    namespaces: tuple[str, ...]
    written_metadata: Mapping[tuple[str, str, str], Metadata]
    private_reads: frozenset[tuple[str, str]]


def decode_metadata(metadata: bytes) -> dict[str, bytes]:
    """The entries of a key's stored metadata, by name."""
    return (
        {entry.name: entry.value for entry in kv.KVMetadataWrite.FromString(metadata).entries}
        if metadata
        else {}
    )


class Simulator:
    """One transaction's view of a channel. Not to be used after `close`."""

    def __init__(self, transaction_id: str, view: StateView, collection_names: CollectionNames) -> None:
        self._transaction_id = transaction_id
        self._view = view
        self._collection_names = collection_names
        self._collections: dict[str, set[str]] = {}
        self._sets = ReadWriteSet()
        self._written_metadata: dict[tuple[str, str, str], Metadata] = {}
        self._private_reads: set[tuple[str, str]] = set()
        self._wrote = False
        self._queried_private_data = False
        self._queried_pages = False
        self.closed = False

    @property
    def height(self) -> int:
        return self._view.height

    def again(self) -> Simulator:
        """A fresh simulation of the same transaction on the same view; close only this one."""
        return Simulator(self._transaction_id, self._view, self._collection_names)

    def close(self) -> None:
        self.closed = True
        self._view.close()

    # Public state

    def get_state(self, namespace: str, key: str) -> bytes | None:
        found = self._read(namespace, key)
        return found.value if found else None

    def get_states(self, namespace: str, keys: Sequence[str]) -> list[bytes | None]:
        """Several values at once."""
        places = [(namespace, key.encode()) for key in keys]
        found = self._view.several(places)
        reads = self._sets.namespace(namespace).reads
        values = []
        for key, place in zip(keys, places, strict=True):
            entry = found[place]
            reads[key] = entry.version if entry else None
            values.append(entry.value if entry else None)
        return values

    def get_metadata(self, namespace: str, key: str) -> dict[str, bytes]:
        found = self._read(namespace, key)
        return decode_metadata(found.metadata) if found else {}

    def _read(self, namespace: str, key: str) -> VersionedValue | None:
        found = self._view.get(namespace, key.encode())
        self._sets.namespace(namespace).reads[key] = found.version if found else None
        return found

    def set_state(self, namespace: str, key: str, value: bytes) -> None:
        """Write a value; an empty value deletes the key."""
        self._before_write()
        self._sets.namespace(namespace).writes[key] = value
        self._note_written(namespace, key)

    def set_metadata(self, namespace: str, key: str, metadata: Metadata) -> None:
        self._before_write()
        self._sets.namespace(namespace).metadata_writes[key] = metadata
        self._note_written(namespace, key)

    def _note_written(self, namespace: str, key: str) -> None:
        self._written_metadata[(namespace, "", key)] = self._metadata_at(namespace, key.encode())

    def _metadata_at(self, namespace: str, key: bytes) -> dict[str, bytes]:
        """Looked up only where some key has any: a batch of messages writes thousands."""
        found = self._view.get(namespace, key) if self._view.has_metadata(namespace) else None
        return decode_metadata(found.metadata) if found else {}

    def range(self, namespace: str, start: str, end: str, page: bool = False) -> Iterator[tuple[str, bytes]]:
        """Keys and values from `start` up to and without `end`. Only rows that the caller took count as read."""
        if page:
            self._before_page()
        query = RangeQuery(start)
        self._sets.namespace(namespace).range_queries.append(query)
        return self._range(namespace, query, end)

    def _range(self, namespace: str, query: RangeQuery, end: str) -> Iterator[tuple[str, bytes]]:
        for key, found in self._view.range(namespace, query.start_key.encode(), end.encode()):
            name = key.decode()
            query.reads.add(kv_read(name, found.version))
            query.end_key = name
            yield name, found.value
        query.exhausted, query.end_key = True, end

    def _before_page(self) -> None:
        if self._wrote:
            raise self._unsupported("Paginated queries are supported only in a read-only transaction")
        self._queried_pages = True

    def next_key(self, namespace: str, start: str, end: str) -> str:
        """The first key from `start`, unrecorded: the bookmark of a page; empty where there is none."""
        for key, _ in self._view.range(namespace, start.encode(), end.encode()):
            return key.decode()
        return ""

    def query(self, namespace: str, collection: str, start: str, page: bool) -> Iterator[tuple[str, bytes]]:
        """What a rich query looks through, from key `start` on, unrecorded: `found` notes what it returns."""
        if collection:
            return self.private_range(namespace, collection, start, "")
        if page:
            self._before_page()
        return (
            (key.decode(), found.value) for key, found in self._view.range(namespace, start.encode(), b"")
        )

    def found(self, namespace: str, collection: str, key: str) -> bytes:
        """The value of a row that a rich query returns. Public rows are reads; nothing guards against phantoms."""
        if collection:
            entry = self._view.get(private_namespace(namespace, collection), key.encode())
        else:
            entry = self._read(namespace, key)
        return entry.value if entry else b""

    # Private data

    def get_private(self, namespace: str, collection: str, key: str) -> bytes | None:
        """Raises SimulationError where this peer lacks the value that the channel's hashes tell of."""
        self._check_collection(namespace, collection)
        found = self._view.get(private_namespace(namespace, collection), key.encode())
        hashed = self._view.get(hashed_namespace(namespace, collection), _key_hash(key))
        return self._read_private(namespace, collection, key, found, hashed)

    def get_privates(self, namespace: str, collection: str, keys: Sequence[str]) -> list[bytes | None]:
        """Several values at once. Raises SimulationError where this peer lacks one that the hashes tell of."""
        self._check_collection(namespace, collection)
        values, hashes = private_namespace(namespace, collection), hashed_namespace(namespace, collection)
        places = [((values, key.encode()), (hashes, _key_hash(key))) for key in keys]
        state = self._view.several(location for both in places for location in both)
        return [
            self._read_private(namespace, collection, key, state[place], state[hash_place])
            for key, (place, hash_place) in zip(keys, places, strict=True)
        ]

    def _read_private(
        self,
        namespace: str,
        collection: str,
        key: str,
        found: VersionedValue | None,
        hashed: VersionedValue | None,
    ) -> bytes | None:
        version = found.version if found else None
        hashed_version = hashed.version if hashed else None
        if version != hashed_version:
            raise SimulationError(
                "private data matching public hash version is not available. Public hash version = "
                f"{_height_text(hashed_version)}, Private data version = {_height_text(version)}"
            )
        self._sets.collection(namespace, collection).reads[key] = version
        self._private_reads.add((namespace, collection))
        return found.value if found else None

    def get_private_hash(self, namespace: str, collection: str, key: str) -> bytes | None:
        found = self._read_hash(namespace, collection, key)
        return found.value if found else None

    def get_private_metadata(self, namespace: str, collection: str, key: str) -> dict[str, bytes]:
        found = self._read_hash(namespace, collection, key)
        return decode_metadata(found.metadata) if found else {}

    def _read_hash(self, namespace: str, collection: str, key: str) -> VersionedValue | None:
        self._check_collection(namespace, collection)
        found = self._view.get(hashed_namespace(namespace, collection), _key_hash(key))
        self._sets.collection(namespace, collection).reads[key] = found.version if found else None
        return found

    def set_private(
        self, namespace: str, collection: str, key: str, value: bytes, purge: bool = False
    ) -> None:
        self._check_collection(namespace, collection)
        self._before_write()
        sets = self._sets.collection(namespace, collection)
        sets.writes[key] = value
        sets.purged.discard(key)
        if purge:
            sets.purged.add(key)
        self._note_private_written(namespace, collection, key)

    def set_private_metadata(self, namespace: str, collection: str, key: str, metadata: Metadata) -> None:
        self._check_collection(namespace, collection)
        self._before_write()
        self._sets.collection(namespace, collection).metadata_writes[key] = metadata
        self._note_private_written(namespace, collection, key)

    def _note_private_written(self, namespace: str, collection: str, key: str) -> None:
        self._written_metadata[(namespace, collection, key)] = self._metadata_at(
            hashed_namespace(namespace, collection), _key_hash(key)
        )

    def private_range(
        self, namespace: str, collection: str, start: str, end: str
    ) -> Iterator[tuple[str, bytes]]:
        if self._wrote:
            raise self._unsupported("Queries on pvt data is supported only in a read-only transaction")
        self._queried_private_data = True
        self._check_collection(namespace, collection)
        entries = self._view.range(private_namespace(namespace, collection), start.encode(), end.encode())
        return ((key.decode(), found.value) for key, found in entries)

    def _check_collection(self, namespace: str, collection: str) -> None:
        names = self._collections.get(namespace)
        if names is None:
            found = self._collection_names(namespace, lambda key: self.get_state("_lifecycle", key))
            if found is None:
                raise SimulationError(
                    f"collection config not defined for chaincode [{namespace}], pass the collection configuration "
                    "upon chaincode definition/instantiation"
                )
            names = self._collections[namespace] = found
        if collection not in names:
            raise SimulationError(
                f"collection [{collection}] not defined in the collection config for chaincode [{namespace}]"
            )

    # Results

    def _before_write(self) -> None:
        if self._queried_private_data:
            raise self._unsupported(
                "Transaction has already performed queries on pvt data. Writes are not allowed"
            )
        if self._queried_pages:
            raise self._unsupported(
                "Transaction has already performed a paginated query. Writes are not allowed"
            )
        self._wrote = True

    def _unsupported(self, why: str) -> SimulationError:
        return SimulationError(
            f"txid [{self._transaction_id}]: unsuppored transaction. {why}"
        )  # Fabric's spelling

    def result(self) -> SimulationResult:
        public, private = self._sets.messages()
        return SimulationResult(
            public=public.SerializeToString(),
            private=private,
            namespaces=tuple(sorted(self._sets.namespaces)),
            written_metadata=self._written_metadata,
            private_reads=frozenset(self._private_reads),
        )


def _key_hash(key: str) -> bytes:
    return sha256(key.encode()).digest()


def _height_text(version: Version | None) -> str:
    return "<nil>" if version is None else f"{{BlockNum: {version[0]}, TxNum: {version[1]}}}"
