# SPDX-License-Identifier: Apache-2.0
"""Changes to a running channel, on real Fabric with three Raft orderers, while transactions go on."""

import asyncio
import datetime
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from commonwatt_client import ClientError, Gateway, connect_network_file
from commonwatt_client.admin import (
    APPLICATION,
    ChannelConfig,
    OrdererAdmin,
    OrderingClient,
    PeerAdmin,
    RefusedError,
    add_consenter,
    add_organization,
    assemble_update,
    compute_update,
    remove_consenter,
    remove_organization,
    revoke_certificates,
    set_batch,
    set_orderer_endpoints,
    sign_update,
    wait_for_config,
)
from commonwatt_client.ledger.configuration import msp_of
from commonwatt_network.channels.deploy import orderer_admin, peer_admin
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.trust.certificates import create_authority, read_key_pair
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.msp import msp_config_pb2

from .raft_network import admin_of, ordering_client

CHANNEL = "newtown"
LONGEST_PAUSE_S = 5.0


@pytest.fixture
def nodes(raft_nodes: Nodes) -> Nodes:
    """Newtown and grid, three orderers of one organisation, the market deployed."""
    return raft_nodes


@pytest.fixture
async def peer(nodes: Nodes) -> AsyncIterator[PeerAdmin]:
    """Newtown's peer."""
    async with peer_admin(nodes, nodes.gateway_peer("newtown")) as admin:
        yield admin


@pytest.fixture
async def ordering(nodes: Nodes) -> AsyncIterator[OrderingClient]:
    """The first orderer."""
    async with ordering_client(nodes, nodes.orderers[0]) as client:
        yield client


@pytest.fixture
def change(
    nodes: Nodes, peer: PeerAdmin, ordering: OrderingClient
) -> Callable[..., Awaitable[ChannelConfig]]:
    """Apply an edit, signed by the administrators of these organisations, and wait until it is in force."""

    async def apply(edit: Callable[[ChannelConfig], ChannelConfig], *signers: str) -> ChannelConfig:
        current = await peer.fetch_config(CHANNEL)
        update = compute_update(current, edit(current))
        signatures = [await sign_update(update, *admin_of(nodes, signer)) for signer in signers]
        await ordering.broadcast(await assemble_update(update, signatures, *admin_of(nodes, signers[0])))
        return await wait_for_config(
            lambda: peer.fetch_config(CHANNEL), lambda config: config.sequence > current.sequence
        )

    return apply


@asynccontextmanager
async def trade_going_on(nodes: Nodes) -> AsyncIterator[list[float]]:
    """Transactions one after the other meanwhile; afterwards, the pauses between commits in seconds."""
    pauses: list[float] = []
    over = asyncio.Event()

    async def trade(gateway: Gateway) -> None:
        contract = gateway.get_network(CHANNEL).get_contract("market")
        last = time.monotonic()
        while not over.is_set():
            try:
                # An orderer that leaves may lose what it took: the client sends the same envelope again.
                await contract.submit("get_parameters", arguments=["{}"], retry=True)
            except ClientError:
                await asyncio.sleep(0.1)
                continue
            now = time.monotonic()
            pauses.append(now - last)
            last = now
        pauses.append(time.monotonic() - last)

    async with connect_network_file(nodes.layout.network_file, "newtown", "operator") as gateway:
        trading = asyncio.create_task(trade(gateway))
        try:
            yield pauses
        finally:
            over.set()
            await trading


def hill_group(config: ChannelConfig) -> bytes:
    """A further organisation: grid's group with an MSP of its own."""
    root = config.edited_group()
    group = root.groups["Application"].groups["GridMSP"]
    msp = msp_of(group)
    msp.name = "HillMSP"
    del msp.root_certs[:], msp.tls_root_certs[:]
    msp.root_certs.append(create_authority("ca.hill", "hill").certificate_pem)
    msp.tls_root_certs.append(create_authority("tlsca.hill", "hill").certificate_pem)
    for ou in ("client", "peer", "admin", "orderer"):
        getattr(msp.fabric_node_ous, f"{ou}_ou_identifier").certificate = b""
    group.values["MSP"].value = msp_config_pb2.MSPConfig(config=msp.SerializeToString()).SerializeToString()
    for policy in group.policies.values():
        policy.policy.value = policy.policy.value.replace(b"GridMSP", b"HillMSP")
    return bytes(group.SerializeToString())


async def test_an_organisation_comes_and_goes_by_majority(nodes: Nodes, change: Any) -> None:
    def add(config: ChannelConfig) -> ChannelConfig:
        return add_organization(config, APPLICATION, "HillMSP", hill_group(config))

    with pytest.raises(RefusedError, match="collect the missing signatures"):
        await change(add, "newtown")
    async with trade_going_on(nodes) as pauses:
        config = await change(add, "newtown", "grid")
        assert set(config.application_organizations) == {"NewtownMSP", "GridMSP", "HillMSP"}
        config = await change(lambda c: remove_organization(c, APPLICATION, "HillMSP"), "newtown", "grid")
        assert set(config.application_organizations) == {"NewtownMSP", "GridMSP"}
    assert max(pauses) < LONGEST_PAUSE_S


@pytest.mark.long
async def test_an_orderer_leaves_and_comes_back_while_trade_goes_on(
    nodes: Nodes, change: Any, peer: PeerAdmin
) -> None:
    before = await peer.fetch_config(CHANNEL)
    last = nodes.orderers[-1]
    consenter = next(each for each in before.consenters if each.address == last.address)
    others = [each.address for each in before.consenters if each != consenter]
    async with trade_going_on(nodes) as pauses, orderer_admin(nodes, last) as orderer:
        await change(
            lambda c: set_orderer_endpoints(remove_consenter(c, last.address), "OrdererMSP", others),
            "orderers",
        )
        await relation(orderer, "follower")
        await change(
            lambda c: set_orderer_endpoints(
                add_consenter(c, consenter), "OrdererMSP", [*others, last.address]
            ),
            "orderers",
        )
        await relation(orderer, "consenter")
    assert max(pauses) < LONGEST_PAUSE_S


async def relation(orderer: OrdererAdmin, wanted: str) -> None:
    """Wait until the orderer stands so to the channel."""
    async with asyncio.timeout(150):
        while (await orderer.get_channel(CHANNEL)).consensus_relation != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_fabric_takes_one_consenter_at_a_time(nodes: Nodes, change: Any) -> None:
    _, second, third = (orderer.address for orderer in nodes.orderers)
    with pytest.raises(RefusedError, match="more than one consenter at a time"):
        await change(lambda c: remove_consenter(remove_consenter(c, second), third), "orderers")


async def test_blocks_are_cut_otherwise_from_now_on(nodes: Nodes, change: Any) -> None:
    async with trade_going_on(nodes) as pauses:
        config = await change(lambda c: set_batch(c, timeout_s=0.07), "orderers")
    assert config.batch_timeout_s == pytest.approx(0.07)
    assert max(pauses) < LONGEST_PAUSE_S


async def test_a_revoked_user_is_locked_out(nodes: Nodes, change: Any) -> None:
    layout = nodes.layout
    folder = layout.organization("newtown") / "ca"
    authority = read_key_pair(folder / "ca.crt", folder / "ca.key")
    leaver = x509.load_pem_x509_certificate(
        (layout.user("newtown", "leaver") / "certificate.pem").read_bytes()
    )
    now = datetime.datetime.now(datetime.UTC)
    revoked = (
        x509.RevokedCertificateBuilder().serial_number(leaver.serial_number).revocation_date(now).build()
    )
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now)
        .next_update(now + datetime.timedelta(days=30))
        .add_revoked_certificate(revoked)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    async with connect_network_file(layout.network_file, "newtown", "leaver") as gateway:
        contract = gateway.get_network(CHANNEL).get_contract("market")
        await contract.evaluate_transaction("get_parameters", "{}")
        await change(lambda c: revoke_certificates(c, APPLICATION, "NewtownMSP", crl), "newtown")
        with pytest.raises(ClientError, match="access denied|creator"):
            await contract.submit_transaction("get_parameters", "{}")
    async with connect_network_file(layout.network_file, "newtown", "operator") as gateway:
        await gateway.get_network(CHANNEL).get_contract("market").submit_transaction("get_parameters", "{}")
