# SPDX-License-Identifier: Apache-2.0
"""Ledger snapshots: both kinds of peer write Fabric's files, and a peer goes on from one as from its blocks."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commonwatt_audit.source import blocks_of_files, blocks_of_network
from commonwatt_client.admin import (
    AdminError,
    ChaincodeDefinition,
    CollectionConfig,
    NotFoundError,
    PeerAdmin,
    RefusedError,
)
from commonwatt_client.exit_codes import UsageError
from commonwatt_network.backends import native
from commonwatt_network.channels.deploy import deploy, peer_admin
from commonwatt_network.embedded.ledger.snapshot_files import SnapshotDamaged, read_block, read_state
from commonwatt_network.embedded.peer.ledger_snapshot import write_snapshot
from commonwatt_network.model.nodes import Nodes, Peer
from commonwatt_network.programs import processes
from commonwatt_network.programs.chaincode_servers import local_address, package
from commonwatt_network.programs.fabric import find_fabric
from commonwatt_network.programs.ports import choose_first_port
from commonwatt_network.testing import TestNetwork, run_embedded_network

from ..support.fabric import require_backend
from .probe_network import COLLECTIONS, MEMBERS, PROBE, Probe
from .replay import Replay

CHANNEL = "trials"


async def snapshot(nodes: Any, peer: Any, channel: str) -> Path:
    """A snapshot of the peer's last block."""
    async with peer_admin(nodes, peer) as admin:
        number = (await admin.get_chain_info(channel)).height - 1
        folder: Path = peer.ledger / "snapshots" / "completed" / channel / str(number)
        if not written(folder):
            await admin.submit_snapshot_request(channel)
        async with asyncio.timeout(20):
            while True:
                if written(folder):
                    return folder
                await asyncio.sleep(0.05)


def written(folder: Path) -> bool:
    return folder.exists()


async def level(nodes: Any, channel: str) -> None:
    """Wait until every peer has the same height."""
    async with asyncio.timeout(20):
        while True:
            heights = set()
            for peer in nodes.peers:
                async with peer_admin(nodes, peer) as admin:
                    heights.add((await admin.get_chain_info(channel)).height)
            if len(heights) == 1:
                return
            await asyncio.sleep(0.05)


async def test_peers_write_equal_snapshots_in_fabrics_format(network: Any, tmp_path: Path) -> None:
    network.deploy(PROBE, "probe", endorsement_policy=MEMBERS, collections=COLLECTIONS)
    async with network.connect() as gateway:
        probe = Probe(gateway, gateway.get_network(CHANNEL).get_contract("probe"))
        await probe.answers()
        await probe.submit("put", "snapshots", "in state")
        await probe.submit("put_private", "shared", "snapshots", transient={"value": b"hidden"})
    await level(network.nodes, CHANNEL)
    folders = [await snapshot(network.nodes, peer, CHANNEL) for peer in network.nodes.peers]
    contents = [files_of(folder) for folder in folders]
    assert contents[0] == contents[1]

    values = {(namespace, key): value.value for namespace, key, value in read_state(folders[0])}
    assert values["probe", b"snapshots"] == b"in state"
    assert b"hidden" not in values.values()

    program = shutil.which("ledgerutil")
    if program is not None:
        command = [program, "compare", *folders, "-o", tmp_path]
        ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
        assert "Both snapshot public state and private state hashes were the same" in ran.stdout + ran.stderr


async def test_an_embedded_peer_writes_the_snapshots_of_its_networks_peers(
    network: Any, tmp_path: Path
) -> None:
    """From the same blocks, and from a snapshot: on real Fabric, what we write is what Fabric writes, byte for byte."""
    for version, collections in (
        ("1", ()),
        ("2", COLLECTIONS[:1]),
        ("3", COLLECTIONS[:1]),
        ("4", COLLECTIONS),
    ):
        await define(network, "archive", version, collections)
    await network.level()
    peer = network.nodes.peers_of(CHANNEL)[0]
    folder = await snapshot(network.nodes, peer, CHANNEL)
    number = int(folder.name)
    await define(network, "archive", "5", COLLECTIONS)
    await network.level()
    later = await snapshot(network.nodes, peer, CHANNEL)

    replay = Replay(tmp_path / "blocks", network.nodes, CHANNEL)
    joined = Replay(tmp_path / "joined", network.nodes, CHANNEL, folder)
    with closing(replay), closing(joined):
        async for block in blocks_of_network(network.path, CHANNEL, "newtown", "operator"):
            replay.check(block)
            if block.number == number:
                for name, again in (("blocks", replay), ("joined", joined)):
                    write_snapshot(again.channel, tmp_path / name / "first")
                    assert files_of(tmp_path / name / "first") == files_of(folder), name
            elif number < block.number <= int(later.name):
                joined.check(block)
            if block.number == int(later.name):
                break
        for name, again in (("blocks", replay), ("joined", joined)):
            write_snapshot(again.channel, tmp_path / name / "later")
            assert files_of(tmp_path / name / "later") == files_of(later), name


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


async def define(network: Any, name: str, version: str, collections: tuple[CollectionConfig, ...]) -> None:
    """A chaincode that is only defined: nothing serves it."""
    packages = {
        organization: package(network.nodes.layout, organization, name, local_address(1))
        for organization in network.nodes.topology.channels[CHANNEL].organizations
    }
    definition = ChaincodeDefinition(name, version, endorsement_policy=MEMBERS, collections=collections)
    await deploy(network.nodes, CHANNEL, definition, packages)


async def test_a_peer_goes_on_from_a_snapshot(tmp_path: Path) -> None:
    async with run_embedded_network(tmp_path / "network") as network:
        await go_on_from_a_snapshot(network, tmp_path)


async def go_on_from_a_snapshot(network: TestNetwork, tmp_path: Path) -> None:
    collection = CollectionConfig("shared", MEMBERS, required_peer_count=0, maximum_peer_count=1)
    await network.deploy(
        "probe",
        [sys.executable, str(PROBE)],
        endorsement_policy=MEMBERS,
        collections=(collection,),
        guard=False,
    )
    giver, taker = network.nodes.peers
    async with network.connect("newtown") as gateway:
        probe = Probe(gateway, gateway.get_network("newtown").get_contract("probe"))
        await probe.answers()
        sent = await probe.contract.submit("put", arguments=["before", "1"])
        await probe.submit("put_private", "shared", "secret", transient={"value": b"hidden"})
        await level(network.nodes, "newtown")
        folder = await snapshot(network.nodes, giver, "newtown")

        peer = network.peer(taker.name)
        await peer.close_channels()
        shutil.rmtree(peer.config.data_directory / "channels")
        await probe.submit("put", "after", "2", by=("NewtownMSP",))
        damaged = tmp_path / "damaged"
        shutil.copytree(folder, damaged)
        (damaged / "txids.data").write_bytes(b"\x01")
        async with peer_admin(network.nodes, taker) as admin:
            with pytest.raises(RefusedError, match="hash mismatch for file"):
                await admin.join_channel_by_snapshot(str(damaged))
            assert await admin.list_channels() == ()
            await admin.join_channel_by_snapshot(str(folder))
            assert await admin.join_by_snapshot_status() == ""
            assert await admin.list_channels() == ("newtown",)
            with pytest.raises(RefusedError, match="already exists"):
                await admin.join_channel_by_snapshot(str(folder))
        await level(network.nodes, "newtown")
        await refuses_what_was_before(network, taker, int(folder.name), sent.transaction_id)
        channel = peer.channels["newtown"]
        other = network.peer(giver.name).channels["newtown"]
        assert channel.ledger.last_hash == other.ledger.last_hash
        assert channel.ledger.block(0) is None
        theirs, ours = (
            {row[:2]: row[2] for row in each.ledger.state.everything() if "org_" not in row[0]}
            for each in (other, channel)
        )
        assert ours == theirs
        assert any("$$pshared" in namespace for namespace, _ in ours)

        await peer.close_channels()
        peer.open_channels()
        peer.start()
        await probe.submit("put", "later", "3", by=("NewtownMSP",))
        await level(network.nodes, "newtown")


async def test_a_real_peer_goes_on_from_an_embedded_peers_snapshot(tmp_path: Path) -> None:
    """It takes the snapshot, fetches what follows from the embedded orderer, and comes to the same state."""
    require_backend("native")
    async with run_embedded_network(tmp_path / "network") as network:
        collection = CollectionConfig("shared", MEMBERS, required_peer_count=0, maximum_peer_count=1)
        command = [sys.executable, str(PROBE)]
        await network.deploy(
            "probe", command, endorsement_policy=MEMBERS, collections=(collection,), guard=False
        )
        nodes = network.nodes
        giver, taker = nodes.peers
        async with network.connect("newtown") as gateway:
            probe = Probe(gateway, gateway.get_network("newtown").get_contract("probe"))
            await probe.answers()
            await probe.submit("put", "before", "1")
            await probe.submit("put_private", "shared", "secret", transient={"value": b"hidden"})
            await level(nodes, "newtown")
            folder = await snapshot(nodes, giver, "newtown")
            first = choose_first_port(2, tmp_path)
            real = replace(taker, port=first, operations_port=first + 1, ledger=tmp_path / "real")
            async with running_real_peer(nodes, real) as admin:
                await admin.join_channel_by_snapshot(str(folder))
                await probe.submit("put", "after", "2", by=("NewtownMSP",))
                async with peer_admin(nodes, giver) as embedded, asyncio.timeout(30):
                    height = (await embedded.get_chain_info("newtown")).height
                    while await height_of(admin, "newtown") < height:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                    ours, theirs = [
                        await peer.get_block_by_number("newtown", height - 1) for peer in (embedded, admin)
                    ]
                assert ours.commit_hash == theirs.commit_hash != b""
                assert ours.header_hash == theirs.header_hash


@asynccontextmanager
async def running_real_peer(nodes: Nodes, peer: Peer) -> AsyncIterator[PeerAdmin]:
    """A peer of Fabric with the identity of one of the network's, for as long as it is used."""
    builder = native.write_builder(nodes.layout)
    fabric = find_fabric()
    program = native.peer_program(nodes.layout, fabric, peer, peer.address, nodes.topology.name, builder)
    processes.start(program, nodes.layout, "behaviour tests")
    try:
        async with peer_admin(nodes, peer) as admin, asyncio.timeout(60):
            while True:
                try:
                    await admin.list_channels()
                    break
                except AdminError:
                    await asyncio.sleep(0.1)
            yield admin
    finally:
        processes.stop(processes.running(nodes.layout).get(peer.name, []))


async def height_of(admin: PeerAdmin, channel: str) -> int:
    """0 as long as the peer is about to join."""
    try:
        return (await admin.get_chain_info(channel)).height
    except AdminError:
        return 0


async def refuses_what_was_before(network: TestNetwork, taker: Any, last: int, transaction_id: str) -> None:
    """A peer has no blocks that are part of the snapshot it began from, and says so."""
    words = rf"ootstrapped from a snapshot\. First available block = \[{last + 1}\]"
    async with peer_admin(network.nodes, taker) as admin:
        for asked in (
            admin.get_block_by_number("newtown", last),
            admin.get_block_by_transaction_id("newtown", transaction_id),
            admin.get_transaction_by_id("newtown", transaction_id),
        ):
            with pytest.raises(AdminError, match=words):
                await asked
        with pytest.raises(NotFoundError):
            await anext(admin.blocks("newtown", 0))
        assert (await anext(admin.blocks("newtown", last + 1))).number == last + 1
    with pytest.raises(UsageError, match=f"joined newtown from a snapshot of block {last}"):
        await anext(blocks_of_network(network.path, "newtown", taker.organization, "operator"))


def test_exported_blocks_begin_with_the_first(tmp_path: Path) -> None:
    ledger = Path(__file__).parents[1] / "unit" / "client" / "ledger" / "recorded"
    shutil.copy(ledger / "2.block", tmp_path)
    with pytest.raises(UsageError, match="begins with block 2: what came before cannot be computed anew"):
        blocks_of_files(tmp_path)
    shutil.copy(ledger / "0.block", tmp_path)
    assert [block.number for block in blocks_of_files(tmp_path)] == [0, 2]


def test_a_folder_that_is_no_snapshot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotDamaged, match="no such file"):
        read_block(tmp_path)
