# SPDX-License-Identifier: Apache-2.0
"""A member of a forward market that loses its only peer with all its data: a new one gets back what was private."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from commonwatt_client import EvaluateError, GatewayError
from commonwatt_client.admin import ConnectionFailedError, NotReadyError
from commonwatt_network.backends.native import Native
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.doctor import examine_private
from commonwatt_network.down import down
from commonwatt_network.model.nodes import Nodes, Peer
from commonwatt_network.model.topology import load_topology
from commonwatt_network.programs import processes
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .conftest import quiet, run_apart
from .forward_network import CHANNEL, FIRST_PERIOD, OPERATOR, ForwardNetwork

LATER = FIRST_PERIOD + 60
RECONCILED_S = 60
ALONE_S = 240  # a peer asks ten seconds for each block's private values


@pytest.mark.parametrize(
    ("backend", "loser"),
    [
        ("embedded", "grid"),
        pytest.param("native", "grid", marks=pytest.mark.long),
        pytest.param("embedded", "newtown", marks=pytest.mark.long),
        pytest.param("native", "newtown", marks=pytest.mark.long),
    ],
)
def test_a_rebuilt_peer_has_the_private_data_and_endorses_the_next_batch(
    tmp_path: Path, backend: str, loser: str
) -> None:
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    try:
        run_apart(lambda: story(directory, backend, loser))
    finally:
        down(directory)


async def story(directory: Path, backend: str, loser: str) -> None:
    made = await up(directory, load_topology("forward"), backend, quiet)
    network = ForwardNetwork(made.nodes, directory.parent / "keys")
    await network.found(homes=4)
    said = await network.trade(FIRST_PERIOD)
    mspid, operator = network.nodes.topology.mspid(loser), f"{loser}/operator"
    lose_the_peer(network, backend, loser)
    with pytest.raises(GatewayError):
        await network.ask(operator, "get_configuration", by=[mspid])
    await up(directory, None, None, quiet)
    await has_again(network, loser, said)


async def has_again(network: ForwardNetwork, loser: str, said: dict[str, bytes]) -> None:
    """The rebuilt peer comes to have what homes said, and endorses the next period."""
    mspid = network.nodes.topology.mspid(loser)
    async with asyncio.timeout(RECONCILED_S):
        while (found := await messages_at(network, mspid)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    assert found == {*said.values()}
    assert {*said.values()} <= await streamed(network, loser)
    assert {*(await network.trade(LATER)).values()} == await messages_at(network, mspid, LATER)


async def streamed(network: ForwardNetwork, organization: str) -> set[bytes]:
    """The private values of all blocks, as the organisation's peer tells its operator."""
    async with network.peer_of(organization, f"{organization}/operator") as peer:
        height = (await peer.get_chain_info(CHANNEL)).height
        assert height > 1
        return {
            value
            async for _, values in peer.blocks_with_private_data(CHANNEL, 0, height - 1)
            for value in values.values()
        }


@pytest.mark.long
def test_what_no_peer_could_give_with_the_block_comes_by_reconciliation(tmp_path: Path) -> None:
    """On real Fabric: the other organisation's peer is away while the rebuilt one takes the blocks."""
    require_backend("native")
    directory = tmp_path / ".commonwatt"

    async def apart() -> None:
        made = await up(directory, load_topology("forward"), "native", quiet)
        nodes = made.nodes
        network = ForwardNetwork(nodes, directory.parent / "keys")
        await network.found(homes=2)
        said = await network.trade(FIRST_PERIOD)
        lost = nodes.gateway_peer("grid")
        async with peer_admin(nodes, lost) as admin:
            height = (await admin.get_chain_info(CHANNEL)).height
        lose_the_peer(network, "native", "grid")
        processes.stop(processes.running(nodes.layout)[nodes.gateway_peer("newtown").name])
        [program] = [each for each in Native().programs(nodes) if each.name == lost.name]
        processes.start(program, nodes.layout, "alone")
        await takes_the_blocks_alone(nodes, lost, height)
        assert not {*said.values()} & await streamed(network, "grid")
        newtown, grid = await asyncio.to_thread(examine_private, directory)
        assert not newtown.good
        assert "peer0.newtown tells nothing of it" in newtown.says
        assert not grid.good
        assert "peer0.grid lacks 5 of 5 private values" in grid.says  # two keys, two bids, the awards
        await up(directory, None, None, quiet)
        await has_again(network, "grid", said)
        async with asyncio.timeout(RECONCILED_S):
            while not all(  # noqa: ASYNC110
                one.good for one in await asyncio.to_thread(examine_private, directory)
            ):
                await asyncio.sleep(0.5)

    try:
        run_apart(apart)
    finally:
        down(directory)


async def takes_the_blocks_alone(nodes: Nodes, peer: Peer, height: int) -> None:
    """Join the peer to the channel, and wait until it has given up each private value of each block."""
    async with peer_admin(nodes, peer) as admin, asyncio.timeout(ALONE_S):
        while True:
            try:
                await admin.join_channel(nodes.layout.genesis_block(CHANNEL).read_bytes())
                break
            except (NotReadyError, ConnectionFailedError):
                await asyncio.sleep(0.2)
        while (await admin.get_chain_info(CHANNEL)).height < height:  # noqa: ASYNC110
            await asyncio.sleep(0.5)


def lose_the_peer(network: ForwardNetwork, backend: str, loser: str) -> None:
    """End the peer with nothing left of its ledger, its private data and its transient store."""
    nodes = network.nodes
    peer = nodes.gateway_peer(loser)
    running = processes.running(nodes.layout)
    processes.stop(running["embedded" if backend == "embedded" else peer.name])
    assert peer.ledger.is_dir()
    shutil.rmtree(peer.ledger)


async def messages_at(network: ForwardNetwork, mspid: str, period: int = FIRST_PERIOD) -> set[bytes] | None:
    """The messages of a period as the rebuilt peer has them; None while it lacks one."""
    asked = {"kind": "bid", "period": period}
    try:
        answer = await network.ask(OPERATOR, "list_messages", asked, by=[mspid])
    except EvaluateError as error:
        if error.chaincode_response is None or "data_not_here" not in error.chaincode_response.message:
            raise
        return None
    return {entry["message"].encode() for entry in answer["messages"]}
