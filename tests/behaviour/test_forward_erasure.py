# SPDX-License-Identifier: Apache-2.0
"""Erasure on running networks: no API, no stream, no restart and no rebuilt peer yields what was purged, nor a file."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commonwatt_audit.forward.anomalies import Kind
from commonwatt_client import GatewayError
from commonwatt_network.channels.private_data import PrivateCount
from commonwatt_network.doctor import examine_private
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.programs import processes
from commonwatt_network.up import up

from ..support.fabric import require_backend
from ..support.write_sets import WRITE_SETS, holds_any, pieces_of
from .conftest import quiet, run_apart
from .forward_network import BOTH, CARRIERS, CHANNEL, CONFIGURATION, GRID, MIDNIGHT, OPERATOR, ForwardNetwork

HOURS = [MIDNIGHT + 60 * hour for hour in range(24)]
DAY = 20_420
NEXT_DAY = MIDNIGHT + 1_440
DAY_S = 86_400
TRADED = HOURS[12]
HEALED_S = 90
RULES = {"period_min": 60, "keep_d": 40, "times": {"final_after_d": 2, "readings_due_s": 0}}


@pytest.mark.parametrize("backend", ["embedded", pytest.param("native", marks=pytest.mark.long)])
@pytest.mark.timeout(600)
def test_what_is_forgotten_is_nowhere(tmp_path: Path, backend: str) -> None:
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    try:
        run_apart(lambda: story(directory, backend))
    finally:
        down(directory)


async def story(directory: Path, backend: str) -> None:
    made = await up(directory, load_topology("forward"), backend, quiet)
    network = ForwardNetwork(made.nodes, directory.parent / "keys")
    await network.found(3, CONFIGURATION | RULES)
    leaver, *neighbours = network.homes
    await a_billed_day(network)
    private = await streamed(network, "newtown")
    secrets = {value for key, value in private.items() if f"/{leaver}/" in key and not key.startswith("key/")}
    signatures = [value.rpartition(b".")[2] for value in secrets]
    needles = {half for one in signatures for half in (one[:40], one[40:])}
    salts = {salt for key, value in private.items() for salt in salts_of(key, value, leaver)}
    assert (len(secrets), len(salts)) == (2, 24 + 1 + 1)
    needles |= salts
    assert files_with(directory, needles)
    if backend == "embedded":
        packed = pieces_of(write_set_files(directory), needles)
        assert packed
    forget = {"home": leaver, "before": NEXT_DAY}
    with pytest.raises(GatewayError, match="too_early"):
        await network.submit(OPERATOR, "forget_home", forget)
    await network.set_clock(NEXT_DAY * 60 + 40 * DAY_S)
    stays = [await told(network, home) for home in neighbours]
    answer = await network.submit(GRID, "forget_home", forget)
    assert (answer["rewritten"], answer["next"]) == (24 + 1 + 1, None)
    await is_nowhere(network, needles)
    assert [await told(network, home) for home in neighbours] == stays
    assert await lacking(network, "nothing") == 0
    assert await lacking(network, f"awards/{TRADED:09d}") == 0  # it was purged
    assert await lacking(network, f"awards/{TRADED:09d}/0001") == 1
    if backend == "embedded":
        assert not files_with(directory, needles | packed)
    await verifies(network)
    for running in processes.running(made.nodes.layout).values():
        for process in running:
            process.kill()
            process.wait(10)
    await up(directory, None, None, quiet)
    await is_nowhere(network, needles)
    lose_a_peer(network, backend, "grid")
    await up(directory, None, None, quiet)
    await healed(network)
    await is_nowhere(network, needles)
    assert [await told(network, home) for home in neighbours] == stays
    assert [one.good for one in await asyncio.to_thread(examine_private, directory)] == [True, True]
    if backend == "embedded":
        assert not files_with(directory, needles | packed)


async def a_billed_day(network: ForwardNetwork) -> None:
    """A day with one period of trade and readings, the rest estimated; billed."""
    leaver, seller, _ = network.homes
    await network.trade(TRADED)
    await network.set_clock((TRADED + 60) * 60)
    told = [network.reading(leaver, TRADED, 300, 0), network.reading(seller, TRADED, 0, 450)]
    assert await network.carry(CARRIERS[1], TRADED, told, "reading") == ["written"] * 2
    await network.set_clock(NEXT_DAY * 60)
    for period in HOURS:
        await network.submit(GRID, "freeze_period", {"period": period})
        await network.submit(GRID, "settle_period", {"period": period})
    await network.submit(OPERATOR, "settle_day", {"day": DAY})


async def told(network: ForwardNetwork, home: str) -> Any:
    """What both peers tell of a home."""
    span = {"from_period": HOURS[0], "to_period": NEXT_DAY, "home": home}
    answers = [
        [
            (await network.ask(GRID, "list_lines", span, [by]))["lines"],
            (await network.ask(GRID, "list_awards", span, [by]))["periods"],
            (await network.ask(GRID, "list_messages", said(home), [by]))["messages"],
        ]
        for by in BOTH
    ]
    assert answers[0] == answers[1]
    return answers[0]


def said(home: str) -> dict[str, Any]:
    return {"kind": "reading", "period": TRADED, "home": home}


def salts_of(key: str, value: bytes, home: str) -> Iterator[bytes]:
    """The salts of what a record of several homes says of one: they stand nowhere else."""
    kind = key.split("/")[0]
    if kind == "lines":
        yield from (one[-1].encode() for one in json.loads(value)["lines"] if one[0] == home)
    if kind == "awards":
        yield from (one["salt"].encode() for one in json.loads(value)["awards"] if one["home"] == home)
    if kind == "bills":
        yield from (one["salt"].encode() for one in json.loads(value)["bills"] if one["bill"]["home"] == home)


async def is_nowhere(network: ForwardNetwork, needles: set[bytes]) -> None:
    """Neither peer tells its own organisation's operator, by query or with its blocks."""
    leaver = network.homes[0]
    lines, awards, messages = await told(network, leaver)
    assert (lines, messages) == ([], [])
    assert [one["awards"] for one in awards] == [[]]
    for by in BOTH:
        with pytest.raises(GatewayError, match="unknown_bill"):
            await network.ask(GRID, "get_bill", {"home": leaver, "day": DAY}, [by])
    for organization in ("newtown", "grid"):
        private = await streamed(network, organization)
        assert not [key for key, value in private.items() if any(one in value for one in needles)]
        assert not [key for key, value in private.items() if leaver.encode() in value if key[:4] != "key/"]
        assert any(key.startswith("lines/") and key.endswith("/0001") for key in private)


async def verifies(network: ForwardNetwork) -> None:
    """Who audits from a peer that has forgotten computes what is left, and finds no purge too early."""
    replay = await network.audited()
    assert replay.ledger.private_values().purged >= 2 + 24 + 1 + 1
    assert replay.ledger.private_values().missing == 0
    assert not [one for one in replay.anomalies.all() if one.kind == Kind.EARLY_PURGE]


async def lacking(network: ForwardNetwork, key: str) -> int:
    """What doctor would count of a peer that lacks one value."""
    count = PrivateCount({("market", "community")})
    async with network.peer_of("grid", GRID) as peer:
        height = (await peer.get_chain_info(CHANNEL)).height
        async for block, values in peer.blocks_with_private_data(CHANNEL, 0, height - 1):
            count.add(block, {place: value for place, value in values.items() if place[3] != key})
    return count.missing


async def streamed(network: ForwardNetwork, organization: str) -> dict[str, bytes]:
    """The private values of all blocks, as the organisation's peer tells its operator."""
    found: dict[str, bytes] = {}
    async with network.peer_of(organization, f"{organization}/operator") as peer:
        height = (await peer.get_chain_info(CHANNEL)).height
        async for _, values in peer.blocks_with_private_data(CHANNEL, 0, height - 1):
            found |= {place[3]: value for place, value in values.items()}
    return found


def lose_a_peer(network: ForwardNetwork, backend: str, loser: str) -> None:
    """End the peer with nothing left of its ledger."""
    peer = network.nodes.gateway_peer(loser)
    running = processes.running(network.nodes.layout)
    processes.stop(running["embedded" if backend == "embedded" else peer.name])
    shutil.rmtree(peer.ledger)


async def healed(network: ForwardNetwork) -> None:
    """The rebuilt peer comes to have what is left."""
    span = {"from_period": HOURS[0], "to_period": NEXT_DAY}
    async with asyncio.timeout(HEALED_S):
        while True:
            try:
                await network.ask(GRID, "list_lines", span, ["GridMSP"])
                return
            except GatewayError:
                await asyncio.sleep(0.5)


def files_with(directory: Path, needles: set[bytes]) -> list[Path]:
    """The network's files that hold a piece of what is to be forgotten."""
    return [path for path in _files(directory) if holds_any(path, needles)]


def write_set_files(directory: Path) -> list[Path]:
    return list(directory.rglob(WRITE_SETS))


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())
