# SPDX-License-Identifier: Apache-2.0
"""Organisations, peers, users and channels that come, and those that go."""

from __future__ import annotations

from commonwatt_client.admin import APPLICATION, ChannelConfig, add_organization

from commonwatt_network.change.configuration import change_configuration, known_to_peers
from commonwatt_network.change.revocation import revoke_former
from commonwatt_network.change.site import (
    Site,
    describe,
    issue_missing,
    settle_in,
    stop_programs,
    withdraw,
)
from commonwatt_network.change.snapshots import join_by_snapshots
from commonwatt_network.change.steps import (
    AddChaincode,
    AddChannel,
    AddMember,
    AddOrganization,
    AddPeer,
    ChangeDefinition,
    ChangeReaders,
    EnrolUsers,
    RemoveOrganization,
    RemovePeer,
    Step,
)
from commonwatt_network.channels.genesis import member_entry
from commonwatt_network.channels.readers import with_readers


async def bring(site: Site, _: AddOrganization | AddChannel | AddChaincode | ChangeDefinition) -> None:
    """What is missing is made, started, joined and deployed."""
    await settle_in(site)


async def enrol(site: Site, step: EnrolUsers) -> None:
    """Certificates alone; no process takes notice. A former certificate of the same user is revoked."""
    await describe(site)
    for user in step.anew:
        await revoke_former(site.nodes, step.organization, user)


async def add_peer(site: Site, step: AddPeer) -> None:
    """Its process, then its channels: from block 0 or from a snapshot; then chaincode packages."""
    [peer] = [node for node in site.nodes.peers if node.name == step.peer]
    if step.by_snapshot:
        await join_by_snapshots(site, peer)
    await settle_in(site)


async def add_member(site: Site, step: AddMember) -> None:
    """The channel's members take it in by a configuration update; then its peers join, and it approves."""
    await issue_missing(site)
    mspid = site.nodes.topology.mspid(step.organization)
    readers = site.nodes.topology.channels[step.channel].readers
    entry = member_entry(site.named, step.organization, readers).SerializeToString(deterministic=True)

    def with_member(config: ChannelConfig) -> ChannelConfig:
        if mspid in config.application_organizations:
            return config
        return add_organization(config, APPLICATION, mspid, entry)

    members = site.before.topology.channels[step.channel].organizations
    await change_configuration(site.nodes, step.channel, with_member, members)
    await settle_in(site)


async def change_readers(site: Site, step: ChangeReaders) -> None:
    """Operators' certificates first; then one configuration update, which every organisation of the channel signs."""
    await describe(site)
    topology = site.nodes.topology
    readers = topology.channels[step.channel].readers
    signers = [*topology.channels[step.channel].organizations, *topology.orderers.organizations]

    def changed(config: ChannelConfig) -> ChannelConfig:
        return with_readers(config, readers)

    await change_configuration(site.nodes, step.channel, changed, signers)
    await known_to_peers(site.nodes, step.channel, changed, "changed")


async def remove(site: Site, _: RemovePeer | RemoveOrganization) -> None:
    """Processes end; their files on disk stay."""
    gone = [node for node in site.before.peers if node not in site.nodes.peers]
    stop_programs(site, [node.name for node in site.before.authorities if node not in site.nodes.authorities])
    await withdraw(site, gone)
    await describe(site)


async def nothing(site: Site, _: Step) -> None:
    """Settings that count from now on."""
    await describe(site)
