# SPDX-License-Identifier: Apache-2.0
"""Administration of peers: channels, queries, the chaincode lifecycle, discovery, snapshots."""

import asyncio
from dataclasses import replace

import pytest
from commonwatt_client import Peer, Timeouts
from commonwatt_client import Peer as Endpoint
from commonwatt_client.admin import (
    AlreadyDoneError,
    Authorities,
    ChaincodeConnection,
    ChaincodeDefinition,
    ChannelExistsError,
    ChannelNotFoundError,
    CollectionConfig,
    ConnectionFailedError,
    NotFoundError,
    PeerAdmin,
    RefusedError,
    orderers_that_signed,
    package_ccaas,
    verify_block,
    verify_chain,
)
from commonwatt_client.identity import load_identity
from commonwatt_client.signers import private_key_signer
from commonwatt_network.channels.deploy import Deployed, deploy, deploy_topology, peer_admin
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.topology_parts import Chaincode
from commonwatt_network.programs import chaincode_servers as chaincode
from fabric_protos.discovery import protocol_pb2 as discovery_pb2

CHANNEL = "newtown"


def admins(network) -> dict[str, PeerAdmin]:
    """One peer of each organisation."""
    return {peer.organization: peer_admin(network.nodes, peer) for peer in reversed(network.nodes.peers)}


def as_user(network, organization: str, user: str) -> PeerAdmin:
    """The organisation's first peer, asked as someone who is no admin."""
    peer = next(each for each in network.nodes.peers if each.organization == organization)
    folder = network.nodes.layout.user(organization, user)
    return PeerAdmin(
        Peer(peer.address, network.nodes.layout.tls_ca_certificate(organization), tls_server_name=peer.name),
        identity=load_identity(peer.mspid, folder / "certificate.pem"),
        signer=private_key_signer(folder / "private_key.pem"),
    )


async def test_a_peer_tells_its_channels_and_joins_none_twice(network) -> None:
    async with admins(network)["newtown"] as peer:
        assert {"newtown", "trials"} <= set(await peer.list_channels())
        genesis = await peer.get_block_by_number(CHANNEL, 0)
        with pytest.raises(ChannelExistsError):
            await peer.join_channel(genesis.serialized)
        with pytest.raises(ChannelNotFoundError):
            await peer.get_chain_info("nowhere")
        with pytest.raises(ChannelNotFoundError):
            await peer.fetch_config_block("nowhere")


async def test_blocks_and_transactions_are_found_again(network) -> None:
    async with admins(network)["newtown"] as peer:
        info = await peer.get_chain_info(CHANNEL)
        newest = await peer.get_block_by_number(CHANNEL, info.height - 1)
        assert newest.header_hash == info.current_block_hash
        assert newest.previous_hash == info.previous_block_hash
        assert (await peer.get_block_by_hash(CHANNEL, newest.header_hash)).number == newest.number
        transaction = newest.transactions[0]
        found = await peer.get_block_by_transaction_id(CHANNEL, transaction.transaction_id)
        assert found.number == newest.number
        assert (await peer.get_transaction_by_id(CHANNEL, transaction.transaction_id)) == transaction
        for nothing in (
            peer.get_block_by_number(CHANNEL, info.height + 1000),
            peer.get_block_by_hash(CHANNEL, b"\0" * 32),
            peer.get_transaction_by_id(CHANNEL, "00"),
            peer.get_block_by_transaction_id(CHANNEL, "00"),
        ):
            with pytest.raises(NotFoundError):
                await nothing


async def test_the_whole_ledger_can_be_audited_from_any_peer(network) -> None:
    copies = {}
    for organization, admin in admins(network).items():
        async with admin as peer:
            height = (await peer.get_chain_info(CHANNEL)).height
            config = await peer.fetch_config(CHANNEL)
            blocks = [block async for block in peer.blocks(CHANNEL, 0, height - 1)]
        assert len(blocks) == height
        assert verify_chain(blocks) == []
        authorities = Authorities.of(config)
        assert [flaw for block in blocks for flaw in verify_block(block, authorities)] == []
        assert all(orderers_that_signed(block, config) for block in blocks[1:])
        copies[organization] = [block.header_hash for block in blocks]
    shortest = min(map(len, copies.values()))
    assert len({tuple(hashes[:shortest]) for hashes in copies.values()}) == 1


async def test_a_definition_needs_every_organisation_and_goes_up_by_one(network) -> None:
    both = admins(network)
    package = package_ccaas("nothing_1", ChaincodeConnection("127.0.0.1:9"))
    definition = ChaincodeDefinition(
        "nothing",
        "1",
        endorsement_policy="OR('NewtownMSP.peer', 'GridMSP.peer')",
        collections=(CollectionConfig("meters", "OR('NewtownMSP.member', 'GridMSP.member')", 0, 1, 10),),
    )
    async with both["newtown"] as newtown, both["grid"] as grid:
        with pytest.raises(NotFoundError):
            await newtown.query_committed_chaincode_definition("trials", "nothing")
        installed = await newtown.install_chaincode(package)
        assert installed.package_id == package.package_id
        assert await newtown.install_chaincode(package) == installed
        assert package.package_id in {i.package_id for i in await newtown.query_installed_chaincodes()}
        assert await newtown.get_installed_chaincode_package(package.package_id) == package

        await newtown.approve_chaincode_definition("trials", definition, package.package_id)
        with pytest.raises(AlreadyDoneError):
            await newtown.approve_chaincode_definition("trials", definition, package.package_id)
        approved = await newtown.query_approved_chaincode_definition("trials", "nothing")
        assert (approved.definition, approved.package_id) == (definition, package.package_id)
        readiness = await newtown.check_commit_readiness("trials", definition)
        assert readiness.missing == ("GridMSP",)
        with pytest.raises(RefusedError, match="GridMSP"):
            await newtown.commit_chaincode_definition("trials", definition)

        await grid.approve_chaincode_definition("trials", definition, "")
        # Grid's peer has both approvals for certain; newtown's may be a block behind it.
        assert (await grid.check_commit_readiness("trials", definition)).missing == ()
        await newtown.commit_chaincode_definition("trials", definition)
        committed = await newtown.query_committed_chaincode_definition("trials", "nothing")
        assert committed.definition == definition
        assert committed.approvals == {"NewtownMSP": True, "GridMSP": True}
        assert definition in [
            each.definition for each in await newtown.query_committed_chaincode_definitions("trials")
        ]
        with pytest.raises(RefusedError, match="sequence"):
            await newtown.commit_chaincode_definition("trials", definition)

        following = definition.next(version="2", endorsement_policy="/Channel/Application/Endorsement")
        await newtown.approve_chaincode_definition("trials", following, package.package_id)
        await grid.approve_chaincode_definition("trials", following, "")
        await newtown.commit_chaincode_definition("trials", following)
        committed = await newtown.query_committed_chaincode_definition("trials", "nothing")
        assert committed.definition == following


async def test_only_admins_administer(network) -> None:
    async with as_user(network, "newtown", "home001") as peer:
        with pytest.raises(RefusedError, match="admin role"):
            await peer.install_chaincode(package_ccaas("x", ChaincodeConnection("127.0.0.1:9")))


async def test_a_peer_that_is_not_there_is_said_to_be(network) -> None:
    peer = network.nodes.peers[0]
    folder = network.nodes.layout.user(peer.organization, "operator")
    async with PeerAdmin(
        Peer("127.0.0.1:9", network.nodes.layout.tls_ca_certificate(peer.organization)),
        identity=load_identity(peer.mspid, folder / "certificate.pem"),
        signer=private_key_signer(folder / "private_key.pem"),
        timeouts=Timeouts(evaluate_s=5, submit_s=5),
    ) as nobody:
        with pytest.raises(ConnectionFailedError, match="127.0.0.1:9"):
            await nobody.list_channels()


async def test_discovery(network) -> None:
    async with admins(network)["newtown"] as peer:
        heights = {found.mspid: found.ledger_height for found in await peer.discover_peers(CHANNEL)}
        assert set(heights) == {"NewtownMSP", "GridMSP"}
        assert min(heights.values()) > 0
        config = await peer.discover_config(CHANNEL)
        assert config.orderers == {
            organization.mspid: organization.orderer_endpoints
            for organization in (await peer.fetch_config(CHANNEL)).orderer_organizations.values()
        }
        endorsers = await peer.discover_endorsers(CHANNEL, "market")
        for layout in endorsers.layouts:
            assert sum(layout.values()) == 2
            assert set(layout) <= set(endorsers.groups)


async def test_a_member_finds_the_peers_that_its_own_peer_knows(network) -> None:
    query = discovery_pb2.Query()
    query.local_peers.SetInParent()
    async with as_user(network, "newtown", "operator") as peer:
        found = await peer._peer.discover(query, "members")
        assert set(found.peers_by_org) == {"NewtownMSP", "GridMSP"}
    newtown = next(each for each in network.nodes.peers if each.organization == "newtown")
    folder = network.nodes.layout.user("grid", "operator")
    async with PeerAdmin(
        Endpoint(
            newtown.address, network.nodes.layout.tls_ca_certificate("newtown"), tls_server_name=newtown.name
        ),
        identity=load_identity("GridMSP", folder / "certificate.pem"),
        signer=private_key_signer(folder / "private_key.pem"),
    ) as other:
        with pytest.raises(RefusedError, match="access denied"):
            await other._peer.discover(query, "members")


async def test_snapshots_wait_for_their_block(network) -> None:
    async with admins(network)["newtown"] as peer:
        height = (await peer.get_chain_info(CHANNEL)).height
        far = height + 10_000
        await peer.submit_snapshot_request(CHANNEL, far)
        assert far in await peer.list_pending_snapshots(CHANNEL)
        with pytest.raises(RefusedError):
            await peer.submit_snapshot_request(CHANNEL, far)
        await peer.cancel_snapshot_request(CHANNEL, far)
        assert far not in await peer.list_pending_snapshots(CHANNEL)
        with pytest.raises(NotFoundError):
            await peer.cancel_snapshot_request(CHANNEL, far)


async def test_a_block_stream_waits_for_the_next_block(network) -> None:
    async with admins(network)["newtown"] as peer:
        height = (await peer.get_chain_info("trials")).height

        async def next_block() -> int:
            async for block in peer.blocks("trials", height):
                return block.number
            return -1

        waiting = asyncio.create_task(next_block())
        approved = ChaincodeDefinition("awaited", "1")
        await peer.approve_chaincode_definition("trials", approved, "")
        async with asyncio.timeout(20):
            assert await waiting == height


async def test_what_a_topology_cannot_describe_of_a_definition_stays(network) -> None:
    """Also when its servers moved, so that the definition in force is approved anew, and with the next version."""
    members = "OutOf(1, 'NewtownMSP.member', 'GridMSP.peer')"
    collection = CollectionConfig(
        "readings",
        members,
        blocks_to_live=9,
        member_only_read=False,
        endorsement_policy="OR('GridMSP.member')",
    )
    own = ChaincodeDefinition(
        "own", "1.0", endorsement_policy=members, collections=(collection,), init_required=True
    )
    packages = {
        name: chaincode.package(network.nodes.layout, name, "own", f"127.0.0.1:{port}")
        for port, name in enumerate(("newtown", "grid"), 1)
    }
    await deploy(network.nodes, "trials", own, packages)
    for version, sequence in (("1.0", 1), ("1.0", 1), ("2.0", 2)):
        deployed = await deploy_topology(with_chaincode(network.nodes, "trials", "own", version))
        assert deployed["trials"]["own"] == Deployed(version, sequence)
        async with admins(network)["newtown"] as peer:
            committed = await peer.query_committed_chaincode_definition("trials", "own")
        assert committed.definition == replace(own, version=version, sequence=sequence)


def with_chaincode(nodes: Nodes, channel: str, name: str, version: str) -> Nodes:
    """The network as a topology describes it that has this chaincode too, by its version."""
    topology = nodes.topology
    channels = {
        **topology.channels,
        channel: topology.channels[channel].model_copy(update={"chaincodes": [name]}),
    }
    chaincodes = {**topology.chaincodes, name: Chaincode(version=version)}
    servers = [
        replace(server, chaincode=name, name=f"{name}.{server.organization}", port=3 + number)
        for number, server in enumerate(nodes.chaincode_servers)
    ]
    return replace(
        nodes,
        topology=topology.model_copy(update={"channels": channels, "chaincodes": chaincodes}),
        chaincode_servers=(*nodes.chaincode_servers, *servers),
    )
