# SPDX-License-Identifier: Apache-2.0
"""Links between communities, which the grid sets: how much may flow, and what it costs."""

from typing import Any

from ..forward.records import as_json, decode, encode
from ..forward.state import rows
from ..market.exchange.clearing import Link
from ..market.tariff import MINUTE_S
from ..shim import Stub
from . import keys
from .arguments import NewLink
from .records import LinkVersion, StoredLink, StoredResidual
from .refusals import Code, refuse
from .state import communities, community_of, require_grid, situation

MOST_LINKS = 1_000
MOST_VERSIONS = 100


async def set_link(stub: Stub, arguments: NewLink) -> dict[str, Any]:
    """Set what may flow from a period on for which nobody brought a residual yet.

    It reads what every community brought last, so a change that is held back is void once anybody brings anything. So
    the grid cannot change a link by what it sees in a round.
    """
    now = await situation(stub)
    require_grid(stub, now)
    for channel in (arguments.seller, arguments.buyer):
        await community_of(stub, channel)
    if now.now_s >= arguments.from_period * MINUTE_S:
        raise refuse(Code.TOO_LATE, f"period {arguments.from_period} has begun; name a later one")
    brought = [keys.residual_key(one.channel) for one in await communities(stub)]
    for value in await stub.get_states(brought):
        if value is not None and decode(StoredResidual, value).period >= arguments.from_period:
            raise refuse(
                Code.TOO_LATE,
                f"a community has brought its residual of period {arguments.from_period}, or a later",
            )
    stands = {row.key: decode(StoredLink, row.value) for row in await rows(stub, *keys.LINKS)}
    key = keys.link_key(arguments.seller, arguments.buyer)
    if key not in stands and len(stands) >= MOST_LINKS:
        raise refuse(Code.TOO_MANY, f"an exchange has at most {MOST_LINKS} links")
    version = LinkVersion(arguments.from_period, arguments.limit_wh, arguments.fee)
    earlier = stands[key].versions if key in stands else ()
    kept = [one for one in earlier if one.from_period < version.from_period]
    link = StoredLink(
        arguments.seller, arguments.buyer, (*kept, version)[-MOST_VERSIONS:], stub.transaction_id
    )
    await stub.put_state(key, encode(link))
    return dict(as_json(link))


async def links_at(stub: Stub, period: int) -> list[Link]:
    """The links in force for a period."""
    found = []
    for row in await rows(stub, *keys.LINKS):
        stored = decode(StoredLink, row.value)
        version = stored.at(period)
        if version is not None:
            found.append(Link(stored.seller, stored.buyer, version.limit_wh, version.fee))
    return found
