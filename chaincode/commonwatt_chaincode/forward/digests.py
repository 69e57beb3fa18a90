# SPDX-License-Identifier: Apache-2.0
"""Digests of settlements, which the exchange anchors and the grid attests: they tell others nothing of a community.

Each record under a digest names the transaction that wrote it, whose id holds 192 random bits. So nobody finds the
sums by trying who was not shown the record, or the block that it came in.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from ..shim import Stub
from . import keys
from .access import require_any_role
from .arguments import Span
from .records import Settled, decode
from .state import rows, situation


async def list_digests(stub: Stub, arguments: Span) -> dict[str, Any]:
    """The newest settled version of each period of a span, with the SHA-256 of its write-once records in hex."""
    require_any_role(stub)
    await situation(stub)
    span = keys.settled_key(arguments.from_period), keys.settled_key(arguments.to_period)
    settled = [decode(Settled, row.value) for row in await rows(stub, *span)]
    return {
        "periods": [
            {"period": one.period, "version": one.version, "digest": await _digest(stub, one)}
            for one in settled
        ]
    }


async def _digest(stub: Stub, settled: Settled) -> str:
    """Of the clearing, the import, the plan, the parts, which hold the digests of all lines, and the sums."""
    period, version = settled.period, settled.version
    names = [
        keys.cleared_key(period),
        keys.imported_key(period),
        keys.plan_key(period, version),
        keys.period_key(period, version),
    ]
    values = await stub.get_states(names)
    parts = await rows(stub, *keys.parts_range(period, version))
    found = [(name, value) for name, value in zip(names, values, strict=True) if value is not None]
    return digest_of([*found, *((row.key, row.value) for row in parts)])


def digest_of(records: Iterable[tuple[str, bytes]]) -> str:
    """The SHA-256 of records in the order of their keys: of a JSON array of pairs, a key and its value's SHA-256."""
    pairs = sorted((key, hashlib.sha256(value).hexdigest()) for key, value in records)
    return hashlib.sha256(json.dumps(pairs, separators=(",", ":")).encode()).hexdigest()
