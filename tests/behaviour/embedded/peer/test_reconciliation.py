# SPDX-License-Identifier: Apache-2.0
"""Private data that no other peer could give with their block: fetched later, without anything that was erased."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client.admin import CollectionConfig
from commonwatt_network.channels.private_data import PrivateCount, count_private
from commonwatt_network.embedded.ledger import Ledger, LedgerDamaged, private_namespace
from commonwatt_network.embedded.peer import reconciliation
from commonwatt_network.embedded.peer.ledger_check import check_files
from commonwatt_network.embedded.peer.peer import Peer
from commonwatt_network.embedded.process import EmbeddedNetwork
from commonwatt_network.testing import TestNetwork, run_embedded_network
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from ....support.write_sets import holds_any

PROBE = Path(__file__).parents[2] / "chaincode" / "probe.py"
CHANNEL, CHAINCODE = "newtown", "probe"
NEWTOWN, GRID = "peer0.newtown", "peer0.grid"
EITHER = "OR('NewtownMSP.peer', 'GridMSP.peer')"
BOTH = "OR('NewtownMSP.member', 'GridMSP.member')"
NEWTOWN_ALONE = "OR('NewtownMSP.member')"
SOON_S = 10
WRITES = """create table private_writes (
    block integer not null, position integer not null, namespace text not null, collection text not null,
    rwset blob not null, expires_at integer, primary key (block, position, namespace, collection)
) without rowid;
create table private_expiry (expires_at integer);
create table missing_private_writes (block integer);
create table transient_writes (
    txid text not null, content blob not null, received_at integer not null, primary key (txid, content)
) without rowid;"""
FORMER_TABLES = {
    1: WRITES,
    2: WRITES
    + "create table others_private_writes (block integer); create table purged_keys (block integer);",
}


def collections(of_newtown: str = NEWTOWN_ALONE) -> tuple[CollectionConfig, ...]:
    """None of their values goes to another peer with its endorsement."""
    alone: dict[str, Any] = {"maximum_peer_count": 0, "member_only_read": False}
    return (
        CollectionConfig("shared", BOTH, **alone),
        CollectionConfig("fleeting", BOTH, blocks_to_live=2, **alone),
        CollectionConfig("newtown", of_newtown, **alone),
    )


async def deploy(network: TestNetwork, version: str = "1.0", **changed: str) -> None:
    command = [sys.executable, str(PROBE)]
    await network.deploy(
        CHAINCODE,
        command,
        version=version,
        endorsement_policy=EITHER,
        collections=collections(**changed),
        guard=False,
    )


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TestNetwork]:
    monkeypatch.setattr(reconciliation, "EVERY_S", 0.02)
    async with run_embedded_network(tmp_path / "network") as network:
        await deploy(network)
        yield network


def held(peer: Peer, collection: str, key: str) -> bytes | None:
    found = peer.channels[CHANNEL].ledger.state.get(private_namespace(CHAINCODE, collection), key.encode())
    return found.value if found else None


async def counted(network: TestNetwork, peer: str) -> PrivateCount:
    nodes = network.nodes
    [found] = [each for each in nodes.peers_of(CHANNEL) if each.name == peer]
    return await count_private(nodes, found, CHANNEL)


async def say(network: TestNetwork, *calls: tuple[str, str, str, bytes]) -> None:
    """Submit what newtown's peer alone endorses; it is away when the blocks come to the other peer, and stays so.

    The calls are (transaction, collection, key, value).
    """
    peer = network.peer(NEWTOWN)
    peer.faults.down = False
    async with network.connect("newtown") as gateway:
        contract = gateway.get_network(CHANNEL).get_contract(CHAINCODE)
        endorsed = [
            await contract.new_proposal(
                transaction,
                arguments=[collection, key],
                transient={"value": value},
                endorsing_organizations=["NewtownMSP"],
            ).endorse()
            for transaction, collection, key, value in calls
        ]
        peer.faults.down = True
        for transaction in endorsed:
            status = await (await transaction.submit()).status()
            assert status.code.name == "VALID"
    network.level()


async def nothing_missing(peer: Peer) -> None:
    private = peer.channels[CHANNEL].ledger.private
    async with asyncio.timeout(SOON_S):
        while private.missing_after(None) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def told(peer: Peer) -> list[bytes]:
    """The values of the chaincode that the peer tells with its blocks."""
    ledger = peer.channels[CHANNEL].ledger
    return [
        write.value
        for number in range(ledger.height)
        for entry in ledger.write_sets.writes_of_block(number)
        for write in (kv.KVRWSet.FromString(entry.rwset).writes if entry.namespace == CHAINCODE else ())
        if not write.is_delete
    ]


def in_files(peer: Peer, value: bytes) -> bool:
    files = [path for path in peer.config.data_directory.rglob("*") if path.is_file()]
    assert files
    return any(holds_any(path, [value]) for path in files)


async def test_what_a_peer_misses_comes_later_and_what_was_purged_does_not(town: TestNetwork) -> None:
    newtown, grid = town.peer(NEWTOWN), town.peer(GRID)
    said = [("k", b"a value"), ("k2", b"a secret"), ("k3", b"former"), ("k3", b"latter")]
    puts = [("put_private", "shared", key, value) for key, value in said]
    await say(town, *puts, ("purge_private", "shared", "k2", b""))
    await asyncio.sleep(10 * reconciliation.EVERY_S)
    assert (await counted(town, NEWTOWN)).missing == 0
    assert (await counted(town, GRID)).missing == 2
    assert held(grid, "shared", "k") is None
    newtown.faults.down = False
    await nothing_missing(grid)
    assert (await counted(town, GRID)).missing == 0
    assert held(grid, "shared", "k") == b"a value"
    assert held(grid, "shared", "k3") == b"latter"
    assert told(grid) == [b"a value", b"former", b"latter"] == told(newtown)
    assert in_files(grid, b"a value")
    assert not in_files(grid, b"a secret")
    async with town.connect("grid") as gateway:
        contract = gateway.get_network(CHANNEL).get_contract(CHAINCODE)
        assert await contract.evaluate_transaction("get_private", "shared", "k") == b"a value"
        assert await contract.evaluate_transaction("private_range", "shared", "", "") == b'["k","k3"]'
    assert check_files(town.nodes.layout.ledgers)[1] == []


async def test_a_peer_that_lags_gives_nothing_back_that_was_purged(town: TestNetwork) -> None:
    """It has not committed the purge yet, so its write set has the hash that was endorsed, and the value."""
    newtown, grid = town.peer(NEWTOWN), town.peer(GRID)
    await say(
        town,
        ("put_private", "shared", "k", b"a secret"),
        ("put_private", "shared", "k2", b"a value"),
    )
    newtown.faults.commit_delay_s = SOON_S
    async with town.connect("grid") as gateway:
        contract = gateway.get_network(CHANNEL).get_contract(CHAINCODE)
        for transaction, transient in [("purge_private", {}), ("put_private", {"value": b"anew"})]:
            await contract.submit(
                transaction,
                arguments=["shared", "k"],
                transient=transient,
                endorsing_organizations=["GridMSP"],
            )
    newtown.faults.down = False
    await nothing_missing(grid)
    assert newtown.channels[CHANNEL].height < grid.channels[CHANNEL].height
    assert held(newtown, "shared", "k") == b"a secret"
    assert held(grid, "shared", "k") == b"anew"
    assert held(grid, "shared", "k2") == b"a value"
    assert told(grid) == [b"a value", b"anew"]
    assert in_files(grid, b"a value")
    assert not in_files(grid, b"a secret")
    newtown.faults.commit_delay_s = 0.0
    town.level()
    await nothing_missing(newtown)
    assert told(newtown) == [b"a value", b"anew"]


async def test_what_is_missing_is_looked_for_after_a_restart(town: TestNetwork) -> None:
    await say(town, ("put_private", "shared", "k", b"a value"))
    grid = town.peer(GRID)
    place = grid.channels[CHANNEL].ledger.private.missing_after(None)
    assert place is not None
    await town.network.stop()
    again = EmbeddedNetwork(town.network.config)
    grid = next(peer for peer in again.peers if peer.name == GRID)
    assert grid.channels[CHANNEL].ledger.private.missing_after(None) == place
    await again.start()
    try:
        await nothing_missing(grid)
        assert held(grid, "shared", "k") == b"a value"
    finally:
        await again.stop()


async def test_a_lost_file_of_write_sets_is_filled_from_the_state_and_the_other_members(
    town: TestNetwork,
) -> None:
    """The state has what stands, under the hashes in the blocks; what was overwritten comes from the other peer."""
    said = [("k", b"a value"), ("k2", b"a secret"), ("k3", b"former"), ("k3", b"latter")]
    puts = [("put_private", "shared", key, value) for key, value in said]
    await say(town, *puts, ("purge_private", "shared", "k2", b""))
    town.peer(NEWTOWN).faults.down = False
    await nothing_missing(town.peer(GRID))
    await town.network.stop()
    file = town.peer(GRID).config.data_directory / "channels" / CHANNEL / "private.sqlite"
    file.unlink()
    again = EmbeddedNetwork(town.network.config)
    grid, newtown = (next(peer for peer in again.peers if peer.name == name) for name in (GRID, NEWTOWN))
    assert told(grid) == [b"a value", b"latter"]
    assert grid.channels[CHANNEL].ledger.private.missing_after(None) is not None
    await again.start()
    try:
        await nothing_missing(grid)
        assert told(grid) == [b"a value", b"former", b"latter"] == told(newtown)
        assert not in_files(grid, b"a secret")
        assert check_files(town.nodes.layout.ledgers)[1] == []
    finally:
        await again.stop()


async def test_what_ended_meanwhile_does_not_come_and_what_comes_ends_in_time(town: TestNetwork) -> None:
    newtown, grid = town.peer(NEWTOWN), town.peer(GRID)
    early, late = ("put_private", "fleeting", "early", b"early"), ("put_private", "fleeting", "late", b"late")
    between = [("put", f"p{number}", "anything", b"") for number in range(2)]
    await say(town, early, *between, late)
    newtown.faults.down = False
    await nothing_missing(grid)
    assert told(grid) == [b"late"]
    assert held(grid, "fleeting", "early") is None
    assert held(grid, "fleeting", "late") == b"late"
    await say(town, *(("put", f"q{number}", "anything", b"") for number in range(3)))
    assert held(grid, "fleeting", "late") is None
    assert told(grid) == []
    assert check_files(town.nodes.layout.ledgers)[1] == []


async def test_a_new_member_of_a_collection_gets_what_was_written_before(town: TestNetwork) -> None:
    grid = town.peer(GRID)
    await say(
        town,
        ("put_private", "newtown", "k", b"a value"),
        ("put_private", "newtown", "k2", b"a secret"),
        ("purge_private", "newtown", "k2", b""),
    )
    town.peer(NEWTOWN).faults.down = False
    await asyncio.sleep(10 * reconciliation.EVERY_S)
    assert held(grid, "newtown", "k") is None
    assert told(grid) == []
    await deploy(town, "2.0", of_newtown=BOTH)
    async with asyncio.timeout(SOON_S):
        while held(grid, "newtown", "k") != b"a value":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert told(grid) == [b"a value"]
    await nothing_missing(grid)
    assert in_files(grid, b"a value")
    assert not in_files(grid, b"a secret")
    assert check_files(town.nodes.layout.ledgers)[1] == []


def test_write_sets_of_older_formats_are_taken_over_and_their_ledger_is_refused(tmp_path: Path) -> None:
    """Write sets may be nowhere else; blocks and state come again from the orderer."""
    path = tmp_path / "ledger.sqlite"
    encoded = kv.KVRWSet(writes=[kv.KVWrite(key="k", value=b"a value")]).SerializeToString()
    for name, format in product(("ledger.sqlite", "private.sqlite"), (1, 2)):
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        with closing(sqlite3.connect(tmp_path / name)) as database:
            database.executescript(FORMER_TABLES[format] + f"pragma user_version = {format};")
            with database:
                database.execute(
                    "insert into private_writes values (1, 0, 'probe', 'shared', ?, null)", (encoded,)
                )
        if name == "ledger.sqlite":
            with pytest.raises(
                LedgerDamaged,
                match=rf"ledger.sqlite: in format {format}, which an earlier .* delete .* keep that",
            ):
                Ledger(path)
            continue
        for _ in range(2):
            with closing(Ledger(path)) as ledger:
                assert ledger.write_sets.write_set(1, 0, "probe", "shared") == encoded
                assert ledger.write_sets.is_whole
