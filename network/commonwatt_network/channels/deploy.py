# SPDX-License-Identifier: Apache-2.0
"""Joining channels and deploying chaincode through Fabric's own administration calls. Every step may be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from commonwatt_client import ClientCertificate
from commonwatt_client import Peer as Endpoint
from commonwatt_client.admin import (
    ChaincodeDefinition,
    ChaincodePackage,
    ChannelConfig,
    ChannelExistsError,
    CollectionConfig,
    CommittedDefinition,
    NotFoundError,
    NotReadyError,
    OrdererAdmin,
    PeerAdmin,
    PrivateDataMissingError,
    RefusedError,
)
from commonwatt_client.identity import load_identity
from commonwatt_client.signers import private_key_signer

from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.model.forward_market import chaincode_on, forward_definition
from commonwatt_network.model.nodes import Nodes, Orderer, Peer
from commonwatt_network.model.roster import ADMIN
from commonwatt_network.model.topology_chaincode import Chaincode, Collection
from commonwatt_network.programs.chaincode_servers import chaincode_package

if TYPE_CHECKING:
    from commonwatt_network.programs.readiness import Host

LEVEL_S = 120.0  # for a peer to fetch a channel's blocks
POLL_S = 0.05
KEPT = frozenset(
    ("endorsement_policy", "collections", "init_required", "endorsement_plugin", "validation_plugin")
)


class DefinitionError(NetworkError):
    """A channel does not take the chaincode's definition; nothing was installed or approved."""


@dataclass(frozen=True)
class Deployed:
    """A chaincode in force on a channel."""

    version: str
    sequence: int


def orderer_admin(nodes: Host, orderer: Orderer) -> OrdererAdmin:
    """The orderer's administration port, spoken to as its own organisation's administrator."""
    tls = nodes.layout.user(orderer.organization, ADMIN) / "tls"
    return OrdererAdmin(
        Endpoint(
            orderer.admin_address,
            nodes.layout.tls_ca_certificate(orderer.organization),
            tls_server_name=orderer.name,
            client_certificate=ClientCertificate(tls / "server.crt", tls / "server.key"),
        )
    )


def peer_admin(nodes: Host, peer: Peer) -> PeerAdmin:
    """The peer, spoken to as its own organisation's administrator."""
    folder = nodes.layout.user(peer.organization, ADMIN)
    return PeerAdmin(
        Endpoint(
            peer.address,
            nodes.layout.tls_ca_certificate(peer.organization),
            tls_server_name=peer.server_name,
            client_certificate=ClientCertificate(
                folder / "tls" / "server.crt", folder / "tls" / "server.key"
            ),
        ),
        identity=load_identity(peer.mspid, folder / "certificate.pem"),
        signer=private_key_signer(folder / "private_key.pem"),
    )


async def join_orderers(nodes: Nodes, blocks: Mapping[str, bytes]) -> None:
    """Every orderer joins every channel it is not on yet."""

    async def join(orderer: Orderer) -> None:
        async with orderer_admin(nodes, orderer) as admin:
            joined = await admin.list_channels()
            for channel, block in blocks.items():
                if channel not in joined:
                    await admin.join_channel(block)

    await asyncio.gather(*(join(orderer) for orderer in nodes.orderers))


async def join_peers(nodes: Nodes, blocks: Mapping[str, bytes]) -> None:
    """Every peer joins every channel of its organisation that it is not on yet."""

    async def join(peer: Peer) -> None:
        async with peer_admin(nodes, peer) as admin:
            joined = await admin.list_channels()
            for channel, block in blocks.items():
                if channel not in joined and peer in nodes.peers_of(channel):
                    try:
                        await admin.join_channel(block)
                    except ChannelExistsError:
                        continue  # an earlier start was cut off while the peer went on joining

    await asyncio.gather(*(join(peer) for peer in nodes.peers))


async def deploy_topology(nodes: Nodes) -> dict[str, dict[str, Deployed]]:
    """Deploy every channel's chaincodes; channel -> chaincode -> what is in force.

    Raises NetworkError before anything is installed where a channel would not take one of the definitions.
    """

    async def deploy_channel(channel: str) -> dict[str, Deployed]:
        names = nodes.topology.channels[channel].chaincodes
        return {name: await deploy_chaincode(nodes, channel, name) for name in names}

    channels = list(nodes.topology.channels)
    await asyncio.gather(*(_require_acceptable(nodes, channel) for channel in channels))
    await install_topology(nodes)
    results = await asyncio.gather(*(deploy_channel(channel) for channel in channels))
    return dict(zip(channels, results, strict=True))


async def deploy_chaincode(nodes: Nodes, channel: str, chaincode: str, *, anew: bool = False) -> Deployed:
    """Bring one of the topology's chaincodes into force on `channel`; `anew` as of `deploy`."""
    packages = {
        organization: chaincode_package(nodes, chaincode, organization)
        for organization in nodes.topology.channels[channel].organizations
    }
    definition, kept = definition_of(chaincode, chaincode_on(nodes.topology, channel, chaincode))
    return await deploy(nodes, channel, definition, packages, kept=kept, anew=anew)


def definition_of(name: str, settings: Chaincode) -> tuple[ChaincodeDefinition, frozenset[str]]:
    """What a topology says of a chaincode's definition, and the fields of which it says nothing."""
    described: dict[str, Any] = {}
    if settings.endorsement_policy is not None:
        described["endorsement_policy"] = settings.endorsement_policy
    if settings.collections is not None:
        described["collections"] = tuple(_collection(entry) for entry in settings.collections)
    if settings.init_required is not None:
        described["init_required"] = settings.init_required
    kept = frozenset(KEPT - described.keys())
    return ChaincodeDefinition(name, settings.version, **described), kept


def forward_market(config: ChannelConfig) -> dict[str, Any]:
    """The definition of a forward market on the channel: fields of `Chaincode`, the same for both of its organisations.

    Raises UsageError on a channel of more or fewer than two organisations.
    """
    members = sorted(each.mspid for each in config.application_organizations.values())
    if len(members) != 2:
        raise UsageError(
            f"channel {config.channel} has the members {', '.join(members)}; a forward market has two, the community "
            "and the grid, to whom homes' messages go"
        )
    return forward_definition(*members)


def _collection(entry: Collection) -> CollectionConfig:
    return CollectionConfig(
        entry.name,
        entry.policy,
        required_peer_count=entry.required_peer_count,
        maximum_peer_count=entry.max_peer_count,
        blocks_to_live=entry.block_to_live,
        member_only_read=entry.member_only_read,
        member_only_write=entry.member_only_write,
        endorsement_policy=entry.endorsement_policy or "",
    )


async def _require_acceptable(nodes: Nodes, channel: str) -> None:
    """Raise NetworkError for a definition that `channel` would refuse, as it lacks collections that are in force."""
    settings = nodes.topology.channels[channel]
    if not settings.chaincodes:
        return
    async with peer_admin(nodes, nodes.gateway_peer(settings.organizations[0])) as admin:
        await _member(admin, channel)
        for chaincode in settings.chaincodes:
            committed = await in_force(admin, channel, chaincode)
            definition, kept = definition_of(chaincode, chaincode_on(nodes.topology, channel, chaincode))
            _refuse_lost_collections(channel, following(definition, committed, kept), committed)


def _refuse_lost_collections(
    channel: str, wanted: ChaincodeDefinition, committed: CommittedDefinition | None
) -> None:
    after = {collection.name: collection for collection in wanted.collections}
    for collection in committed.definition.collections if committed else ():
        where = f"chaincode {wanted.name} on channel {channel}: the collection {collection.name}"
        if collection.name not in after:
            raise DefinitionError(
                f"{where} is in force and cannot be taken away, for Fabric keeps its data; describe it among the "
                "collections, or leave the collections out to keep them as they are"
            )
        if after[collection.name].blocks_to_live != collection.blocks_to_live:
            raise DefinitionError(
                f"{where} keeps its data for {collection.blocks_to_live} blocks (block_to_live), which Fabric never "
                f"changes; {after[collection.name].blocks_to_live} is asked for"
            )


async def install_topology(nodes: Nodes) -> None:
    """Install every organisation's packages on each of its peers."""
    packages: dict[str, dict[str, ChaincodePackage]] = {}
    for settings in nodes.topology.channels.values():
        for organization in settings.organizations:
            for chaincode in settings.chaincodes:
                package = chaincode_package(nodes, chaincode, organization)
                packages.setdefault(organization, {})[package.package_id] = package

    async def install(peer: Peer) -> None:
        async with peer_admin(nodes, peer) as admin:
            present = {installed.package_id for installed in await admin.query_installed_chaincodes()}
            for package_id, package in packages.get(peer.organization, {}).items():
                if package_id not in present:
                    await admin.install_chaincode(package)

    await asyncio.gather(*(install(peer) for peer in nodes.peers))


async def deploy(
    nodes: Nodes,
    channel: str,
    definition: ChaincodeDefinition,
    packages: Mapping[str, ChaincodePackage],
    *,
    kept: Set[str] = frozenset(),
    anew: bool = False,
) -> Deployed:
    """Bring `definition` into force on `channel`, each organisation with its own package.

    The function finds the sequence: the same definition keeps its own, another version or policy takes the next one.
    `kept`: fields of the definition that stay as they are in force (policy, collections). `anew`: the same definition
    takes the next sequence too, for the code behind it changed.
    A package that changed (its server has moved) is approved anew at the sequence in force. Where an organisation has
    lost all its peers, and with them its approval, the same definition takes the next sequence. Every peer of the
    channel has the definition when this returns.
    Raises DefinitionError before anything is done where collections would be taken away.
    """
    members = nodes.topology.channels[channel].organizations
    async with AsyncExitStack() as stack:
        admins: dict[str, list[PeerAdmin]] = {name: [] for name in members}
        for peer in nodes.peers_of(channel):
            admins[peer.organization].append(await stack.enter_async_context(peer_admin(nodes, peer)))
        first = admins[members[0]][0]
        everybody = [admin for own in admins.values() for admin in own]
        await asyncio.gather(*(_member(admin, channel) for admin in everybody))
        await _catch_up(everybody, channel)
        committed = await in_force(first, channel, definition.name)
        wanted = following(definition, committed, kept)
        if anew and committed is not None and wanted == committed.definition:
            wanted = wanted.next()
        _refuse_lost_collections(channel, wanted, committed)
        if committed is not None and wanted == committed.definition:
            lost = await asyncio.gather(*(_lost_approval(own, channel, wanted) for own in admins.values()))
            wanted = wanted.next() if any(lost) else wanted

        async def approve(organization: str) -> None:
            package = packages[organization]
            await asyncio.gather(*(admin.install_chaincode(package) for admin in admins[organization]))
            admin = admins[organization][0]
            await _level(admin, channel, wanted)
            if await approved_package(admin, channel, wanted) != package.package_id:
                await admin.approve_chaincode_definition(channel, wanted, package.package_id)

        await asyncio.gather(*(approve(name) for name in members))
        if committed is None or committed.definition.sequence < wanted.sequence:
            await asyncio.gather(
                *(
                    _knows_approval(admin, channel, wanted, packages[organization].package_id)
                    for organization, own in admins.items()
                    for admin in own
                )
            )
            await first.commit_chaincode_definition(channel, wanted)
        after = wanted.next()
        await asyncio.gather(*(_level(admin, channel, after) for own in admins.values() for admin in own))
        return Deployed(wanted.version, wanted.sequence)


async def _member(admin: PeerAdmin, channel: str) -> None:
    """Until the peer has the block by which its organisation came to the channel: before, it refuses everybody."""

    async def answers() -> bool:
        try:
            await admin.get_chain_info(channel)
        except (RefusedError, NotReadyError):
            return False
        return True

    await _until(answers, f"{admin.address} to have its organisation's entry into channel {channel}")


async def _catch_up(admins: Sequence[PeerAdmin], channel: str) -> None:
    """Until each peer has the blocks that one of them has: a peer that was made anew knows of no definition yet."""

    async def height_of(admin: PeerAdmin) -> int:
        return (await admin.get_chain_info(channel)).height

    highest = max(await asyncio.gather(*map(height_of, admins)))

    async def has_all(admin: PeerAdmin) -> None:
        async def reached() -> bool:
            return await height_of(admin) >= highest

        await _until(
            reached, f"{admin.address} to have {highest} blocks of channel {channel}, as another peer has"
        )

    await asyncio.gather(*map(has_all, admins))


async def _level(admin: PeerAdmin, channel: str, wanted: ChaincodeDefinition) -> None:
    """Until the peer has the definition that `wanted` follows, which was heard of at another peer."""

    async def has_it() -> bool:
        committed = await in_force(admin, channel, wanted.name)
        return committed is not None and committed.definition.sequence >= wanted.sequence - 1

    if wanted.sequence > 1:
        await _until(has_it, f"{admin.address} to have sequence {wanted.sequence - 1} of {wanted.name}")


async def _knows_approval(
    admin: PeerAdmin, channel: str, wanted: ChaincodeDefinition, package_id: str
) -> None:
    """Until the peer, which may be asked to endorse the commit, has its own organisation's approval."""

    async def approved() -> bool:
        return await approved_package(admin, channel, wanted) == package_id

    await _until(approved, f"{admin.address} to have its organisation's approval of {wanted.name}")


async def _until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = asyncio.get_running_loop().time() + LEVEL_S
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            raise NetworkError(
                f"waited {LEVEL_S:.0f} s for {what}; see that orderers run; the same command goes on"
            )
        await asyncio.sleep(POLL_S)


def following(
    definition: ChaincodeDefinition, committed: CommittedDefinition | None, kept: Set[str]
) -> ChaincodeDefinition:
    """`definition` at the sequence in force where it is the same, else at the next; its fields `kept` stay."""
    if committed is None:
        return replace(definition, sequence=1)
    present = committed.definition
    wanted = replace(definition, sequence=present.sequence, **{name: getattr(present, name) for name in kept})
    return wanted if wanted == present else wanted.next()


async def in_force(admin: PeerAdmin, channel: str, name: str) -> CommittedDefinition | None:
    """The definition under a name, as the peer has it; None where there is none."""
    try:
        return await admin.query_committed_chaincode_definition(channel, name)
    except NotFoundError:
        return None


async def _lost_approval(own: Sequence[PeerAdmin], channel: str, wanted: ChaincodeDefinition) -> bool:
    """Whether the channel knows that an organisation approved, and none of its peers holds what.

    An approval is private to the organisation's peers, and nobody approves twice what it approved: one peer that was
    made anew waits for the others.
    """

    async def lacks(admin: PeerAdmin) -> bool:
        try:
            await admin.query_approved_chaincode_definition(channel, wanted.name, wanted.sequence)
        except PrivateDataMissingError:
            return True
        except RefusedError:  # none yet, in words that differ between versions
            return False
        return False

    async def has_it(admin: PeerAdmin) -> bool:
        return not await lacks(admin)

    if all(await asyncio.gather(*map(lacks, own))):
        return True
    for admin in own:
        await _until(
            partial(has_it, admin), f"{admin.address} to have its organisation's approval of {wanted.name}"
        )
    return False


async def approved_package(admin: PeerAdmin, channel: str, wanted: ChaincodeDefinition) -> str | None:
    """The id of the package with which the peer's organisation approved the definition; None where it did not."""
    try:
        approved = await admin.query_approved_chaincode_definition(channel, wanted.name, wanted.sequence)
    except RefusedError:  # none yet, in words that differ between versions
        return None
    return approved.package_id if approved.definition == wanted else None
