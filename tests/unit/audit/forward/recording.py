# SPDX-License-Identifier: Apache-2.0
"""What a community of the forward market did on an in-memory channel, as blocks with private data would hold it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from commonwatt_audit.forward.replay import ForwardReplay
from commonwatt_audit.world import PrivateWrite, Recorded
from commonwatt_chaincode.shim.endorsement import VALIDATION_PARAMETER
from commonwatt_chaincode.shim.identity import parse_creator
from commonwatt_chaincode.shim.testing import Invocation, MemoryLedger, caller

from ...forward.neighbourhood import Neighbourhood

COLLECTION = "community"


class Recording(Neighbourhood):
    """A neighbourhood of which each transaction that was committed is recorded, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded = recording(self.ledger)


def recording(ledger: MemoryLedger, contract: str = "") -> list[Recorded]:
    """The transactions that a ledger commits from now on, as they come.

    `contract` begins their names where the chaincode has one contract alone, which goes without.
    """
    recorded: list[Recorded] = []
    asked: dict[str, tuple[str, Any, bytes]] = {}
    evaluate, commit = ledger.evaluate, ledger.commit

    async def noting(name: str, *arguments: Any, **more: Any) -> Invocation:
        done = await evaluate(name, *arguments, **more)
        whole = name if name.startswith(contract) else contract + name
        asked[done.transaction_id] = whole, arguments, more.get("creator") or caller()
        return done

    def committing(done: Invocation) -> str:
        code = commit(done)
        if code == "VALID":
            recorded.append(_as_block(ledger.channel_id, len(recorded), *asked[done.transaction_id], done))
        return code

    ledger.evaluate, ledger.commit = noting, committing  # type: ignore[method-assign]
    return recorded


def _as_block(
    channel: str, block: int, name: str, arguments: Any, creator: bytes, done: Invocation
) -> Recorded:
    identity = parse_creator(creator)
    public = {key: value for key, value in done.writes.items() if isinstance(key, str)}
    private = {key: value for key, value in done.writes.items() if not isinstance(key, str)}
    return Recorded(
        block=block,
        transaction_id=done.transaction_id,
        mspid=identity.mspid,
        attributes=dict(identity.attributes),
        timestamp_s=done.timestamp.seconds,
        arguments=(name.encode(), *(json.dumps(one).encode() for one in arguments)),
        writes=public,
        channel=channel,
        reads=frozenset(key for key in done.reads if isinstance(key, str)),
        hashed=tuple(
            hashed(*place, value)._replace(is_purge=place in done.purges) for place, value in private.items()
        ),
        policies={
            key: entry[VALIDATION_PARAMETER]
            for key, entry in done.metadata_writes.items()
            if isinstance(key, str)
        },
        ranges=frozenset((one.start, one.end) for one in done.ranges),
        shown={place: value for place, value in private.items() if value is not None},
    )


def hashed(collection: str, key: str, value: bytes | None) -> PrivateWrite:
    """A private write as a block tells it."""
    value_hash = None if value is None else hashlib.sha256(value).digest()
    return PrivateWrite(collection, hashlib.sha256(key.encode()).digest(), value_hash)


def forged(
    recorded: Recorded,
    *,
    public: dict[str, bytes | None] | None = None,
    private: dict[str, bytes] | None = None,
    **members: Any,
) -> Recorded:
    """The transaction with other records, private ones with the hashes that they have then."""
    private = private or {}
    new = {
        hashed(COLLECTION, key, value).key_hash: hashed(COLLECTION, key, value)
        for key, value in private.items()
    }
    kept = tuple(one for one in recorded.hashed if one.key_hash not in new)
    return replace(
        recorded,
        writes={**recorded.writes, **(public or {})},
        hashed=(*kept, *new.values()),
        shown={**recorded.shown, **{(COLLECTION, key): value for key, value in private.items()}},
        **members,
    )


def unseen(recorded: list[Recorded]) -> list[Recorded]:
    """The same blocks for an auditor who may not see private data."""
    return [replace(one, shown={}) for one in recorded]


def replayed(recorded: list[Recorded]) -> ForwardReplay:
    """The replay of honest transactions."""
    replay = ForwardReplay()
    for one in recorded:
        replay.check(one)
    return replay
