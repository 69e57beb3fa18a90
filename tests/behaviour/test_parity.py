# SPDX-License-Identifier: Apache-2.0
"""One seeded day on the embedded network and on real Fabric: equal awards, batteries, bills and world states."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client.admin import Transaction
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.down import down
from commonwatt_network.model.nodes import Nodes, Peer
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.model.topology_parts import Batch
from commonwatt_network.programs.fabric import FabricNotFoundError, find_fabric
from commonwatt_network.up import up

CHANNEL = "newtown"
HOMES = 3
# Transaction ids and the salt that hides a meter's id are random on purpose; everything else must be equal.
RANDOM = {"transaction"}


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


def topology() -> Topology:
    """Blocks are cut soon: the day is short of transactions, not of blocks."""
    base = default_topology(homes=HOMES)
    channel = base.channels[CHANNEL].model_copy(update={"batch": Batch(timeout_ms=20)})
    return base.model_copy(update={"channels": {CHANNEL: channel}})


async def trade_a_day(backend: str, folder: Path) -> tuple[Nodes, dict[str, Any]]:
    result = await up(folder / ".commonwatt", topology(), backend, quiet)
    options = SimulationOptions(
        seed=7,
        homes=HOMES,
        share_percent=34,
        network_file=result.nodes.layout.network_file,
        out=folder / "out",
    )
    return result.nodes, dict(await simulate(options, lambda *_: None))


async def world_state(nodes: Nodes, peer: Peer) -> dict[str, Any]:
    """What the peer's blocks amount to: the market's keys and values, without what is random."""
    state: dict[str, Any] = {}
    async with peer_admin(nodes, peer) as admin:
        height = (await admin.get_chain_info(CHANNEL)).height
        for number in range(height):
            block = await admin.get_block_by_number(CHANNEL, number)
            for transaction in block.transactions:
                if transaction.valid:
                    apply(state, transaction)
    return state


def apply(state: dict[str, Any], transaction: Transaction) -> None:
    for action in transaction.actions:
        for writes in action.read_write_sets:
            if writes.namespace != "market":
                continue
            for write in writes.writes:
                if write.is_delete:
                    state.pop(write.key, None)
                else:
                    state[write.key] = without_random(json.loads(write.value))


def without_random(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_random(entry) for key, entry in value.items() if key not in RANDOM}
    if isinstance(value, list):
        return [without_random(entry) for entry in value]
    return value


def test_a_day_is_the_same_on_the_embedded_network_and_on_fabric(tmp_path: Path) -> None:
    try:
        version = find_fabric().version_text
    except FabricNotFoundError as error:
        pytest.skip(f"native: {error}")
    folders = {backend: tmp_path / backend for backend in ("embedded", "native")}

    async def story() -> list[tuple[dict[str, Any], dict[str, dict[str, Any]]]]:
        days = await asyncio.gather(*(trade_a_day(backend, folder) for backend, folder in folders.items()))
        return [
            (summary, {peer.name: await world_state(nodes, peer) for peer in nodes.peers})
            for nodes, summary in days
        ]

    try:
        (embedded, embedded_states), (native, native_states) = asyncio.run(story())
    finally:
        for folder in folders.values():
            down(folder / ".commonwatt")
    assert embedded["communities"] == native["communities"], f"Fabric {version}"
    (community,) = embedded["communities"]
    totals = community["totals"]
    # An empty day would be equal too: homes traded, batteries were charged and used, everybody was billed.
    assert min(totals[name] for name in ("fills", "p2p_wh", "charged_wh", "own_wh", "amount_naud")) > 0
    states = [*embedded_states.values(), *native_states.values()]
    assert len(states[0]) > 100
    for state in states[1:]:
        assert state == states[0]
