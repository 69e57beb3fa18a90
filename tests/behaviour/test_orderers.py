"""Every ordering service of the samples, on real Fabric: Raft of 3 and 5, BFT of 4, of one or several organisations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commonwatt_client import connect_network_file
from commonwatt_client.admin import NotFoundError, PeerAdmin, Transaction
from commonwatt_network.backends.native import FabricNotFoundError, check_version, find_fabric
from commonwatt_network.deploy import orderer_admin, peer_admin
from commonwatt_network.down import down
from commonwatt_network.topology import load_topology
from commonwatt_network.up import up


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
        for orderer in nodes.orderers:
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

    try:
        asyncio.run(story())
    finally:
        down(directory)
