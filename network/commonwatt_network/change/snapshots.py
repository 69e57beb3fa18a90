# SPDX-License-Identifier: Apache-2.0
"""A new peer that starts from another peer's state instead of from block 0."""

from __future__ import annotations

import asyncio

from commonwatt_client.admin import ChannelExistsError, PeerAdmin

from commonwatt_network.change.site import Site, issue_missing, start
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.errors import NetworkError
from commonwatt_network.model.nodes import Peer

PATIENCE_S = 30.0
POLL_S = 0.1


class SnapshotError(NetworkError):
    """A peer's snapshot was not written, or not taken up."""


async def join_by_snapshots(site: Site, peer: Peer) -> None:
    """Let `peer` join every channel of its organisation by a fresh snapshot of the organisation's first peer."""
    await issue_missing(site)
    await start(site)
    giver = site.before.gateway_peer(peer.organization)
    channels = [name for name in site.nodes.topology.channels if peer in site.nodes.peers_of(name)]
    async with peer_admin(site.nodes, giver) as source, peer_admin(site.nodes, peer) as target:
        joined = await target.list_channels()
        for channel in channels:
            if channel not in joined:
                number = await _written(site, source, giver, channel)
                await _join(target, site.backend.handed(site.nodes, giver, channel, number, peer), channel)


async def _written(site: Site, source: PeerAdmin, giver: Peer, channel: str) -> int:
    """The newest block of a new snapshot of the giver's channel."""
    newest = (await source.get_chain_info(channel)).height - 1
    await source.submit_snapshot_request(channel)
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        written = await asyncio.to_thread(site.backend.snapshots, site.nodes, giver, channel)
        if written and max(written) >= newest:
            return max(written)
        if asyncio.get_running_loop().time() > deadline:
            raise SnapshotError(
                f"{source.address} wrote no snapshot of channel {channel} within {PATIENCE_S:.0f} s"
            )
        await asyncio.sleep(POLL_S)


async def _join(target: PeerAdmin, snapshot: str, channel: str) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    try:
        await target.join_channel_by_snapshot(snapshot)
    except ChannelExistsError:
        return
    while channel not in await target.list_channels():
        if asyncio.get_running_loop().time() > deadline:
            raise SnapshotError(f"the new peer did not take up the snapshot {snapshot}")
        await asyncio.sleep(POLL_S)
