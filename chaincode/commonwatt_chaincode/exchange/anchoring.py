# SPDX-License-Identifier: Apache-2.0
"""Anchors: two peers, of the grid and of the community, vouch to all others for what a community settled.

An anchor holds digests and no sums: the sums of a small community are nearly its homes' readings. The records under a
digest name the transactions that wrote them. A stranger to the community's channel cannot guess their ids.
"""

from dataclasses import dataclass
from typing import Any

from ..forward.records import as_json, decode, encode
from ..shim import Stub
from . import keys
from .arguments import MOST_PERIODS, NewAnchor, OneDigest
from .elsewhere import ask
from .records import Anchor, Community, Digest
from .refusals import Code, refuse
from .state import community_of, require_operator_or_grid, situation


@dataclass(frozen=True)
class Settlements:
    """The newest settled version of each period of a span, as ``forward:list_digests`` answers it."""

    periods: tuple[OneDigest, ...]


async def anchor(stub: Stub, arguments: NewAnchor) -> dict[str, Any]:
    """Read the community's settlements of a span, see that what the last anchor says still stands, write the next."""
    now = await situation(stub)
    community = await community_of(stub, arguments.channel)
    require_operator_or_grid(stub, now, community)
    key = keys.anchor_key(community.channel)
    before = decode(Anchor, await _value(stub, key))
    periods = await _settlements(stub, community, arguments.from_period, arguments.to_period)
    if not periods:
        raise refuse(
            Code.NOT_SETTLED, f"no period of the span is settled on {community.channel} at this peer"
        )
    if len(periods) > MOST_PERIODS:
        raise refuse(Code.TOO_MANY, f"{len(periods)} periods are settled; an anchor is about {MOST_PERIODS}")
    if before.number:
        stands = await _settlements(stub, community, before.from_period, before.to_period)
        _require_unaltered(before, stands)
        _require_later_block(before, arguments)
    record = Anchor(
        community.channel,
        before.number + 1,
        arguments.from_period,
        arguments.to_period,
        tuple(periods),
        arguments.block,
        arguments.header,
        stub.transaction_id,
    )
    await stub.put_state(key, encode(record))
    stub.set_event("anchored", encode({"channel": record.channel, "number": record.number}))
    return dict(as_json(record))


async def _value(stub: Stub, key: str) -> bytes:
    """A community's own key, which stands since its registration."""
    value = await stub.get_state(key)
    assert value is not None, key
    return value


async def _settlements(stub: Stub, community: Community, from_period: int, to_period: int) -> list[Digest]:
    span = {"from_period": from_period, "to_period": to_period}
    answer = await ask(stub, community, "list_digests", span, Settlements)
    return [Digest(one.period, one.version, one.digest) for one in answer.periods]


def _require_unaltered(before: Anchor, stands: list[Digest]) -> None:
    """``ledger_differs`` where a period that was anchored has gone, went back, or has other records."""
    newest = {one.period: one for one in stands}
    for said in before.periods:
        found = newest.get(said.period)
        if found is None or found.version < said.version:
            found_version = found.version if found else 0
            raise refuse(
                Code.LEDGER_DIFFERS,
                f"anchor {before.number} says version {said.version} of period {said.period}; this peer's ledger of "
                f"{before.channel} has version {found_version}: if it is not behind, that ledger was rewritten",
            )
        if found.version == said.version and found.digest != said.digest:
            raise refuse(
                Code.LEDGER_DIFFERS,
                f"period {said.period} has other records on {before.channel} than anchor {before.number} says: "
                "that ledger was rewritten",
            )


def _require_later_block(before: Anchor, arguments: NewAnchor) -> None:
    if arguments.block < before.block or (
        arguments.block == before.block and arguments.header != before.header
    ):
        raise refuse(
            Code.LEDGER_DIFFERS,
            f"anchor {before.number} states block {before.block} already; name it, or a later one",
        )
