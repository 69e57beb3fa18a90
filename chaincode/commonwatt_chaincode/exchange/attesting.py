# SPDX-License-Identifier: Apache-2.0
"""Attestations: the grid's word that it computed a community's settlements anew and found the same."""

from typing import Any

from ..forward.records import as_json, decode, encode
from ..forward.state import rows
from ..shim import Stub
from . import keys
from .arguments import Attest, CommunitySpan
from .records import Attested
from .refusals import Code, refuse
from .state import community_of, require_any_role, require_grid, situation


async def attest(stub: Stub, arguments: Attest) -> dict[str, Any]:
    """Write the versions that are new. Attested ones stay, and other words about them are refused."""
    now = await situation(stub)
    require_grid(stub, now)
    community = await community_of(stub, arguments.channel)
    places = [keys.attested_key(community.channel, one.period, one.version) for one in arguments.periods]
    written = 0
    for key, one, value in zip(places, arguments.periods, await stub.get_states(places), strict=True):
        if value is not None:
            if decode(Attested, value).digest != one.digest:
                raise refuse(
                    Code.ATTESTED_OTHERWISE,
                    f"version {one.version} of period {one.period} of {community.channel} is attested otherwise",
                )
            continue
        record = Attested(
            community.channel,
            one.period,
            one.version,
            one.digest,
            arguments.block,
            arguments.header,
            stub.transaction_id,
        )
        await stub.put_state(key, encode(record))
        written += 1
    stub.set_event("attested", encode({"channel": community.channel, "periods": written}))
    return {"channel": community.channel, "periods": written}


async def list_attested(stub: Stub, arguments: CommunitySpan) -> dict[str, Any]:
    """The attestations of a span of a community's periods, in order."""
    require_any_role(stub)
    await community_of(stub, arguments.channel)
    span = keys.attested_range(arguments.channel, arguments.from_period, arguments.to_period)
    return {"attested": [as_json(decode(Attested, row.value)) for row in await rows(stub, *span)]}
