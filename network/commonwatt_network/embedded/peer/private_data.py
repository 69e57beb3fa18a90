# SPDX-License-Identifier: Apache-2.0
"""Private data between the peers of one channel: handing out what was endorsed, and finding what a block needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fabric_protos.ledger.rwset import rwset_pb2

from commonwatt_network.embedded.ledger import MissingWrite, Version
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.validation.private import Fetch, find_write_set


def distribute(channel: PeerChannel, others: Sequence[PeerChannel], transaction_id: str, private: Any) -> str:
    """Keep an endorsed transaction's private writes, and give other peers those of collections they belong to.

    Returns Fabric's message where a collection has too few members to give the data to, else an empty text.
    """
    channel.ledger.keep_transient(transaction_id, private.SerializeToString())
    for sets in private.ns_pvt_rwset:
        for entry in sets.collection_pvt_rwset:
            collection = channel.collection(sets.namespace, entry.collection_name)
            if collection is None:
                continue
            message = rwset_pb2.TxPvtReadWriteSet(data_model=private.data_model)
            message.ns_pvt_rwset.add(namespace=sets.namespace, collection_pvt_rwset=[entry])
            members = [other for other in others if other.is_member(sets.namespace, entry.collection_name)]
            needed = collection.required_peer_count
            if len(members) < needed:
                return (
                    f"required to disseminate to at least {needed} peers, but know of only {len(members)} eligible "
                    "peers"
                )
            for other in members[: max(collection.maximum_peer_count, needed)]:
                other.ledger.keep_transient(transaction_id, message.SerializeToString())
    return ""


def fetch_from(
    channels: Callable[[], tuple[PeerChannel | None, Sequence[PeerChannel]]], creator: bytes
) -> Fetch:
    """A committing channel's search for a write set: what was given to it, else what other members have.

    `channels` finds the peer's own channel, absent while it joins, and those of the other peers.
    """

    def fetch(
        transaction_id: str, version: Version, namespace: str, collection: str, wanted: bytes
    ) -> Iterator[bytes]:
        place = (*version, namespace, collection)
        own, others = channels()
        if own is not None:
            yield from _transient(own, transaction_id, namespace, collection, wanted)
            yield from _existing(own.ledger.write_sets.write_set(*place))
        for other in others:
            if own is None or other.identity_is_member(creator, namespace, collection):
                yield from _transient(other, transaction_id, namespace, collection, wanted)
                yield from _existing(other.ledger.write_sets.write_set(*place))

    return fetch


def held(own: PeerChannel, others: Sequence[PeerChannel], place: MissingWrite) -> Iterator[bytes]:
    """A committed write set from this peer's second file, and from other members that committed it."""
    yield from _existing(own.ledger.write_sets.write_set(*place))
    for other in others:
        if other.identity_is_member(own.signer.creator, place.namespace, place.collection):
            yield from _existing(other.ledger.write_sets.write_set(*place))


def _transient(
    channel: PeerChannel, transaction_id: str, namespace: str, collection: str, wanted: bytes
) -> Iterator[bytes]:
    for encoded in channel.ledger.write_sets.transient(transaction_id):
        yield from _existing(find_write_set(encoded, namespace, collection, wanted))


def _existing(write_set: bytes | None) -> Iterator[bytes]:
    if write_set is not None:
        yield write_set
