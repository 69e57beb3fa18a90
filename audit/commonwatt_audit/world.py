# SPDX-License-Identifier: Apache-2.0
"""The state that a replay has reached, and how a difference from the ledger is put into words."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from sortedcontainers import SortedDict

Json = dict[str, Any]
Writes = dict[str, Json | None]


_LONGEST = 600


class Difference(Exception):
    """The ledger holds something that the rules do not give; the message says what, in one printable line."""

    def __init__(self, sentence: str) -> None:
        line = " ".join(sentence.split())
        super().__init__("".join(one if one.isprintable() else "?" for one in line[:_LONGEST]))


class PrivateWrite(NamedTuple):
    """What a block tells of a private write: hashes of the key and of the value, None for a deletion or a purge."""

    collection: str
    key_hash: bytes
    value_hash: bytes | None
    is_purge: bool = False


@dataclass(frozen=True)
class Recorded:
    """A valid transaction of the contract as a block holds it.

    `attributes` are those of the caller's certificate. `writes` maps keys to values, None for a deletion. `reads` are
    the public keys that were read, `ranges` the (start, end) of ranges of them. `shown` maps (collection, key) to what
    the auditor was shown of its private writes. `policies` maps the keys, private ones by hash, that get an
    endorsement policy of their own to it.
    """

    block: int
    transaction_id: str
    mspid: str
    attributes: Mapping[str, str]
    timestamp_s: int
    arguments: tuple[bytes, ...]
    writes: Mapping[str, bytes | None]
    channel: str = ""
    reads: frozenset[str] = frozenset()
    ranges: frozenset[tuple[str, str]] = frozenset()
    hashed: tuple[PrivateWrite, ...] = ()
    shown: Mapping[tuple[str, str], bytes] = field(default_factory=dict)
    policies: Mapping[str, bytes] = field(default_factory=dict)

    @cached_property
    def private_writes(self) -> Mapping[tuple[str, bytes], PrivateWrite]:
        """What the block tells of private writes, by collection and the SHA-256 of the key."""
        return {(one.collection, one.key_hash): one for one in self.hashed}

    @property
    def function(self) -> str:
        """The transaction's name."""
        return self.arguments[0].decode("utf-8", "replace") if self.arguments else ""

    @property
    def argument(self) -> Json:
        """Its one argument, without members that are null."""
        members = json.loads(self.arguments[1]) if len(self.arguments) > 1 else {}
        return {name: value for name, value in members.items() if value is not None}


class World:
    """Records in the order of their keys."""

    def __init__(self) -> None:
        self._records: SortedDict = SortedDict()

    def get(self, key: str) -> Json | None:
        """The record of a key."""
        record: Json | None = self._records.get(key)
        return record

    def need(self, key: str) -> Json:
        """The record of a key. Difference if there is none."""
        record = self.get(key)
        if record is None:
            raise Difference(f"it rests on {key}, which the ledger does not hold")
        return record

    def under(self, prefix: str) -> Iterator[Json]:
        """Records by key, of all keys that begin with `prefix` and a slash."""
        return self.between(f"{prefix}/", f"{prefix}0")

    def between(self, start: str, end: str) -> Iterator[Json]:
        """Records by key, from `start` up to but without `end`."""
        for key in self._records.irange(start, end, (True, False)):
            yield self._records[key]

    def apply(self, writes: Writes) -> None:
        """Let writes take effect."""
        for key, record in writes.items():
            if record is None:
                self._records.pop(key, None)
            else:
                self._records[key] = record


def require(holds: bool, sentence: str) -> None:
    """Difference unless it holds."""
    if not holds:
        raise Difference(sentence)


def compare(expected: Writes, actual: Mapping[str, bytes | None]) -> None:
    """Difference that names the first key, and its first member, on which rules and ledger part."""
    for key in sorted({*expected, *actual}):
        if key not in actual:
            raise Difference(f"{key} should be written and is not")
        if key not in expected:
            raise Difference(f"{key} is written and should not be")
        wanted, found = expected[key], actual[key]
        if (None if wanted is None else _bytes(wanted)) != found:
            raise Difference(f"{key}: {first_member(wanted, found)}")


def _bytes(record: Json) -> bytes:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def first_member(wanted: Any, found: bytes | None) -> str:
    """Where a record (None: deleted) and what the ledger holds part, in words."""
    if wanted is None or found is None:
        return "deleted, the rules write it" if wanted else "written, the rules delete it"
    try:
        return _part(wanted, json.loads(found), "") or "the same content in other bytes"
    except ValueError:
        return "not a JSON record"


def _part(wanted: Any, found: Any, where: str) -> str:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name in sorted({*wanted, *found}):
            inner = _part(wanted.get(name), found.get(name), f"{where}.{name}" if where else name)
            if inner:
                return inner
        return ""
    if isinstance(wanted, (list, tuple)) and isinstance(found, list) and len(wanted) == len(found):
        for place, (one, other) in enumerate(zip(wanted, found, strict=True)):
            if inner := _part(one, other, f"{where}[{place}]"):
                return inner
        return ""
    if wanted == found:
        return ""
    return f"{where} is {str(found)[:80]} on the ledger, {str(wanted)[:80]} by the rules"
