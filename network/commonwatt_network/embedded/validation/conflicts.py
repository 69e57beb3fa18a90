# SPDX-License-Identifier: Apache-2.0
"""Concurrency control at commit: reads must still hold, ranges must still read the same (MVCC and phantoms)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from commonwatt_network.embedded.channels.transactions import Codes, NamespaceSets
from commonwatt_network.embedded.ledger import Version, VersionedValue, hashed_namespace
from commonwatt_network.embedded.ledger.state import Location, State, Updates
from commonwatt_network.embedded.simulation.range_reads import RangeReads
from commonwatt_network.embedded.simulation.read_write_set import kv_read

LEAST_DEGREE = 2  # of the Merkle tree over many reads, on Fabric


def find_conflict(namespaces: tuple[NamespaceSets, ...], state: State, updates: Updates) -> int:
    """VALID, or the code of the first read that `state` or the block's `updates` so far contradict."""
    for sets in namespaces:
        public = [((sets.namespace, read.key.encode()), read) for read in sets.public.reads]
        if not _reads_hold(public, state, updates):
            return int(Codes.MVCC_READ_CONFLICT)
        for query in sets.public.range_queries_info:
            if not _range_holds(sets.namespace, query, state, updates):
                return int(Codes.PHANTOM_READ_CONFLICT)
        for collection in sets.collections:
            namespace = hashed_namespace(sets.namespace, collection.collection)
            hashed = [((namespace, read.key_hash), read) for read in collection.hashed.hashed_reads]
            if not _reads_hold(hashed, state, updates):
                return int(Codes.MVCC_READ_CONFLICT)
    return int(Codes.VALID)


def _reads_hold(reads: Sequence[tuple[Location, Any]], state: State, updates: Updates) -> bool:
    """Whether each place has the version that was read there, and the block changed none before."""
    if any(location in updates for location, _ in reads):
        return False
    committed = state.several(location for location, _ in reads)
    for location, read in reads:
        found = committed[location]
        expected = Version(read.version.block_num, read.version.tx_num) if read.HasField("version") else None
        if (found.version if found else None) != expected:
            return False
    return True


def _range_holds(namespace: str, query: Any, state: State, updates: Updates) -> bool:
    """Whether the range reads now as it did, over the state and the block's updates so far."""
    hashed = query.HasField("reads_merkle_hashes")
    if hashed and query.reads_merkle_hashes.max_degree < LEAST_DEGREE:
        return False  # no peer records such a summary: of degree 0 it would never come to an end
    reads = RangeReads(query.reads_merkle_hashes.max_degree) if hashed else None
    recorded = query.raw_reads.kv_reads
    count = 0
    for key, found in _keys_read(namespace, query, state, updates):
        try:
            read = kv_read(key.decode(), found.version)
        except UnicodeDecodeError:  # the hash of a private key: no peer reads a range of these
            return False
        if reads is not None:
            reads.add(read)
        elif count >= len(recorded) or recorded[count] != read:
            return False
        count += 1
    if reads is None:
        return count == len(recorded)
    again = type(query)()
    reads.into(again)
    return bool(again.reads_merkle_hashes == query.reads_merkle_hashes)


def _keys_read(
    namespace: str, query: Any, state: State, updates: Updates
) -> Iterator[tuple[bytes, VersionedValue]]:
    start, end = query.start_key.encode(), query.end_key.encode()
    yield from _merged(namespace, start, end, state, updates)
    if (
        not query.itr_exhausted
    ):  # the last key that was seen belongs to what was read; real peers look at it last
        location = (namespace, end)
        last = updates[location] if location in updates else state.get(*location)
        if last is not None:
            yield end, last


def _merged(
    namespace: str, start: bytes, end: bytes, state: State, updates: Updates
) -> Iterator[tuple[bytes, VersionedValue]]:
    changed = {
        key: value
        for (ns, key), value in updates.items()
        if ns == namespace and key >= start and (not end or key < end)
    }
    if not changed:
        yield from state.range(namespace, start, end)
        return
    entries = dict(state.range(namespace, start, end))
    for key in sorted(entries.keys() | changed.keys()):
        value = changed[key] if key in changed else entries[key]
        if value is not None:
            yield key, value
