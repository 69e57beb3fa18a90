# SPDX-License-Identifier: Apache-2.0
"""A message that no peer holds any more: its batch was held back until both peers had lost their transient stores."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from commonwatt_audit.forward.anomalies import Kind
from commonwatt_client import EndorseError, EvaluateError
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.programs import processes
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .conftest import quiet, run_apart
from .forward_network import BOTH, CARRIERS, FIRST_PERIOD, GRID, OPERATOR, ForwardNetwork

READINGS = {"kind": "reading", "period": FIRST_PERIOD}


@pytest.mark.parametrize("backend", ["embedded", pytest.param("native", marks=pytest.mark.long)])
def test_a_message_that_both_peers_lost_is_declared_lost(tmp_path: Path, backend: str) -> None:
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    try:
        run_apart(lambda: story(directory, backend))
    finally:
        down(directory)


async def story(directory: Path, backend: str) -> None:
    made = await up(directory, load_topology("forward"), backend, quiet)
    network = ForwardNetwork(made.nodes, directory.parent / "keys")
    await network.found(homes=4)
    await network.set_clock((FIRST_PERIOD + 5) * 60)
    first, second = (network.reading(home, FIRST_PERIOD, 120) for home in network.homes[:2])
    held = await network.endorsed(CARRIERS[0], "submit_messages", READINGS, {"messages": first})
    lose_transient_data(network, backend)
    await up(directory, None, None, quiet)
    assert await network.order(CARRIERS[0], held) == "VALID"
    there = {"messages": second}
    assert await network.submit(CARRIERS[0], "submit_messages", READINGS, there) == {"results": ["written"]}
    lost, kept = (f"m/reading/{FIRST_PERIOD:09d}/0001/{home}/home/01" for home in network.homes[:2])
    for by in BOTH:
        with pytest.raises(EvaluateError, match="data_not_here"):
            await network.ask(OPERATOR, "list_messages", READINGS, [by])
    with pytest.raises(EndorseError, match="too_early"):
        await network.submit(OPERATOR, "declare_lost", {"key": lost})
    await network.set_clock((FIRST_PERIOD + 5) * 60 + 3_600)
    with pytest.raises(EndorseError, match="data_here"):
        await network.submit(OPERATOR, "declare_lost", {"key": kept})
    assert (await network.submit(GRID, "declare_lost", {"key": lost}))["key"] == lost
    for by in BOTH:
        found = await network.ask(OPERATOR, "list_messages", READINGS, [by])
        assert [one["key"] for one in found["messages"]] == [kept]
    with pytest.raises(EndorseError, match="bad_argument"):
        await network.submit(OPERATOR, "declare_lost", {"key": lost})
    audited = await network.audited()
    assert (audited.speech.verified, audited.speech.unseen) == (1, 1)
    assert [(one.kind, one.subject) for one in audited.anomalies.all()] == [(Kind.LOST, network.homes[0])]


def lose_transient_data(network: ForwardNetwork, backend: str) -> None:
    """Stop both peers, and take away what they keep of transactions that nobody has ordered yet."""
    nodes = network.nodes
    peers = [nodes.gateway_peer(organization) for organization in ("newtown", "grid")]
    running = processes.running(nodes.layout)
    for name in {"embedded"} if backend == "embedded" else {peer.name for peer in peers}:
        processes.stop(running[name])
    for peer in peers:
        assert empty_store(peer.ledger, backend), f"{peer.ledger} holds no transient data"


def empty_store(ledger: Path, backend: str) -> bool:
    if backend == "native":
        stores = [path for path in ledger.rglob("*") if path.name.lower() == "transientstore"]
        for store in stores:
            shutil.rmtree(store)
        return bool(stores)
    deleted = 0
    for path in ledger.rglob("*"):
        if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3":
            with sqlite3.connect(path) as database:
                tables = {name for (name,) in database.execute("select name from sqlite_master")}
                if "transient_writes" in tables:
                    deleted += database.execute("delete from transient_writes").rowcount
            database.close()
    return deleted > 0
