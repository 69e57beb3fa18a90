# SPDX-License-Identifier: Apache-2.0
"""A consortium's channel, made from public bundles: Raft among everybody's orderers, every organisation a member."""

from __future__ import annotations

from collections.abc import Sequence

from commonwatt_client.admin import decode_block, read_channel_config

from commonwatt_network.channels import groups as building
from commonwatt_network.channels.readers import Readers
from commonwatt_network.consortium.bundle import Bundle, BundleError, check_together
from commonwatt_network.model.topology import TopologyError, valid_channel_name
from commonwatt_network.model.topology_parts import Batch, default_batch


def consortium_block(
    channel: str,
    bundles: Sequence[Bundle],
    endorsement: str = "all",
    batch: Batch | None = None,
    readers: Readers = "operators",
) -> bytes:
    """Block 0 of `channel` (common.Block). `endorsement`: all, majority or any of the members' peers.

    `readers`: operators (with administrators and nodes) or members, each home too.

    The configuration in it depends on the bundles alone, not on their order. Raises BundleError, TopologyError.
    """
    if not valid_channel_name(channel):
        raise TopologyError(f"{channel!r} is no channel name: lower-case letters, digits, dots and hyphens")
    if endorsement not in ("all", "majority", "any"):
        raise TopologyError(f"endorsement {endorsement!r}: all, majority or any")
    if readers not in ("operators", "members"):
        raise TopologyError(f"readers {readers!r}: operators or members")
    if not bundles:
        raise BundleError("a consortium needs at least one bundle")
    check_together(bundles)
    members = sorted(bundles, key=lambda bundle: bundle.name)
    if not any(bundle.orderers for bundle in members):
        raise BundleError("none of the bundles has an orderer: nobody would order the channel")
    msps = {bundle.mspid: bundle.msp for bundle in members}
    application = {
        bundle.mspid: building.member_group(
            bundle.mspid, msps[bundle.mspid], [(peer.host, peer.port) for peer in bundle.peers[:1]], readers
        )
        for bundle in members
    }
    ordering = {
        bundle.mspid: building.orderer_organization_group(
            bundle.mspid,
            msps[bundle.mspid],
            [orderer.address for orderer in bundle.orderers],
            readers,
        )
        for bundle in members
        if bundle.orderers
    }
    consenters = [
        building.raft_consenter(orderer.host, orderer.port, orderer.tls_certificate.encode())
        for bundle in members
        for orderer in bundle.orderers
    ]
    root = building.channel_group(
        building.raft_group(consenters, batch or default_batch("live"), ordering),
        building.application_group(application, endorsement, readers),
        "V2_0",
    )
    return building.configuration_block(channel, root)


def same_configuration(one: bytes, other: bytes) -> bool:
    """Whether two blocks hold the same channel with the same configuration; the time they were made doesn't count."""
    first, second = (read_channel_config(decode_block(block)) for block in (one, other))
    return first.channel == second.channel and bool(first.root == second.root)
