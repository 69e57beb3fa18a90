# SPDX-License-Identifier: Apache-2.0
"""The Merkle summary that Fabric records of a range query with many results, in place of the results."""

from collections.abc import Iterable
from hashlib import sha256

from commonwatt_client.ledger.read_write_set import Version
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2


def summary_of(reads: Iterable[tuple[bytes, Version]], degree: int) -> tuple[int, tuple[bytes, ...]]:
    """The highest level of the tree over the reads, and that level's hashes.

    Reads are hashed in groups of `degree` + 1, such hashes in groups of as many again, until a level holds at
    most `degree`. Reads fewer than a group have no tree: level 1 without hashes. A degree below 2, of which no peer
    makes a tree, does not count either. Raises UnicodeError for a key that is no text.
    """
    if degree < 2:
        return 1, ()
    levels: list[list[bytes]] = [[]]
    group: list[kv_rwset_pb2.KVRead] = []
    for key, version in reads:
        seen = kv_rwset_pb2.Version(block_num=version.block, tx_num=version.transaction)
        group.append(kv_rwset_pb2.KVRead(key=key.decode(), version=seen))
        if len(group) > degree:
            _add(levels, group, degree)
            group = []
    if not any(levels):
        return 1, ()
    if group:
        _add(levels, group, degree)
    return _complete(levels, degree)


def _add(levels: list[list[bytes]], group: list[kv_rwset_pb2.KVRead], degree: int) -> None:
    levels[0].append(sha256(kv_rwset_pb2.QueryReads(kv_reads=group).SerializeToString()).digest())
    for place, hashes in enumerate(levels):
        if len(hashes) <= degree:
            return
        if place + 1 == len(levels):
            levels.append([])
        levels[place + 1].append(_joined(hashes))
        levels[place] = []


def _complete(levels: list[list[bytes]], degree: int) -> tuple[int, tuple[bytes, ...]]:
    """Carry what is left of each level to the next one."""
    for place in range(len(levels) - 1):
        if levels[place]:
            levels[place + 1].append(_joined(levels[place]))
    if len(levels[-1]) > degree:
        return len(levels) + 1, (_joined(levels[-1]),)
    return len(levels), tuple(levels[-1])


def _joined(hashes: list[bytes]) -> bytes:
    return hashes[0] if len(hashes) == 1 else sha256(b"".join(hashes)).digest()
