# SPDX-License-Identifier: Apache-2.0
"""A peer's block streams: full blocks, filtered blocks, and blocks with the private data the reader may have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.peer import events_pb2

from commonwatt_network.embedded.channels.blocks import BlockError, headers_of
from commonwatt_network.embedded.channels.deliver import DeliverRules, deliver, peer_policy
from commonwatt_network.embedded.peer.channel import PeerChannel

Shape = Callable[[PeerChannel, Any, bytes], Any]
"""(channel, block, the reader's serialized identity) -> DeliverResponse."""


async def stream(
    channels: Mapping[str, PeerChannel],
    requests: AsyncIterator[Any],
    shown: bytes | None,
    resource: str,
    shape: Shape,
) -> AsyncIterator[Any]:
    """Answers each seek request with blocks and a status; `shown` is the hash that requests must name, if any."""
    rules = DeliverRules(channels.get, peer_policy(resource))
    async for envelope in requests:
        try:
            _, channel_header, signature_header = headers_of(envelope)
        except BlockError:
            yield events_pb2.DeliverResponse(status=common_pb2.BAD_REQUEST)
            return
        channel = channels.get(channel_header.channel_id)
        async for item in deliver(rules, envelope, shown):
            if isinstance(item, int):
                yield events_pb2.DeliverResponse(status=item)
                if item != common_pb2.SUCCESS:
                    return
            elif channel is not None:
                yield shape(channel, item, signature_header.creator)


def plain_block(_: PeerChannel, block: Any, __: bytes) -> Any:
    return events_pb2.DeliverResponse(block=block)


def filtered_block(channel: PeerChannel, block: Any, _: bytes) -> Any:
    """Transaction ids, types, codes and event names, without payloads."""
    response = events_pb2.DeliverResponse()
    filtered = response.filtered_block
    filtered.channel_id = channel.channel_id
    filtered.number = block.header.number
    for transaction, code in channel.transactions(block.header.number):
        if transaction.channel_header is None:
            continue
        entry = filtered.filtered_transactions.add(
            txid=transaction.channel_header.tx_id, type=transaction.type, tx_validation_code=code
        )
        if transaction.type == common_pb2.ENDORSER_TRANSACTION:
            entry.transaction_actions.SetInParent()
            event = transaction.endorsed.event if transaction.endorsed is not None else None
            if event is not None:
                action = entry.transaction_actions.chaincode_actions.add()
                action.chaincode_event.CopyFrom(event)
                action.chaincode_event.ClearField("payload")
    return response


def block_with_private_data(channel: PeerChannel, block: Any, creator: bytes) -> Any:
    """The block, and of its private data the collections that the reader may read, as they were in the block's time.

    As Fabric: a collection without `memberOnlyRead`, implicit ones among them, goes to every reader of blocks.
    """
    response = events_pb2.DeliverResponse()
    both = response.block_and_private_data
    both.block.CopyFrom(block)
    for write in channel.ledger.write_sets.writes_of_block(block.header.number):
        if not channel.may_be_told(creator, block.header.number, write.namespace, write.collection):
            continue
        sets = both.private_data_map[write.position]
        sets.data_model = rwset_pb2.TxReadWriteSet.KV
        namespace = next((entry for entry in sets.ns_pvt_rwset if entry.namespace == write.namespace), None)
        if namespace is None:
            namespace = sets.ns_pvt_rwset.add(namespace=write.namespace)
        namespace.collection_pvt_rwset.add(collection_name=write.collection, rwset=write.rwset)
    return response
