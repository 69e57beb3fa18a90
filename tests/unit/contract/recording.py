# SPDX-License-Identifier: Apache-2.0
"""What a community on an in-memory channel did, as blocks would hold it: material for the audit's replay."""

import json

from commonwatt_audit.world import Recorded
from commonwatt_chaincode.shim.identity import parse_creator

from .community import Community


def recorded_of(community: Community) -> list[Recorded]:
    """Every transaction that the community submitted and that was not refused, in order."""
    recorded = []
    for block, (who, name, arguments, done) in enumerate(community.submitted):
        caller = parse_creator(community.callers[who])
        if done.status == 200:
            recorded.append(
                Recorded(
                    block=block,
                    transaction_id=done.transaction_id,
                    mspid=caller.mspid,
                    attributes=dict(caller.attributes),
                    timestamp_s=done.timestamp.seconds,
                    arguments=(name.encode(), json.dumps(arguments).encode()),
                    writes=done.writes,
                )
            )
    return recorded
