# SPDX-License-Identifier: Apache-2.0
"""Private data that a peer did not get with their block: looked for again, until another peer of the channel has them.

As a real peer does: what no other peer could give when the block came, and what was written to a collection before the
peer's organisation belonged to it. Each write set is checked against the hashes in its block. Values that ended by
themselves, or whose keys were purged since, do not come back.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from commonwatt_network.embedded.channels.transactions import CollectionSets
from commonwatt_network.embedded.ledger import (
    ExpiringKey,
    MissingWrite,
    PrivateWrite,
    hashed_namespace,
    private_namespace,
)
from commonwatt_network.embedded.ledger.state import Updates
from commonwatt_network.embedded.lifecycle.invocation import NAMESPACE
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.private_data import held
from commonwatt_network.embedded.validation.private import expires_at, is_write_set

EVERY_S = 2.0
AT_ONCE = 100  # write sets of one channel that are asked for each time: one that nobody has costs 0.1 ms

log = logging.getLogger(__name__)


async def reconcile(
    name: str, channels: Mapping[str, PeerChannel], others: Callable[[str], Sequence[PeerChannel]]
) -> None:
    """Look for what the peer `name` lacks on each of its channels, for as long as it runs.

    `others` tells a channel at the other peers. After each write set that is found the peer's other work goes on, and
    the channel may have been closed by then.
    """
    last: dict[str, MissingWrite | None] = {}
    while True:
        await asyncio.sleep(EVERY_S)
        for channel_id in list(channels):
            try:
                for number in range(AT_ONCE):
                    channel = channels.get(channel_id)
                    if channel is None:
                        break
                    if number == 0:
                        want_what_it_may_have_now(channel)
                    place = channel.ledger.private.missing_after(last.get(channel_id))
                    last[channel_id] = place
                    if place is None:
                        break
                    if take_missing(channel, others(channel_id), place):
                        await asyncio.sleep(0)
            except sqlite3.Error as error:
                log.error(
                    "%s cannot keep private data of channel %s that it missed: %s", name, channel_id, error
                )


def want_what_it_may_have_now(channel: PeerChannel) -> None:
    """Count as missing what was written to collections before this peer belonged to them. Raises sqlite3.Error."""
    for namespace, collection in channel.ledger.private.others_collections():
        if channel.is_member(namespace, collection):
            channel.ledger.want(namespace, collection)


def take_missing(channel: PeerChannel, others: Sequence[PeerChannel], place: MissingWrite) -> bool:
    """Whether a write set that the peer lacks is missing no more: it is where it belongs, or has expired.

    Raises sqlite3.Error, and then it is missing still.
    """
    end = expires_at(place.block, channel.block_to_live(place.namespace, place.collection))
    write = PrivateWrite(place.position, place.namespace, place.collection, b"", end)
    if end is not None and end < channel.height:
        channel.ledger.settle_missing(place, write, [], {})
        return True
    offered = (
        list(held(channel, others, place)) if channel.is_member(write.namespace, write.collection) else []
    )
    sets = _written(channel, place) if offered else None
    encoded = next((each for each in offered if sets is not None and is_write_set(each, sets)), None)
    if encoded is None:
        return False
    rwset = _without(kv.KVRWSet.FromString(encoded), channel.ledger.private.purged_since(place))
    write = replace(write, rwset=rwset.SerializeToString())
    channel.ledger.settle_missing(place, write, _expiring(write, rwset), _standing(channel, place, rwset))
    if place.namespace == NAMESPACE:
        channel.read_definitions_anew()
    return True


def _written(channel: PeerChannel, place: MissingWrite) -> CollectionSets | None:
    """What the block says that the transaction wrote to the collection."""
    transactions = channel.transactions(place.block)
    if place.position < len(transactions):
        transaction, _ = transactions[place.position]
        for namespace in transaction.endorsed.namespaces if transaction.endorsed else ():
            for sets in namespace.collections if namespace.namespace == place.namespace else ():
                if sets.collection == place.collection:
                    return sets
    return None


def _without(rwset: Any, purged: set[bytes]) -> Any:
    if not purged:
        return rwset
    kept = [write for write in rwset.writes if sha256(write.key.encode()).digest() not in purged]
    return kv.KVRWSet(writes=kept, metadata_writes=rwset.metadata_writes)


def _expiring(write: PrivateWrite, rwset: Any) -> list[ExpiringKey]:
    if write.expires_at is None:
        return []
    keys = [one.key.encode() for one in rwset.writes if not one.is_delete]
    place = (write.expires_at, write.namespace, write.collection)
    return [ExpiringKey(*place, sha256(key).digest(), key, write.position) for key in keys]


def _standing(channel: PeerChannel, place: MissingWrite, rwset: Any) -> Updates:
    """Those of the values whose hashes stand in the state now, under the versions of the hashes."""
    hashes = hashed_namespace(place.namespace, place.collection)
    values = private_namespace(place.namespace, place.collection)
    written = {write.key.encode(): write.value for write in rwset.writes if not write.is_delete}
    found = channel.ledger.state.several((hashes, sha256(key).digest()) for key in written)
    standing: Updates = {}
    for key, value in written.items():
        hashed = found[hashes, sha256(key).digest()]
        if hashed is not None and hashed.value == sha256(value).digest():
            standing[values, key] = hashed._replace(value=value, metadata=b"")
    return standing
