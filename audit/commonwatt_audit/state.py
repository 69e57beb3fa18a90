# SPDX-License-Identifier: Apache-2.0
"""A channel's state as far as verdicts on transactions depend on it: versions of keys, not their values.

Of values it keeps chaincodes' definitions and the endorsement policies that single keys have of their own.
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from itertools import zip_longest
from typing import Any, NamedTuple

from commonwatt_client.ledger.read_write_set import NamespaceReadWriteSet, RangeQuery, Version
from commonwatt_client.ledger.validation import ValidationCode
from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2
from sortedcontainers import SortedDict

from commonwatt_audit.summaries import summary_of

LIFECYCLE = "_lifecycle"
_OWN_POLICY = "VALIDATION_PARAMETER"
_NO_VALUE = (b"", sha256(b"").digest())


class Space(NamedTuple):
    """A chaincode's keys, or (by the hashes of their names) those of one of its private data collections."""

    namespace: str
    collection: str | None = None

    @property
    def location(self) -> str:
        """Where peers keep the keys: a transaction may name this place as if it were a chaincode."""
        return self.namespace if self.collection is None else f"{self.namespace}$$h{self.collection}"


Key = bytes
Entries = tuple[tuple[str, bytes], ...]


class State:
    """As the valid transactions so far leave it."""

    def __init__(self) -> None:
        self._versions: defaultdict[str, SortedDict] = defaultdict(SortedDict)
        self._policies: dict[tuple[str, Key], bytes] = {}
        self._definitions: dict[str, bytes] = {}
        self._touched: set[tuple[str, Key]] = set()
        self._expiring: defaultdict[int, list[tuple[Space, Key, Version]]] = defaultdict(list)

    def conflict(self, sets: tuple[NamespaceReadWriteSet, ...]) -> tuple[ValidationCode, str]:
        """VALID, or the code of the first read that no longer holds and the key it concerns."""
        mvcc, phantom = ValidationCode.MVCC_READ_CONFLICT, ValidationCode.PHANTOM_READ_CONFLICT
        for each in sets:
            space = Space(each.namespace)
            for read in each.reads:
                if not self._holds(space, read.key.encode(), read.version):
                    return mvcc, f"{read.key} had changed since it was read"
            for query in each.range_queries:
                if not self._reads_the_same(space, query):
                    return (
                        phantom,
                        f"what is in {query.start_key}..{query.end_key} had changed since it was read",
                    )
            for collection in each.collections:
                space = Space(each.namespace, collection.collection)
                for hashed in collection.reads:
                    if not self._holds(space, hashed.key_hash, hashed.version):
                        return (
                            mvcc,
                            f"a key of collection {collection.collection} had changed since it was read",
                        )
        return ValidationCode.VALID, ""

    def _holds(self, space: Space, key: Key, version: Version | None) -> bool:
        place = space.location
        return (place, key) not in self._touched and self._versions[place].get(key) == version

    def _reads_the_same(self, space: Space, query: RangeQuery) -> bool:
        found = self._range(space, query)
        if query.summarized:
            stated = (query.summary_level, query.summary_hashes)
            try:
                return bool(query.summary_hashes and summary_of(found, query.summary_degree) == stated)
            except UnicodeError:  # among hashes of private keys, which nobody reads a range of
                return False
        recorded = ((read.key.encode(), read.version) for read in query.reads)
        return all(one == other for one, other in zip_longest(found, recorded))

    def _range(self, space: Space, query: RangeQuery) -> Iterator[tuple[Key, Version]]:
        versions = self._versions[space.location]
        start, end = query.start_key.encode(), query.end_key.encode()
        for key in versions.irange(start, end or None, (True, False)):
            yield key, versions[key]
        # A query that was not read to its end names the last key that was seen, which peers look at last.
        if not query.exhausted and end in versions:
            yield end, versions[end]

    def apply(self, sets: tuple[NamespaceReadWriteSet, ...], version: Version) -> None:
        """Let a valid transaction's writes take effect."""
        for each in sets:
            space = Space(each.namespace)
            for write in each.writes:
                gone = write.is_delete or not write.value
                self._put(space, write.key.encode(), None if gone else version)
                if each.namespace == LIFECYCLE:
                    self._definitions[write.key] = b"" if gone else write.value
            for metadata in each.metadata_writes:
                self._put_policy(space, metadata.key.encode(), metadata.entries, version)
            for collection in each.collections:
                space = Space(each.namespace, collection.collection)
                lives = self._block_to_live(space)
                for hashed in collection.writes:
                    gone = hashed.is_delete or hashed.value_hash in _NO_VALUE  # a purge alone deletes nothing
                    self._put(space, hashed.key_hash, None if gone else version)
                    if lives and not gone:
                        self._expiring[version.block + lives + 1].append((space, hashed.key_hash, version))
                for changed in collection.metadata_writes:
                    self._put_policy(space, changed.key_hash, changed.entries, version)

    def _put(self, space: Space, key: Key, version: Version | None) -> None:
        place = space.location
        self._touched.add((place, key))
        if version is None:
            self._versions[place].pop(key, None)
            self._policies.pop((place, key), None)
        else:
            self._versions[place][key] = version

    def _put_policy(self, space: Space, key: Key, entries: Entries, version: Version) -> None:
        place = space.location
        if key not in self._versions[place]:
            return
        self._put(space, key, version)
        own = dict(entries).get(_OWN_POLICY, b"")
        if own:
            self._policies[place, key] = own
        else:
            self._policies.pop((place, key), None)

    def end_block(self, number: int) -> None:
        """Nothing counts as changed in the next block yet; private data that lived their time are gone."""
        for space, key, version in self._expiring.pop(number, ()):
            if self._versions[space.location].get(key) == version:
                self._put(space, key, None)
        self._touched.clear()

    def own_policy(self, space: Space, key: Key) -> bytes:
        """The ``SignaturePolicyEnvelope`` that a key has of its own; empty for most."""
        return self._policies.get((space.location, key), b"")

    def chaincode_policy(self, namespace: str) -> bytes | None:
        """The ``ApplicationPolicy`` of a chaincode's definition; None where it has none."""
        encoded = self._definitions.get(f"namespaces/fields/{namespace}/ValidationInfo")
        return _validation_parameter(encoded) if encoded else None

    def collection_policy(self, space: Space) -> bytes | None:
        """The ``ApplicationPolicy`` of a collection, empty where its chaincode's counts; None if there is none such."""
        found = self._collection(space)
        return None if found is None else bytes(found.endorsement_policy.SerializeToString())

    def _block_to_live(self, space: Space) -> int:
        found = self._collection(space)
        return 0 if found is None else int(found.block_to_live)

    def _collection(self, space: Space) -> Any | None:
        encoded = self._definitions.get(f"namespaces/fields/{space.namespace}/Collections")
        return _collections(encoded).get(space.collection or "") if encoded else None


@lru_cache(maxsize=64)
def _validation_parameter(encoded: bytes) -> bytes:
    data = db_pb2.StateData.FromString(encoded).Bytes
    return bytes(chaincode_definition_pb2.ChaincodeValidationInfo.FromString(data).validation_parameter)


@lru_cache(maxsize=64)
def _collections(encoded: bytes) -> dict[str, Any]:
    package = collection_pb2.CollectionConfigPackage.FromString(db_pb2.StateData.FromString(encoded).Bytes)
    return {each.static_collection_config.name: each.static_collection_config for each in package.config}
