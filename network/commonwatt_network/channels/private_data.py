# SPDX-License-Identifier: Apache-2.0
"""Which private values a peer lacks: of those whose hashes stand on a channel's ledger, and that it should hold."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256

from commonwatt_client.ledger import Block
from commonwatt_client.ledger.delivered import PrivateValues
from commonwatt_client.ledger.policy import parse_signature_policy, principals

from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.model.nodes import Peer
from commonwatt_network.programs.readiness import Host

Place = tuple[str, str, bytes]
"""(chaincode, collection, SHA-256 of the key)."""


@dataclass(slots=True)
class PrivateCount:
    """What stands of the collections (chaincode, collection) that are looked at, and what of it a peer has shown."""

    collections: Collection[tuple[str, str]]
    standing: dict[Place, bytes] = field(default_factory=dict)
    shown: set[tuple[Place, bytes]] = field(default_factory=set)

    def add(self, block: Block, values: PrivateValues) -> None:
        """Take the next block, with the private values that the peer holds of it."""
        for number, transaction in enumerate(block.transactions):
            if not transaction.valid:
                continue
            for (position, chaincode, collection, key), value in values.items():
                if position == number:
                    place = (chaincode, collection, sha256(key.encode()).digest())
                    self.shown.add((place, sha256(value).digest()))
            for action in transaction.actions:
                for namespace in action.read_write_sets:
                    for hashed in namespace.collections:
                        if (namespace.namespace, hashed.collection) not in self.collections:
                            continue
                        for write in hashed.writes:
                            place = (namespace.namespace, hashed.collection, write.key_hash)
                            if write.is_delete or write.is_purge:
                                self.standing.pop(place, None)
                            else:
                                self.standing[place] = write.value_hash

    @property
    def missing(self) -> int:
        """How many values stand and were not shown."""
        return sum(one not in self.shown for one in self.standing.items())


async def count_private(nodes: Host, peer: Peer, channel: str) -> PrivateCount:
    """Read all blocks of a peer with its private values.

    Collections whose values expire by themselves are left out. Raises ClientError.
    """
    async with peer_admin(nodes, peer) as admin:
        committed = await admin.query_committed_chaincode_definitions(channel)
        count = PrivateCount(
            {
                (one.definition.name, collection.name)
                for one in committed
                for collection in one.definition.collections
                if not collection.blocks_to_live and _holds(peer.mspid, collection.member_policy)
            }
        )
        if count.collections:
            height = (await admin.get_chain_info(channel)).height
            async for block, values in admin.blocks_with_private_data(channel, 0, height - 1):
                count.add(block, values)
    return count


def _holds(mspid: str, member_policy: str) -> bool:
    """Whether an organisation's peers are members of a collection."""
    return any(one.mspid == mspid for one in principals(parse_signature_policy(member_policy)))
