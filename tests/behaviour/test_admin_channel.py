# SPDX-License-Identifier: Apache-2.0
"""Administration of orderers and of a channel's configuration."""

from contextlib import AsyncExitStack

import pytest
from commonwatt_client import Peer
from commonwatt_client.admin import (
    BatchSize,
    ChannelExistsError,
    ChannelNotFoundError,
    InvalidInputError,
    NotFoundError,
    OrderingClient,
    RefusedError,
    assemble_update,
    compute_update,
    set_anchor_peers,
    set_batch,
    sign_update,
    wait_for_config,
)
from commonwatt_client.identity import load_identity
from commonwatt_client.signers import private_key_signer
from commonwatt_network.channels.deploy import orderer_admin, peer_admin

CHANNEL = "trials"


def admin_of(network, organization: str, mspid: str):
    """The identity and signer of an organisation's administrator."""
    folder = network.nodes.layout.user(organization, "admin")
    return load_identity(mspid, folder / "certificate.pem"), private_key_signer(folder / "private_key.pem")


def require_rest_blocks(network) -> None:
    """Skip where orderers offer neither blocks nor updates over REST."""
    if network.version.startswith("2."):
        pytest.skip(f"blocks and updates over REST came with Fabric 3.1, this is {network.version}")


def ordering_client(network) -> OrderingClient:
    orderer = network.nodes.orderers[0]
    identity, signer = admin_of(network, orderer.organization, orderer.mspid)
    return OrderingClient(
        Peer(
            orderer.address,
            network.nodes.layout.tls_ca_certificate(orderer.organization),
            tls_server_name=orderer.name,
        ),
        identity=identity,
        signer=signer,
    )


async def test_an_orderer_tells_its_channels(network) -> None:
    async with orderer_admin(network.nodes, network.nodes.orderers[0]) as orderer:
        assert set(await orderer.list_channels()) == {"newtown", "trials"}
        info = await orderer.get_channel(CHANNEL)
        assert (info.name, info.consensus_relation, info.status) == (CHANNEL, "consenter", "active")
        assert info.height > 0
        with pytest.raises(ChannelNotFoundError):
            await orderer.get_channel("nowhere")
        with pytest.raises(ChannelNotFoundError):
            await orderer.remove_channel("nowhere")


async def test_an_orderer_joins_no_channel_twice_and_none_from_junk(network) -> None:
    async with (
        orderer_admin(network.nodes, network.nodes.orderers[0]) as orderer,
        ordering_client(network) as ordering,
    ):
        genesis = await ordering.get_block(CHANNEL, 0)
        with pytest.raises(ChannelExistsError):
            await orderer.join_channel(genesis.serialized)
        with pytest.raises(InvalidInputError):
            await orderer.join_channel(b"junk")


async def test_the_configuration_comes_the_same_three_ways(network) -> None:
    require_rest_blocks(network)
    peer = network.nodes.peers[0]
    async with (
        orderer_admin(network.nodes, network.nodes.orderers[0]) as rest,
        ordering_client(network) as ordering,
        peer_admin(network.nodes, peer) as asked,
    ):
        configs = [await source.fetch_config(CHANNEL) for source in (rest, ordering, asked)]
        assert configs[0].root == configs[1].root == configs[2].root
        newest = await rest.get_block(CHANNEL, "newest")
        assert (await ordering.get_block(CHANNEL, "newest")).header_hash == newest.header_hash
        assert (await rest.get_block(CHANNEL, "oldest")).number == 0
        with pytest.raises(NotFoundError):
            await rest.get_block(CHANNEL, 10_000)
        with pytest.raises(NotFoundError):
            await ordering.get_block(CHANNEL, 10_000)
        with pytest.raises(NotFoundError):
            await ordering.get_block("nowhere", "newest")


@pytest.mark.parametrize("way", ["rest", "broadcast"])
async def test_a_batch_timeout_is_changed_by_the_orderers_admin_alone(network, way: str) -> None:
    if way == "rest":
        require_rest_blocks(network)
    orderer = network.nodes.orderers[0]
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(orderer_admin(network.nodes, orderer))
        ordering = await stack.enter_async_context(ordering_client(network))
        peer = await stack.enter_async_context(peer_admin(network.nodes, network.nodes.peers[0]))

        async def submit(envelope: bytes) -> None:
            if way == "rest":
                await rest.update_channel(envelope)
            else:
                await ordering.broadcast(envelope)

        before = await peer.fetch_config(CHANNEL)
        timeout_s = 0.15 if way == "rest" else 0.25
        size = BatchSize(400, before.batch_size.absolute_max_bytes, before.batch_size.preferred_max_bytes)
        update = compute_update(before, set_batch(before, timeout_s=timeout_s, size=size))

        stranger = admin_of(network, "newtown", "NewtownMSP")
        with pytest.raises(RefusedError, match="Orderer"):
            await submit(await assemble_update(update, [], *stranger))

        owner = admin_of(network, orderer.organization, orderer.mspid)
        # Signed by the owner, carried and submitted by someone who could not change it alone.
        signature = await sign_update(update, *owner)
        await submit(await assemble_update(update, [signature], *stranger))
        after = await wait_for_config(
            lambda: peer.fetch_config(CHANNEL), lambda config: config.batch_timeout_s == timeout_s
        )
        assert after.sequence == before.sequence + 1
        assert after.batch_size == size
        with pytest.raises(RefusedError):
            await submit(await assemble_update(update, [signature], *owner))


async def test_anchor_peers_belong_to_their_organisation(network) -> None:
    async with (
        ordering_client(network) as ordering,
        peer_admin(network.nodes, network.nodes.peers[0]) as peer,
    ):
        before = await peer.fetch_config(CHANNEL)
        name = next(n for n, o in before.application_organizations.items() if o.mspid == "NewtownMSP")
        anchors = before.application_organizations[name].anchor_peers
        for wanted in ((), anchors):
            current = await peer.fetch_config(CHANNEL)
            update = compute_update(current, set_anchor_peers(current, name, wanted))
            with pytest.raises(RefusedError):
                await ordering.broadcast(
                    await assemble_update(update, [], *admin_of(network, "grid", "GridMSP"))
                )
            owner = admin_of(network, "newtown", "NewtownMSP")
            await ordering.broadcast(await assemble_update(update, [], *owner))
            await wait_for_config(
                lambda: peer.fetch_config(CHANNEL),
                lambda config, wanted=wanted: config.application_organizations[name].anchor_peers == wanted,
            )
