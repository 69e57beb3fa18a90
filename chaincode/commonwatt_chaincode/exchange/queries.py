# SPDX-License-Identifier: Apache-2.0
"""Questions about the exchange as it stands. Every organisation of the channel has all of it in its blocks."""

from typing import Any

from ..forward.records import as_json, decode
from ..forward.state import rows
from ..shim import Stub
from . import keys
from .arguments import OneCommunity
from .records import Anchor, StoredLink, StoredResidual
from .state import communities, community_of, require_any_role, situation

Json = dict[str, Any]


async def get_rules(stub: Stub) -> Json:
    """The rules, and the exchange's time."""
    require_any_role(stub)
    now = await situation(stub)
    return {"rules": as_json(now.rules), "now_s": now.now_s}


async def list_communities(stub: Stub) -> Json:
    """All communities, and for which period each brought its residual last (-1: for none)."""
    require_any_role(stub)
    known = await communities(stub)
    values = await stub.get_states([keys.residual_key(one.channel) for one in known])
    brought = [decode(StoredResidual, value).period for value in values if value is not None]
    return {
        "communities": [
            {**as_json(one), "residual_of": period} for one, period in zip(known, brought, strict=True)
        ]
    }


async def list_links(stub: Stub) -> Json:
    """All links with all that was ever in force."""
    require_any_role(stub)
    return {"links": [as_json(decode(StoredLink, row.value)) for row in await rows(stub, *keys.LINKS)]}


async def get_anchor(stub: Stub, arguments: OneCommunity) -> Json:
    """A community's last anchor; number 0 before the first."""
    require_any_role(stub)
    await community_of(stub, arguments.channel)
    value = await stub.get_state(keys.anchor_key(arguments.channel))
    assert value is not None, "an anchor stands since the community was registered"
    return dict(as_json(decode(Anchor, value)))
