# SPDX-License-Identifier: Apache-2.0
"""Rules that only a whole network shows: revocation by a configuration update, exact blocks, a disk that is full."""

from __future__ import annotations

import asyncio
import datetime
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from commonwatt_client import ClientError, Peer, SubmitError
from commonwatt_client.admin import (
    APPLICATION,
    OrderingClient,
    assemble_update,
    compute_update,
    revoke_certificates,
    sign_update,
    wait_for_config,
)
from commonwatt_client.identity import load_identity
from commonwatt_client.signers import private_key_signer
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.embedded.channels.blocks import build_block
from commonwatt_network.embedded.channels.transactions import Codes, parse_transaction
from commonwatt_network.embedded.validation.block import validate_block
from commonwatt_network.testing import TestNetwork, run_embedded_network
from commonwatt_network.trust.certificates import read_key_pair
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.gateway import gateway_pb2

from .conftest import CHAINCODE, kv_of

CHANNEL = "newtown"


def revocation_list(network: TestNetwork, user: str) -> bytes:
    """A list by newtown's authority that names the user's certificate."""
    layout = network.nodes.layout
    folder = layout.organization("newtown") / "ca"
    authority = read_key_pair(folder / "ca.crt", folder / "ca.key")
    leaver = x509.load_pem_x509_certificate((layout.user("newtown", user) / "certificate.pem").read_bytes())
    now = datetime.datetime.now(datetime.UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(leaver.serial_number).revocation_date(now).build()
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now)
        .next_update(now + datetime.timedelta(days=30))
        .add_revoked_certificate(entry)
        .add_extension(key_id, critical=False)
        .sign(authority.key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


async def revoke(network: TestNetwork, user: str) -> None:
    nodes, orderer = network.nodes, network.nodes.orderers[0]
    folder = nodes.layout.user("newtown", "admin")
    admin: Any = (
        load_identity("NewtownMSP", folder / "certificate.pem"),
        private_key_signer(folder / "private_key.pem"),
    )
    ordering = OrderingClient(
        Peer(
            orderer.address,
            nodes.layout.tls_ca_certificate(orderer.organization),
            tls_server_name=orderer.name,
        ),
        identity=admin[0],
        signer=admin[1],
    )
    async with peer_admin(nodes, nodes.gateway_peer("newtown")) as peer, ordering:
        before = await peer.fetch_config(CHANNEL)
        crl = revocation_list(network, user)
        update = compute_update(before, revoke_certificates(before, APPLICATION, "NewtownMSP", crl))
        await ordering.broadcast(await assemble_update(update, [await sign_update(update, *admin)], *admin))
        await wait_for_config(
            lambda: peer.fetch_config(CHANNEL), lambda config: config.sequence > before.sequence
        )


async def test_a_revoked_creator_is_refused_everywhere(ledger: TestNetwork) -> None:
    async with ledger.connect("newtown", "home001") as gateway:
        kv = kv_of(gateway)
        await kv.submit_transaction("put", "k", "before")
        proposal = kv.new_proposal("put", arguments=["k", "after"])
        endorsed = await proposal.endorse()
        await revoke(ledger, "home001")
        with pytest.raises(ClientError, match="access denied|creator"):
            await kv.evaluate_transaction("get", "k")
        with pytest.raises(SubmitError):
            await endorsed.submit()
    # A transaction that some orderer let through all the same does not count.
    channel = ledger.peer("peer0.newtown").channels[CHANNEL]
    prepared = gateway_pb2.PreparedTransaction.FromString(endorsed.to_bytes())
    envelope = prepared.envelope.SerializeToString()
    parsed = parse_transaction(envelope)
    signer = ledger.peer("peer0.newtown").signer
    block = build_block(channel.height, channel.ledger.last_hash, [envelope], 0, signer, b"")
    commit = validate_block(block, [parsed], channel.ledger, channel, lambda *_: ())
    assert [code for _, _, code in commit.transactions] == [Codes.BAD_CREATOR_SIGNATURE]
    assert not commit.updates
    async with ledger.connect("newtown") as gateway:
        assert await kv_of(gateway).evaluate_transaction("get", "k") == b"before"


async def test_what_comes_within_the_batch_timeout_is_one_block(tmp_path: Path) -> None:
    async with run_embedded_network(tmp_path, cut_when_idle=False) as network:
        await network.deploy("kv", [sys.executable, str(CHAINCODE)], guard=False)
        async with network.connect("newtown") as gateway:
            kv = kv_of(gateway)
            transactions = [
                await kv.new_proposal("put", arguments=[f"k{number}", "v"]).endorse() for number in range(4)
            ]
            submitted = await asyncio.gather(*(transaction.submit() for transaction in transactions))
            statuses = await asyncio.gather(*(commit.status() for commit in submitted))
        assert len({status.block_number for status in statuses}) == 1


async def test_a_peer_with_a_full_disk_says_so_and_goes_on_when_there_is_room(ledger: TestNetwork) -> None:
    peer = ledger.peer("peer0.grid")
    database = peer.channels[CHANNEL].ledger.database
    database.execute("pragma max_page_count = 1").fetchone()  # as many as there are, no more
    async with ledger.connect("newtown") as gateway:
        kv = kv_of(gateway)
        for number in range(20):
            transaction = await kv.new_proposal("put", arguments=[f"k{number}", "v" * 5000]).endorse()
            await (await transaction.submit()).status()
            if peer.failures:
                break
        assert "peer0.grid cannot commit block" in peer.failures[0]
        assert "full" in peer.failures[0]
        database.execute("pragma max_page_count = 1000000").fetchone()
        height = ledger.peer("peer0.newtown").channels[CHANNEL].height
        async with asyncio.timeout(10):
            await peer.channels[CHANNEL].wait_for_height(height)
        assert not peer.failures


async def health_of(address: str) -> tuple[int, str]:
    async with aiohttp.ClientSession(f"http://{address}") as session, session.get("/healthz") as answer:
        return answer.status, await answer.text()


async def test_a_commit_that_fails_unforeseen_is_tried_again_and_shows_in_the_health(
    ledger: TestNetwork, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    peer = ledger.peer("peer0.grid")
    channel, address = peer.channels[CHANNEL], peer.config.operations_address
    assert address is not None
    mended = asyncio.Event()
    commit = channel.commit

    def fail(*arguments: Any) -> None:
        if not mended.is_set():
            raise RuntimeError("nobody foresaw this")
        commit(*arguments)

    monkeypatch.setattr(channel, "commit", fail)
    async with ledger.connect("newtown") as gateway, asyncio.timeout(20):
        await kv_of(gateway).submit_transaction("put", "k", "v")
        while (await health_of(address))[0] == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert "nobody foresaw this" in (await health_of(address))[1]
        assert "peer0.grid cannot commit block" in caplog.text
        mended.set()
        await channel.wait_for_height(ledger.peer("peer0.newtown").channels[CHANNEL].height)
    assert (await health_of(address))[0] == 200


async def test_a_background_task_that_ends_is_logged_and_makes_the_peer_unhealthy(
    ledger: TestNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async def ends() -> None:
        """As no task of a peer should."""

    peer = ledger.peer("peer0.grid")
    assert peer.config.operations_address is not None
    await peer.tasks.start(ends(), "a task")
    status, said = await health_of(peer.config.operations_address)
    assert status == 503
    assert "peer0.grid: a task has ended; restart the network" in said
    assert "peer0.grid: a task has ended" in caplog.text
    stopped = peer.tasks.start(asyncio.sleep(60), "a task")
    stopped.cancel()
    await asyncio.gather(stopped, return_exceptions=True)
    assert not peer.failures
