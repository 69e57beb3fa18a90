# SPDX-License-Identifier: Apache-2.0
"""Files of the network that are cut, damaged or another's: taken back from those beside, or refused at start."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from commonwatt_client import Contract
from commonwatt_network.embedded.config import NodeConfig
from commonwatt_network.embedded.ledger import Ledger, LedgerDamaged
from commonwatt_network.embedded.ledger.packing import unpacked
from commonwatt_network.embedded.orderer.recovery import demand_same_chain, take_back
from commonwatt_network.embedded.orderer.store import RECORD_HEAD, BlockStore, StoreDamaged
from commonwatt_network.embedded.peer.ledger_check import check_files, check_ledger
from commonwatt_network.embedded.peer.ledger_snapshot import write_snapshot
from commonwatt_network.embedded.process import EmbeddedNetwork, StartError
from commonwatt_network.embedded.trust.signing import SignatureChecks
from commonwatt_network.testing import TestNetwork, run_embedded_network
from fabric_protos.common import common_pb2

from .conftest import CHAINCODE, kv_of

CHANNEL = "newtown"


@asynccontextmanager
async def restarted(stopped: TestNetwork) -> AsyncIterator[EmbeddedNetwork]:
    """The network once more, as a new process finds its files."""
    network = EmbeddedNetwork(stopped.network.config)
    await network.start()
    try:
        yield network
    finally:
        await network.stop()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestNetwork, Path]]:
    """A stopped network with some blocks, whose chaincode runs on, and its ledgers as they were then."""
    directory = tmp_path_factory.mktemp("kept")
    manager = run_embedded_network(directory / "network")

    async def begin() -> TestNetwork:
        network = await manager.__aenter__()
        await network.deploy("kv", [sys.executable, str(CHAINCODE)])
        async with network.connect("newtown") as gateway:
            for number in range(20):
                await kv_of(gateway).submit_transaction("put", f"key{number}", "value")
        for peer in network.network.peers:
            await peer.channels[CHANNEL].wait_for_height(network.network.ordering.channels[CHANNEL].height)
        await network.network.stop()
        return network

    with asyncio.Runner() as runner:
        network = runner.run(begin())
        shutil.copytree(network.nodes.layout.ledgers, directory / "ledgers")
        yield network, directory / "ledgers"
        runner.run(manager.__aexit__(None, None, None))


@pytest.fixture
def ledger(kept: tuple[TestNetwork, Path]) -> TestNetwork:
    """The stopped network with whole ledgers."""
    network, ledgers = kept
    shutil.rmtree(network.nodes.layout.ledgers)
    shutil.copytree(ledgers, network.nodes.layout.ledgers)
    return network


def height_of(ledger: TestNetwork) -> int:
    with closing(BlockStore(blocks_file(ledger))) as store:
        return store.height


def blocks_file(ledger: TestNetwork) -> Path:
    return ledger.nodes.layout.ledgers / "orderer0" / "chains" / CHANNEL / "blocks"


def ledger_file(ledger: TestNetwork, peer: str, channel: str = CHANNEL) -> Path:
    return ledger.nodes.layout.ledgers / peer / "channels" / channel / "ledger.sqlite"


def record_ends(content: bytes) -> list[int]:
    ends = [0]
    while ends[-1] < len(content):
        length, _ = RECORD_HEAD.unpack_from(content, ends[-1])
        ends.append(ends[-1] + RECORD_HEAD.size + length)
    return ends


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


async def test_an_orderer_whose_file_was_cut_takes_the_blocks_back_from_its_peers(
    ledger: TestNetwork,
) -> None:
    """Cut between records, within one, to nothing, gone; the last record's bytes or length flipped."""
    height = height_of(ledger)
    file = blocks_file(ledger)
    whole = file.read_bytes()
    ends = record_ends(whole)
    cuts = [
        whole[: ends[-3]],
        whole[: ends[-3] + 100],
        whole[: ends[1]],
        b"",
        None,
        flipped(whole, ends[-2] + 99),
    ]
    for cut in cuts:
        file.unlink() if cut is None else file.write_bytes(cut)
        async with restarted(ledger) as network:
            assert network.ordering.channels[CHANNEL].height == height
            assert file.read_bytes() == whole
    async with restarted(ledger) as network, ledger.connect("newtown") as gateway:
        await kv_of(gateway).submit_transaction("put", "afterwards", "value")
        for peer in network.peers:
            await peer.channels[CHANNEL].wait_for_height(height + 1)


async def test_an_orderer_that_cannot_have_its_blocks_back_refuses_to_start(ledger: TestNetwork) -> None:
    height = height_of(ledger)
    file = blocks_file(ledger)
    whole = file.read_bytes()
    ends = record_ends(whole)

    async def refused(content: bytes) -> str:
        file.write_bytes(content)
        with pytest.raises(StartError) as refusal:
            await EmbeddedNetwork(ledger.network.config).start()
        assert file.read_bytes() == content
        assert str(file) in str(refusal.value)
        return str(refusal.value)

    said = await refused(flipped(whole, ends[2] + 99))
    assert f"the record of block 2 at byte {ends[2]} does not match its checksum; restore the file" in said
    said = await refused(flipped(whole, ends[2]))  # a length beyond the file's end
    assert f"the record of block 2 at byte {ends[2]} does not match" in said
    for peer in ("peer0.newtown", "peer0.grid"):
        shutil.rmtree(ledger_file(ledger, peer).parent)
    said = await refused(flipped(whole, len(whole) - 60))
    assert "no peer beside it has that block; restore the file; if no client has seen" in said
    assert f"truncate -s {ends[-2]} {file}" in said
    assert "no block of channel newtown, which orderer0 has joined; restore the file" in await refused(b"")
    file.write_bytes(whole)
    async with restarted(ledger) as network:
        assert network.ordering.channels[CHANNEL].height == height


def test_any_cut_and_any_flipped_bit_ends_with_the_same_blocks_or_a_refusal(
    ledger: TestNetwork, tmp_path: Path
) -> None:
    """Of the orderer's file, with a peer's ledger beside it; a refusal leaves the file as it was."""
    whole = blocks_file(ledger).read_bytes()
    copy, random, taken = tmp_path / "blocks", Random(7), 0
    contents = [whole[: random.randrange(len(whole))] for _ in range(40)]
    contents += [flipped(whole, random.randrange(len(whole))) for _ in range(60)]
    with closing(Ledger(ledger_file(ledger, "peer0.grid"))) as beside:
        for content in contents:
            copy.write_bytes(content)
            refusal = ""
            try:
                with closing(BlockStore(copy)) as store:
                    demand_same_chain(store, beside)
                    taken += take_back(store, [beside], SignatureChecks())
            except StoreDamaged as error:
                refusal = str(error)
            if refusal:
                assert str(copy) in refusal
                assert len(content) == len(whole), "a cut file is mended"
            assert copy.read_bytes() == (content if refusal else whole)
    assert taken > len(contents)


async def test_ledgers_of_another_channel_or_network_are_told_at_start(
    ledger: TestNetwork, tmp_path: Path
) -> None:
    async with run_embedded_network(tmp_path / "other") as other:
        pass
    file, of_peer = blocks_file(ledger), ledger_file(ledger, "peer0.grid")

    async def refused(copied: Path, to: Path) -> str:
        kept = tmp_path / "kept"
        shutil.copytree(to.parent, kept) if to.parent in present else None
        shutil.rmtree(to.parent, ignore_errors=True)
        shutil.copytree(copied.parent, to.parent)
        with pytest.raises(StartError) as refusal:
            await EmbeddedNetwork(ledger.network.config).start()
        shutil.rmtree(to.parent)
        shutil.move(kept, to.parent) if to.parent in present else None
        assert str(to) in str(refusal.value)
        return str(refusal.value)

    present = (file.parent, of_peer.parent)
    different = "hold different blocks"
    assert different in await refused(blocks_file(other), file)
    assert different in await refused(ledger_file(other, "peer0.grid"), of_peer)
    elsewhere = ledger_file(ledger, "peer0.grid", "elsewhere")
    assert "this is the ledger of channel newtown, not of elsewhere" in await refused(of_peer, elsewhere)

    whole = shutil.copytree(ledger.nodes.layout.ledgers, tmp_path / "whole")
    shutil.rmtree(ledger.nodes.layout.ledgers)
    shutil.copytree(other.nodes.layout.ledgers, ledger.nodes.layout.ledgers)
    with pytest.raises(StartError, match="accepts no orderer of this network .* another network's blocks"):
        await EmbeddedNetwork(ledger.network.config).start()
    shutil.rmtree(ledger.nodes.layout.ledgers)
    shutil.copytree(whole, ledger.nodes.layout.ledgers)
    async with restarted(ledger):
        pass


async def test_an_orderer_that_joins_anew_takes_the_blocks_back(ledger: TestNetwork) -> None:
    """Left and joined again from block 0, it would order other blocks under numbers that its peers have."""
    async with restarted(ledger) as network:
        (orderer,) = network.ordering.orderers
        height = orderer.channel(CHANNEL).height
        genesis = orderer.channel(CHANNEL).block(0)
        await orderer.remove(CHANNEL)
        await orderer.join(genesis)
        assert orderer.channel(CHANNEL).height == height
        async with ledger.connect("newtown") as gateway:
            await kv_of(gateway).submit_transaction("put", "key", "value")
        assert orderer.failures == []


async def test_health_tells_of_an_orderer_behind_its_peers(ledger: TestNetwork) -> None:
    async with restarted(ledger) as network, aiohttp.ClientSession() as session:
        (orderer,) = network.ordering.orderers
        store = orderer.channel(CHANNEL).store
        health = f"http://{orderer.config.operations_address}/healthz"
        async with session.get(health) as healthy:
            assert healthy.status == 200
        store._offsets.pop()
        async with session.get(health) as behind:
            assert behind.status == 503
            (check,) = (await behind.json())["failed_checks"]
    assert (
        f"{store.path} ends with block {store.height - 1}, but a peer beside it has block" in check["reason"]
    )


TABLES = ("blocks", "transactions", "state", "history")


def rows(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as database:
        found = {table: sorted(database.execute(f"select * from {table}")) for table in TABLES}
    found["blocks"] = [(*found_by, unpacked(content)) for *found_by, content in found["blocks"]]
    number, block_hash, content = found["blocks"][0]
    block = common_pb2.Block.FromString(content)  # nobody signs the metadata of block 0
    found["blocks"][0] = (
        number,
        block_hash,
        block.header.SerializeToString(),
        block.data.SerializeToString(),
    )
    return found


def write_sets(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path.with_name("private.sqlite"))) as database:
        return sorted(database.execute("select * from private_writes"))


def damage(path: Path, deep: bool) -> str:
    try:
        with closing(Ledger(path)) as opened:
            check_ledger(opened, deep=deep)
    except LedgerDamaged as error:
        return str(error)
    return ""


async def test_a_flipped_bit_in_a_peers_ledger_is_told_at_start(ledger: TestNetwork) -> None:
    """A transaction whose id has one bit changed in the index would be "not found" on this peer alone."""
    file = ledger_file(ledger, "peer0.grid")
    with closing(sqlite3.connect(file)) as database:
        transaction_id, block, content = database.execute(
            "select txid, block, content from transactions join blocks on block = number order by block desc limit 1"
        ).fetchone()
    assert transaction_id.encode() in unpacked(content)
    whole = file.read_bytes()
    places = [whole.index(transaction_id.encode()) + 63, whole.index(content[-400:]) + 200]
    for place in places:  # in the index, and in the block
        file.write_bytes(flipped(whole, place))
        with pytest.raises(StartError) as refused:
            EmbeddedNetwork(ledger.network.config)
        assert str(file) in str(refused.value)
        assert "delete the file to let this peer fetch the channel anew" in str(refused.value)
    file.unlink()
    async with restarted(ledger) as network:
        (peer,) = (peer for peer in network.peers if peer.config.name == "peer0.grid")
        await peer.channels[CHANNEL].wait_for_height(block + 1)
        assert peer.channels[CHANNEL].ledger.transaction(transaction_id) is not None


@pytest.mark.parametrize("flips", [60, pytest.param(1500, marks=pytest.mark.long)])
async def test_the_deep_check_sees_every_bit_that_changes_what_a_ledger_says(
    ledger: TestNetwork, tmp_path: Path, flips: int
) -> None:
    file = ledger_file(ledger, "peer0.newtown")
    whole, right = file.read_bytes(), rows(file)
    copy = tmp_path / "copy" / "ledger.sqlite"
    copy.parent.mkdir()
    copy.write_bytes(whole)
    assert damage(copy, deep=True) == ""
    seen = 0
    random = Random(13)
    for _ in range(flips):
        copy.write_bytes(flipped(whole, random.randrange(len(whole))))
        found = damage(copy, deep=True)
        if found:
            seen += 1
            assert str(copy) in found
            assert "delete the file to let this peer fetch the channel anew" in found
        else:
            assert rows(copy) == right
    assert seen > flips // 10


async def test_a_deleted_ledger_comes_back_with_its_private_data(ledger: TestNetwork) -> None:
    """Approvals are private to an organisation of one peer: no other peer can give them back."""
    height = height_of(ledger)
    file = ledger_file(ledger, "peer0.newtown")
    before, written = rows(file), write_sets(file)
    assert written
    for deleted in (file, file.with_name("private.sqlite"), file):
        deleted.unlink()
        async with restarted(ledger) as network, ledger.connect("newtown") as gateway:
            for peer in network.peers:
                await peer.channels[CHANNEL].wait_for_height(height)
            assert await kv_of(gateway).evaluate_transaction("get", "key1") == b"value"
        after = rows(file)
        for table in TABLES:
            assert after[table] == before[table], table
        assert write_sets(file) == written
        assert damage(file, deep=True) == ""


async def test_a_ledger_that_began_with_a_snapshot_is_checked_and_comes_back_whole(
    ledger: TestNetwork, tmp_path: Path
) -> None:
    file = ledger_file(ledger, "peer0.newtown")
    shutil.rmtree(file.parent)
    async with restarted(ledger) as network, ledger.connect("grid") as gateway:
        joining, other = network.peers
        write_snapshot(other.channels[CHANNEL], tmp_path / "snapshot")
        joining.join_by_snapshot(tmp_path / "snapshot")
        base = joining.channels[CHANNEL].ledger.first_number
        by_grid = kv_of(gateway).new_proposal(
            "put", arguments=["key1", "later"], endorsing_organizations=["GridMSP"]
        )
        await (await (await by_grid.endorse()).submit()).status()
        await joining.channels[CHANNEL].wait_for_height(base + 1)
    assert base > 0
    assert damage(file, deep=True) == ""
    file.unlink()
    async with restarted(ledger) as network:
        await network.peers[0].channels[CHANNEL].wait_for_height(base + 1)
        assert network.peers[0].channels[CHANNEL].ledger.first_number == 0
    assert damage(file, deep=True) == ""


async def test_damaged_copies_of_private_data_are_filled_anew(ledger: TestNetwork) -> None:
    copies = ledger_file(ledger, "peer0.newtown").with_name("private.sqlite")
    copies.write_bytes(b"something else" * 400)
    with pytest.raises(
        StartError, match="private.sqlite: not a readable ledger .* fills it anew from the ledger"
    ):
        EmbeddedNetwork(ledger.network.config)
    copies.unlink()
    async with restarted(ledger) as network:
        assert not network.peers[0].channels[CHANNEL].ledger.write_sets.is_empty


async def test_a_lost_or_changed_write_set_is_found(ledger: TestNetwork) -> None:
    file = ledger_file(ledger, "peer0.newtown")
    for change, told in (
        ("delete from private_writes", "lacks the private data of block"),
        ("update private_writes set rwset = substr(rwset, 1, 20)", "private data of block .* cannot be read"),
        ("update private_writes set block = block + 1", "private data that are kept of it|are not those"),
    ):
        copies = file.with_name("private.sqlite")
        whole = copies.read_bytes()
        with closing(sqlite3.connect(copies)) as database, database:
            database.execute(change)
        assert re.search(f"private.sqlite: .*{told}.* fills it anew", damage(file, deep=True)), change
        copies.write_bytes(whole)


async def test_a_damaged_package_is_told_at_start_and_pending_snapshots_do_not_hinder(
    ledger: TestNetwork,
) -> None:
    folder = ledger.nodes.layout.ledgers / "peer0.grid"
    (package,) = (folder / "chaincodes").glob("*.tar.gz")
    whole = package.read_bytes()
    for content in (whole[: len(whole) // 2], b"", flipped(whole, 5)):  # the last: the time in gzip's header
        package.write_bytes(content)
        with pytest.raises(StartError, match="delete the file and install the package anew") as refused:
            EmbeddedNetwork(ledger.network.config)
        assert str(package) in str(refused.value)
    package.write_bytes(whole)
    (folder / "snapshots").mkdir(exist_ok=True)
    (folder / "snapshots" / "pending.json").write_text('{"newtown": [12')
    async with restarted(ledger) as network:
        assert network.peers[0].snapshot_requests.pending(CHANNEL) == []


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """The folder's content on a disk of its own; skips the test where no disk can be mounted."""
    content = shutil.move(folder, folder.with_name("moved"))
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no disk can be mounted: {error}")
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(content, folder, dirs_exist_ok=True)
        shutil.rmtree(content)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def reasons(config: NodeConfig) -> list[str]:
    """What the node's health names."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{config.operations_address}/healthz") as answer,
    ):
        checks = (await answer.json()).get("failed_checks", [])
        assert answer.status == (503 if checks else 200)
        return [check["reason"] for check in checks]


async def test_a_full_disk_is_told_and_nothing_is_lost(ledger: TestNetwork) -> None:
    ledgers = ledger.nodes.layout.ledgers
    with small_disk(ledgers, "8m"):
        filler = ledgers / "filler"
        committed: list[str] = []

        async def fill_up(kv: Contract) -> None:
            """Commit until nothing fits any more."""
            while True:
                free = shutil.disk_usage(ledgers).free
                with filler.open("ab") as file:
                    file.write(bytes(max(free - 300_000, 0)))
                key = f"full{len(committed)}"
                await kv.submit_transaction("put", key, "v" * 20_000)
                committed.append(key)

        async with restarted(ledger) as network, ledger.connect("newtown") as gateway:
            kv = kv_of(gateway)
            filling = asyncio.create_task(fill_up(kv))
            nodes = (*network.config.orderers, *network.config.peers)
            said: list[str] = []
            async with asyncio.timeout(30):
                while not said:
                    await asyncio.sleep(0.05)
                    said = [reason for node in nodes for reason in await reasons(node)]
            assert committed
            assert any(("cannot write block" if "chains" in each else "full") in each for each in said)
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)
            filler.unlink()
            async with asyncio.timeout(30):
                while said:
                    await asyncio.sleep(0.05)
                    said = [reason for node in nodes for reason in await reasons(node)]
            await kv.submit_transaction("put", "afterwards", "value")
            for key in committed:
                assert await kv.evaluate_transaction("get", key) == b"v" * 20_000
        assert check_files(ledgers)[1] == []


def test_a_disk_that_is_full_or_read_only_at_start_is_told(ledger: TestNetwork) -> None:
    ledgers = ledger.nodes.layout.ledgers
    with small_disk(ledgers, "8m"):
        (ledgers / "filler").write_bytes(bytes(shutil.disk_usage(ledgers).free))
        file = ledger_file(ledger, "peer0.grid")
        file.unlink()
        with (ledgers / "filler").open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        with pytest.raises(
            StartError, match="ledger.sqlite: cannot be used now .*: (free space|see the system)"
        ):
            asyncio.run(EmbeddedNetwork(ledger.network.config).start())
        (ledgers / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(ledgers)], check=True)
        with pytest.raises(StartError, match="let this user write") as refused:
            asyncio.run(EmbeddedNetwork(ledger.network.config).start())
        assert str(ledgers) in str(refused.value)
