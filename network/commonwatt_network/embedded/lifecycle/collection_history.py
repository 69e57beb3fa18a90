# SPDX-License-Identifier: Apache-2.0
"""The collections that chaincodes have had, block by block, as snapshots hold them.

A peer that joins by a snapshot needs the former ones too. Private data go by the collections of their time, both those
that the peer asks others for and those that it tells readers of blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import db_pb2

from commonwatt_network.embedded.ledger import Ledger
from commonwatt_network.embedded.ledger.snapshot_files import collection_records
from commonwatt_network.embedded.lifecycle.invocation import NAMESPACE
from commonwatt_network.embedded.lifecycle.records import NAMESPACES, field_key

_LAST = 2**64 - 1
_BLOCK_BYTES = 8


class DefiningChannel(Protocol):
    """A channel with the definitions that its ledger holds."""

    @property
    def ledger(self) -> Ledger: ...

    def defined_chaincodes(self) -> list[str]: ...

    def writes_of(self, namespace: str, key: str) -> Iterator[tuple[int, Any, Any]]:
        """(block number, transaction, its KVWrite) for each valid write of a key."""


def collection_history(channel: DefiningChannel) -> list[tuple[bytes, bytes]]:
    """(Fabric's key, serialized CollectionConfigPackage) of each definition with collections, ordered by key.

    The key ends with the block, counted down, so that a chaincode's newest comes first.
    """
    records = list(collection_records(channel.ledger.base_collections))
    for name in channel.defined_chaincodes():
        for number, package in _since_the_first_block(channel, name, records):
            if collection_pb2.CollectionConfigPackage.FromString(package).config:
                records.append((_prefix(name) + (_LAST - number).to_bytes(_BLOCK_BYTES, "big"), package))
    return sorted(records)


def collections_of(channel: DefiningChannel, name: str) -> list[tuple[int, bytes]]:
    """(block of the definition, serialized CollectionConfigPackage) of one chaincode, oldest first."""
    records = list(collection_records(channel.ledger.base_collections))
    before = [
        (_LAST - int.from_bytes(key[-_BLOCK_BYTES:], "big"), package)
        for key, package in records
        if key[:-_BLOCK_BYTES] == _prefix(name)
    ]
    return [*reversed(before), *_since_the_first_block(channel, name, records)]


def _prefix(name: str) -> bytes:
    return f"slscc\x00{name}~collection".encode()


def _since_the_first_block(
    channel: DefiningChannel, name: str, before: list[tuple[bytes, bytes]]
) -> Iterator[tuple[int, bytes]]:
    """Each definition's block and collections; `before`: the records that the ledger began with.

    A definition writes its collections only where they differ from those before.
    """
    package = next((value for key, value in before if key[:-_BLOCK_BYTES] == _prefix(name)), b"")
    written = {
        number: bytes(db_pb2.StateData.FromString(write.value).Bytes)
        for number, _, write in channel.writes_of(NAMESPACE, field_key(NAMESPACES, name, "Collections"))
    }
    sequences = channel.writes_of(NAMESPACE, field_key(NAMESPACES, name, "Sequence"))
    for number in sorted({number for number, _, _ in sequences}):
        package = written.get(number, package)
        yield number, package
