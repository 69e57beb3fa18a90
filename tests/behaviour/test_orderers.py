# SPDX-License-Identifier: Apache-2.0
"""Every ordering service of the samples, on real Fabric: Raft of 3 and 5, BFT of 4, of one or several organisations."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from commonwatt_audit.audit import Audit
from commonwatt_audit.source import blocks_of_network
from commonwatt_client import connect_network_file
from commonwatt_client.admin import NotFoundError, PeerAdmin, Transaction
from commonwatt_network.channels.deploy import orderer_admin, peer_admin
from commonwatt_network.down import down
from commonwatt_network.model.nodes import Orderer
from commonwatt_network.model.topology import load_topology
from commonwatt_network.programs.fabric import FabricNotFoundError, check_version, find_fabric
from commonwatt_network.trust.certificates import create_authority, issue_tls
from commonwatt_network.up import up
from fabric_protos.orderer import cluster_pb2


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


async def transaction_on(admin: PeerAdmin, channel: str, transaction_id: str) -> Transaction:
    """The transaction, once the peer has it."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await admin.get_transaction_by_id(channel, transaction_id)
            except NotFoundError:
                await asyncio.sleep(0.05)


async def refused_without_certificate(
    orderer: Orderer, joined: str, authority: bytes, stranger: Path
) -> None:
    """Neither the administration port nor other orderers' calls are open to whoever shows no certificate of theirs."""
    host, port = orderer.admin_address.rsplit(":", 1)
    unknown = create_authority("ca.stranger", "stranger")
    pair = issue_tls(unknown, "stranger", ["localhost"], 1)
    (stranger / "stranger.pem").write_bytes(pair.certificate_pem + pair.key_pem)
    for certificate, alert in (
        (None, "CERTIFICATE_REQUIRED"),
        ("stranger.pem", "UNKNOWN_CA|BAD_CERTIFICATE"),
    ):
        context = ssl.create_default_context(cadata=authority.decode())
        if certificate:
            context.load_cert_chain(stranger / certificate)
        with pytest.raises(ssl.SSLError, match=alert):
            reader, _ = await asyncio.open_connection(
                host, int(port), ssl=context, server_hostname=orderer.name
            )
            await reader.read()  # nothing was asked: what comes is why the handshake failed
    options = (("grpc.ssl_target_name_override", orderer.name),)
    async with grpc.aio.secure_channel(
        orderer.address, grpc.ssl_channel_credentials(authority), options
    ) as channel:
        request = cluster_pb2.StepRequest(submit_request=cluster_pb2.SubmitRequest(channel=joined))
        step = channel.stream_stream("/orderer.Cluster/Step")(iter([request.SerializeToString()]), timeout=10)
        # BFT orderers take nothing here: they speak ClusterNodeService, whose streams begin with a signature.
        with pytest.raises(grpc.aio.AioRpcError, match=r"no TLS certificate sent|channel \w+ doesn't exist"):
            await step.read()


@pytest.mark.parametrize(("sample", "consenters"), [("three-orderers", 3), ("five-orderers", 5), ("bft", 4)])
def test_a_network_of_this_ordering_service_trades(tmp_path: Path, sample: str, consenters: int) -> None:
    topology = load_topology(sample)
    try:
        check_version(find_fabric(), topology.orderers.consensus)
    except FabricNotFoundError as error:
        pytest.skip(f"native: {error}")
    directory = tmp_path / ".commonwatt"

    async def story() -> None:
        result = await up(directory, topology, "native", quiet)
        nodes = result.nodes
        assert len(nodes.orderers) == consenters
        assert {orderer.organization for orderer in nodes.orderers} == {*topology.orderers.organizations}
        for orderer in nodes.orderers:
            authority = nodes.layout.tls_ca_certificate(orderer.organization).read_bytes()
            await refused_without_certificate(orderer, next(iter(topology.channels)), authority, tmp_path)
            async with orderer_admin(nodes, orderer) as admin:
                assert set(await admin.list_channels()) == set(topology.channels)
                for channel in topology.channels:
                    assert (await admin.get_channel(channel)).consensus_relation == "consenter"
        for channel, settings in topology.channels.items():
            async with connect_network_file(nodes.layout.network_file, settings.organizations[0]) as gateway:
                contract = gateway.get_network(channel).get_contract("market")
                outcome = await contract.submit("get_parameters", arguments=["{}"])
            for peer in nodes.peers_of(channel):
                async with peer_admin(nodes, peer) as admin:
                    assert (await transaction_on(admin, channel, outcome.transaction_id)).valid
            audit = Audit()  # of blocks that several orderers may have signed
            async for block in blocks_of_network(
                nodes.layout.network_file, channel, settings.organizations[0], "operator"
            ):
                audit.check(block)

    try:
        asyncio.run(story())
    finally:
        down(directory)
