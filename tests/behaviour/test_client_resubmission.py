# SPDX-License-Identifier: Apache-2.0
"""An acknowledged transaction dies with the leader that queued it: the same envelope is sent again and commits once."""

from __future__ import annotations

import asyncio

import psutil
from commonwatt_client import Network, RetryPolicy, ValidationCode, connect_network_file
from commonwatt_client.admin import assemble_update, compute_update, set_batch, wait_for_config
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.programs import processes
from commonwatt_network.programs.readiness import find_leader
from commonwatt_network.up import up

from .raft_network import admin_of, ordering_client, silent

CHANNEL = "newtown"
QUEUED_S = 1.2  # how long the leader holds a transaction before it proposes a block to the others


async def test_what_a_killed_leader_had_queued_is_sent_again(raft_nodes: Nodes) -> None:
    nodes = raft_nodes
    async with connect_network_file(nodes.layout.network_file, "newtown", "operator") as gateway:
        network = gateway.get_network(CHANNEL)
        market = network.get_contract("market")
        usual_s = await cut_blocks_after(nodes, QUEUED_S)
        leader = await find_leader(nodes, CHANNEL)
        assert leader is not None
        submitted = await market.submit_async(
            "get_parameters", arguments=["{}"], retry=RetryPolicy(commit_wait_s=QUEUED_S)
        )
        kill(nodes, leader)
        status = await submitted.status(timeout_s=30)
        assert status.code is ValidationCode.VALID
        assert status.sends > 1
        assert submitted.tries == 1
        await asyncio.to_thread(lambda: asyncio.run(up(nodes.layout.directory, None, None, silent)))
        await cut_blocks_after(nodes, usual_s)
        codes = await codes_of(network, submitted.transaction_id, status.block_number)
        assert codes.count(ValidationCode.VALID) == 1
        assert set(codes) <= {ValidationCode.VALID, ValidationCode.DUPLICATE_TXID}


def kill(nodes: Nodes, name: str) -> None:
    """kill -9."""
    group = processes.running(nodes.layout)[name]
    for process in group:
        process.kill()
    psutil.wait_procs(group, timeout=10)


async def cut_blocks_after(nodes: Nodes, timeout_s: float) -> float:
    """Change the channel's batch timeout; what it was."""
    owner = admin_of(nodes, nodes.orderers[0].organization)
    async with (
        peer_admin(nodes, nodes.gateway_peer("newtown")) as peer,
        ordering_client(nodes, nodes.orderers[0]) as ordering,
    ):
        current = await peer.fetch_config(CHANNEL)
        update = compute_update(current, set_batch(current, timeout_s=timeout_s))
        await ordering.broadcast(await assemble_update(update, [], *owner))
        await wait_for_config(
            lambda: peer.fetch_config(CHANNEL), lambda config: config.batch_timeout_s == timeout_s
        )
    return current.batch_timeout_s


async def codes_of(network: Network, transaction_id: str, first: int) -> list[ValidationCode]:
    """What the ledger says of every copy of a transaction, from its block to the newest."""
    codes = []
    newest = await network.get_contract("market").submit("get_parameters", arguments=["{}"])
    async with network.filtered_block_events(start_block=first) as blocks:
        async for block in blocks:
            codes += [
                each.validation_code for each in block.transactions if each.transaction_id == transaction_id
            ]
            if block.number == newest.block_number:
                return codes
    raise AssertionError("the blocks ended")
