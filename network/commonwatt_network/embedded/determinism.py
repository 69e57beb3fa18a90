# SPDX-License-Identifier: Apache-2.0
"""The determinism guard: run each proposal a second time elsewhere, and compare what it would do.

Chaincode that depends on a clock, on random numbers or on the order of a hash table gives endorsers different results
now and then. On a real network that comes at the worst time. A second server of the same chaincode, started with
another hash seed and at another moment, tells at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from commonwatt_network.embedded.simulation import SimulationResult

LONGEST_SHOWN = 10_000
MOST_DIFFERENCES = 100


class NotDeterministic(Exception):
    """Two runs of one proposal differ; the message says in what."""


def compare(first: tuple[Any, Any, SimulationResult], second: tuple[Any, Any, SimulationResult]) -> None:
    """Each run: (Response, ChaincodeEvent or None, SimulationResult). Raises NotDeterministic."""
    differences = []
    for name, one, other in (
        ("response status", first[0].status, second[0].status),
        ("response message", first[0].message, second[0].message),
        ("result", first[0].payload, second[0].payload),
        ("event", _event_text(first[1]), _event_text(second[1])),
    ):
        if one != other:
            differences.append(_difference(name, repr(one), repr(other)))
    if first[2].public != second[2].public:
        ours, theirs = _lines(first[2].public), _lines(second[2].public)
        for key in sorted(ours.keys() | theirs.keys()):
            if ours.get(key) != theirs.get(key):
                differences.append(_difference(key, ours.get(key, "nothing"), theirs.get(key, "nothing")))
    if differences:
        further = len(differences) - MOST_DIFFERENCES
        if further > 0:
            differences[MOST_DIFFERENCES:] = [f"and {further} further differences"]
        raise NotDeterministic(
            "determinism guard: two runs of this proposal differ, so endorsers would disagree: "
            + "; ".join(differences)
        )


def _difference(name: str, one: str, other: str) -> str:
    """What differs; of long texts the part in which they begin to, since the message must reach the client."""
    if max(len(one), len(other)) > LONGEST_SHOWN:
        pairs = enumerate(zip(one, other, strict=False))
        first = next((index for index, (ours, theirs) in pairs if ours != theirs), min(len(one), len(other)))
        start = max(0, first - LONGEST_SHOWN // 10)
        one, other = _part(one, start), _part(other, start)
    return f"{name}: {one} and {other}"


def _part(text: str, start: int) -> str:
    part = text[start : start + LONGEST_SHOWN]
    return f"{part} (characters {start} to {start + len(part)} of {len(text)})"


def _event_text(event: Any | None) -> str:
    return "" if event is None else f"{event.event_name}({event.payload!r})"


def _lines(public: bytes) -> Mapping[str, str]:
    """A read-write set as comparable lines: what was done to which key."""
    lines: dict[str, str] = {}
    for sets in rwset_pb2.TxReadWriteSet.FromString(public).ns_rwset:
        rwset = kv.KVRWSet.FromString(sets.rwset)
        for read in rwset.reads:
            lines[f"{sets.namespace}: read of {read.key!r}"] = f"version {_version_text(read)}"
        for write in rwset.writes:
            lines[f"{sets.namespace}: write of {write.key!r}"] = (
                "deletion" if write.is_delete else repr(write.value)
            )
        for number, query in enumerate(rwset.range_queries_info):
            lines[f"{sets.namespace}: range query {number}"] = f"{query.start_key!r} to {query.end_key!r}"
        for collection in sets.collection_hashed_rwset:
            name = f"{sets.namespace}: collection {collection.collection_name}"
            lines[name] = collection.hashed_rwset.hex()
    return lines


def _version_text(read: Any) -> str:
    return f"{read.version.block_num}:{read.version.tx_num}" if read.HasField("version") else "none"
