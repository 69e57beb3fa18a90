# SPDX-License-Identifier: Apache-2.0
"""A member of a forward market that loses its only peer with all its data: a new one gets back what was private."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from commonwatt_client import EvaluateError, GatewayError
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.programs import processes
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .conftest import quiet, run_apart
from .forward_network import CHANNEL, FIRST_PERIOD, OPERATOR, ForwardNetwork

LATER = FIRST_PERIOD + 60
RECONCILED_S = 60


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
    async with network.peer_of(loser, operator) as rebuilt, asyncio.timeout(RECONCILED_S):
        height = (await rebuilt.get_chain_info(CHANNEL)).height
        assert height > 1
        while (found := await messages_at(network, mspid)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        assert found == {*said.values()}
        streamed = {
            value
            async for _, values in rebuilt.blocks_with_private_data(CHANNEL, 0, height - 1)
            for value in values.values()
        }
    assert {*said.values()} <= streamed
    assert {*(await network.trade(LATER)).values()} == await messages_at(network, mspid, LATER)


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
