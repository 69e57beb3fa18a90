# SPDX-License-Identifier: Apache-2.0
"""What of a network that others made answers now: each peer's blocks, each orderer's."""

from __future__ import annotations

import asyncio

from commonwatt_client import ClientError, Timeouts
from commonwatt_client.admin import OrderingClient

from commonwatt_network.connected.network import ConnectedNetwork, ConnectedNode
from commonwatt_network.status import NetworkStatus, NodeStatus

PATIENCE = Timeouts(evaluate_s=5.0, endorse_s=5.0, submit_s=5.0, commit_status_s=5.0)
RUNNING, SILENT = "running", "silent"


async def connected_status(network: ConnectedNetwork) -> NetworkStatus:
    """Ask every node, as who connected. A node that does not answer this identity is silent."""
    peers = [(node, channel) for channel in network.channels for node in network.peers(channel=channel)]
    heights = await asyncio.gather(*(_height(network, node, channel) for node, channel in peers))
    orderers = network.orderers()
    ordering = await asyncio.gather(*(_orders(network, node) for node in orderers))
    channels: dict[str, dict[str, int | None]] = {name: {} for name in network.channels}
    answering = {node.name for node, answers in zip(orderers, ordering, strict=True) if answers}
    for (node, channel), height in zip(peers, heights, strict=True):
        channels[channel][node.name] = height
        if height is not None:
            answering.add(node.name)
    nodes = tuple(
        NodeStatus(
            name=node.name,
            kind=node.kind,
            organization=node.organization,
            address=node.endpoint.address,
            state=RUNNING if node.name in answering else SILENT,
            pid=None,
            memory_bytes=None,
            certificate_days_left=None,
        )
        for node in (*orderers, *network.peers())
    )
    states = {node.state for node in nodes}
    whole = "partial" if len(states) > 1 else next(iter(states), SILENT)
    return NetworkStatus(network.name, "connected", str(network.file.parent), whole, nodes, 0, channels)


async def height_of(network: ConnectedNetwork, channel: str) -> int | None:
    """The most blocks that a peer of the identity's organisation has of a channel; None where none answers."""
    own = network.peers(network.organization, channel)
    found = await asyncio.gather(*(_height(network, node, channel) for node in own))
    return max((height for height in found if height is not None), default=None)


async def _height(network: ConnectedNetwork, node: ConnectedNode, channel: str) -> int | None:
    try:
        async with network.admin(node, timeouts=PATIENCE) as admin:
            return (await admin.get_chain_info(channel)).height
    except ClientError:
        return None


async def _orders(network: ConnectedNetwork, node: ConnectedNode) -> bool:
    """Whether it delivers the newest block of one of the channels."""
    identity, signer = network.who()
    try:
        async with OrderingClient(
            node.endpoint, identity=identity, signer=signer, timeouts=PATIENCE
        ) as client:
            for channel in network.channels:
                try:
                    await client.get_block(channel, "newest")
                    return True
                except ClientError:
                    continue
    except ClientError:
        pass
    return False
