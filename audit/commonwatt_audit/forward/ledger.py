# SPDX-License-Identifier: Apache-2.0
"""The state that a replay of the forward market has reached: public records, and private ones as far as seen."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sortedcontainers import SortedDict

from commonwatt_audit.messages import Statement
from commonwatt_audit.world import Difference, Json, Recorded, first_member

COLLECTION = "community"
_MESSAGES = "m/"
_MOST_DECODED = 2_000


class _Unknown:
    """Stands for what rests on private values that the audit was not shown."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Any = _Unknown()


class Unseen(Exception):
    """A rule asks for a private value that the audit was not shown."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Outcome(NamedTuple):
    """What a transaction writes by the rules: JSON, text or None (deleted) by key.

    UNKNOWN is a private value, or a member of a public record, that rests on private values which were not shown.
    """

    public: dict[str, Any]
    private: dict[str, Any]


class Held(NamedTuple):
    """A private value on the ledger: its hash always, itself where it was shown.

    Of messages, which the replay keeps in another form, `shown` alone tells it.
    """

    value_hash: bytes
    value: bytes | None
    shown: bool
    purged: bool = False


class Counted(NamedTuple):
    """Private values that stand on the ledger: all, those that were not shown, those that a transaction purged."""

    standing: int
    missing: int
    purged: int


class Ledger:
    """Public records in the order of their keys; private ones of the one collection by key."""

    def __init__(self) -> None:
        self._public: SortedDict = SortedDict()
        self._private: dict[str, Held] = {}
        self._decoded: dict[str, Any] = {}
        self._said: dict[str, Statement] = {}
        self.unchecked: Counter[str] = Counter()

    def get(self, key: str) -> Any:
        """A record (JSON), the text of a key that holds no JSON, or None."""
        return self._public.get(key)

    def need(self, key: str) -> Any:
        """A record. Difference if there is none."""
        record = self._public.get(key)
        if record is None:
            raise Difference(f"it rests on {key}, which the ledger does not hold")
        return record

    def between(self, start: str, end: str) -> Iterator[tuple[str, Any]]:
        """Keys and records from `start` up to but without `end`."""
        for key in self._public.irange(start, end, (True, False)):
            yield key, self._public[key]

    def under(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """Keys and records whose keys begin with a prefix that ends in a slash."""
        return self.between(prefix, prefix[:-1] + "0")

    def private(self, key: str) -> bytes:
        """A private value. Unseen where it was not shown, Difference where the ledger holds none."""
        held = self._private.get(key)
        if held is None:
            raise Difference(f"it rests on the private {key}, which the ledger does not hold")
        if held.value is None:
            raise Unseen(key)
        return held.value

    def private_record(self, key: str) -> Json:
        """A private record."""
        self.private(key)
        found = self._decoded.get(key)
        if found is None:
            if len(self._decoded) >= _MOST_DECODED:
                self._decoded.clear()
            found = self._decoded[key] = json.loads(self.private(key))
        return dict(found)

    def said(self, key: str) -> Statement:
        """The message under an index key, verified when it came. Unseen where it was not shown."""
        if key not in self._said:
            raise Unseen(key)
        return self._said[key]

    def remember(self, key: str, said: Statement | None) -> None:
        """Keep what a message says, which is verified; None where it was not shown."""
        self._said.pop(key, None)
        if said is not None:
            self._said[key] = said

    def private_names(self) -> dict[bytes, str]:
        """The keys of private values by their SHA-256."""
        return {hashlib.sha256(key.encode()).digest(): key for key in self._private}

    def purge(self, key: str) -> None:
        """Note that a private value is purged."""
        self._private[key] = self._private[key]._replace(purged=True)

    def private_values(self) -> "Counted":
        """How many private values stand on the ledger, and how many of them were not shown, and why."""
        standing = self._private.values()
        return Counted(
            len(standing),
            sum(not held.shown and not held.purged for held in standing),
            sum(held.purged for held in standing),
        )

    def check(self, recorded: Recorded, outcome: Outcome) -> None:
        """Compare with what the transaction wrote and let it take effect. Raises Difference."""
        public = {
            key: _compared_public(key, outcome.public, recorded.writes)
            for key in sorted({*outcome.public, *recorded.writes})
        }
        private = _compared_private(recorded, outcome.private)
        for key, value in public.items():
            if value is None:
                self._public.pop(key, None)
                self._said.pop(key, None)
            else:
                self._public[key] = value
        for key, held in private.items():
            self._decoded.pop(key, None)
            if held is None:
                self._private.pop(key, None)
            else:
                self._private[key] = held


def encoded(value: Any) -> bytes:
    """What the ledger holds of a record or a text."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_shown(recorded: Recorded) -> None:
    """Difference where the auditor was shown other private values than those of the block's hashes."""
    for (collection, key), value in recorded.shown.items():
        write = recorded.private_writes.get((collection, hashlib.sha256(key.encode()).digest()))
        if write is None or write.value_hash != hashlib.sha256(value).digest():
            raise Difference(f"the private {key}: the peer shows another value than the block's hash says")


def hash_in(recorded: Recorded, place: str) -> str:
    """What the block says of a private value that it writes. Difference where it writes none."""
    write = recorded.private_writes.get((COLLECTION, hashlib.sha256(place.encode()).digest()))
    if write is not None and write.value_hash is not None:
        return write.value_hash.hex()
    raise Difference(f"the private {place} should be written and is not")


def _compared_public(key: str, expected: Mapping[str, Any], actual: Mapping[str, bytes | None]) -> Any:
    """The record as it stands; Difference where rules and ledger part."""
    if key not in actual:
        raise Difference(f"{key} should be written and is not")
    if key not in expected:
        raise Difference(f"{key} is written and should not be")
    wanted, found = expected[key], actual[key]
    if wanted is not None and found is not None and _holds_unknown(wanted):
        wanted = _filled(wanted, found)
    if (None if wanted is None else encoded(wanted)) != found:
        raise Difference(f"{key}: {_difference(wanted, found)}")
    return wanted


def _compared_private(recorded: Recorded, expected: Mapping[str, Any]) -> dict[str, Held | None]:
    hashed = {one.key_hash: one for one in recorded.hashed if one.collection == COLLECTION}
    for one in recorded.hashed:
        if one.collection != COLLECTION:
            raise Difference(f"it writes into the collection {one.collection}, and no rule does")
    found: dict[str, Held | None] = {}
    for key in sorted(expected):
        write = hashed.pop(hashlib.sha256(key.encode()).digest(), None)
        if write is None:
            raise Difference(f"the private {key} should be written and is not")
        found[key] = _held(recorded, key, expected[key], write.value_hash)
    if hashed:
        names = {hashlib.sha256(key.encode()).digest(): key for _, key in recorded.shown}
        named = names.get(next(iter(hashed)), f"of hash {next(iter(hashed)).hex()[:16]}")
        raise Difference(f"a private key ({named}) is written and should not be")
    return found


def _held(recorded: Recorded, key: str, wanted: Any, value_hash: bytes | None) -> Held | None:
    shown = recorded.shown.get((COLLECTION, key))
    if value_hash is None or wanted is None:
        if value_hash is not None or wanted is not None:
            raise Difference(
                f"the private {key}: "
                + ("deleted, the rules write it" if wanted is not None else "written, the rules delete it")
            )
        return None
    if wanted is UNKNOWN:
        return Held(value_hash, None if key.startswith(_MESSAGES) else shown, shown is not None)
    value = encoded(wanted)
    if hashlib.sha256(value).digest() != value_hash:
        words = "its hash is not that of what the rules give" if shown is None else _difference(wanted, shown)
        raise Difference(f"the private {key}: {words}")
    return Held(value_hash, value, shown is not None)


def _difference(wanted: Any, found: bytes | None) -> str:
    if isinstance(wanted, str) and found is not None:
        return f"it is {found[:80].decode('utf-8', 'replace')} on the ledger, {wanted[:80]} by the rules"
    return first_member(wanted, found)


def _holds_unknown(wanted: Any) -> bool:
    if wanted is UNKNOWN:
        return True
    return isinstance(wanted, dict) and any(value is UNKNOWN for value in wanted.values())


def _filled(wanted: Any, found: bytes) -> Any:
    """The record with its unknown members as they stand on the ledger."""
    try:
        stands = json.loads(found)
    except ValueError:
        raise Difference("a record is not JSON") from None
    if wanted is UNKNOWN:
        return stands
    if not isinstance(stands, dict):
        return wanted
    return {name: stands.get(name) if value is UNKNOWN else value for name, value in wanted.items()}
