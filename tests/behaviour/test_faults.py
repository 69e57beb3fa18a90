# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load: what was reported committed is on every peer afterwards, and `network-up` brings the dead back.

Native runs three orderers, so that the others go on without the one that led.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from commonwatt_client import Contract, GatewayError, connect_network_file
from commonwatt_client.admin import AdminError
from commonwatt_client.ledger.validation import ValidationCode
from commonwatt_network.channels.deploy import orderer_admin, peer_admin
from commonwatt_network.doctor import examine
from commonwatt_network.down import down
from commonwatt_network.errors import UsageError
from commonwatt_network.model.nodes import Nodes, Peer
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.model.topology_parts import OrdererOrganization, Orderers
from commonwatt_network.programs import processes
from commonwatt_network.programs.readiness import NotReadyError, find_leader, wait_leaders
from commonwatt_network.status import network_status
from commonwatt_network.up import up

from ..support.fabric import require_backend

CHANNEL = "newtown"
WORKERS = 8
DEADLINE_S = 30.0


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


def topology(backend: str) -> Topology:
    base = default_topology(homes=1)
    if backend == "embedded":
        return base
    organizations = {"orderers": OrdererOrganization(mspid="OrdererMSP", nodes=3)}
    return base.model_copy(update={"orderers": Orderers(organizations=organizations)})


@pytest.fixture(scope="module", params=["embedded", "native"])
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """A network of this module's own: its processes get killed."""
    backend: str = request.param
    require_backend(backend)
    directory = tmp_path_factory.mktemp(f"faults-{backend}") / ".commonwatt"
    try:
        yield asyncio.run(up(directory, topology(backend), backend, quiet)).nodes
    finally:
        down(directory)


@dataclass
class Load:
    """Homes being registered by several workers, and what was reported committed, with when."""

    committed: dict[str, float] = field(default_factory=dict)
    failures: int = 0
    refusal: GatewayError | None = None
    stopped: bool = False

    async def worker(self, contract: Contract, number: int) -> None:
        count = 0
        while not self.stopped:
            count += 1
            argument = f'{{"home":"w{number}-{count}","home_class":"consumer"}}'
            try:
                outcome = await contract.submit(
                    "register_home",
                    arguments=[argument],
                    endorse_timeout_s=5,
                    submit_timeout_s=5,
                    commit_timeout_s=5,
                    retry=True,
                )
            except GatewayError as error:
                if error.chaincode_response and error.chaincode_response.status == 400:
                    self.refusal = error
                self.failures += 1
                await asyncio.sleep(0.05)
            else:
                self.committed[outcome.transaction_id] = time.monotonic()

    async def more_committed(self, count: int) -> float:
        """Wait until `count` more are committed; when the first of them was."""
        began, before = time.monotonic(), len(self.committed)
        while len(self.committed) < before + count:
            assert self.refusal is None, self.refusal
            assert time.monotonic() < began + DEADLINE_S, f"no progress for {DEADLINE_S} s"
            await asyncio.sleep(0.02)
        return list(self.committed.values())[before]


@asynccontextmanager
async def load(nodes: Nodes) -> AsyncIterator[Load]:
    running = Load()
    async with connect_network_file(nodes.layout.network_file, "newtown", "operator") as gateway:
        contract = gateway.get_network(CHANNEL).get_contract("market")
        workers = [asyncio.ensure_future(running.worker(contract, number)) for number in range(WORKERS)]
        try:
            yield running
        finally:
            running.stopped = True
            await asyncio.gather(*workers)


def kill(nodes: Nodes, name: str) -> float:
    """kill -9 the program and its workers; when."""
    group = processes.running(nodes.layout)[name]
    for process in group:
        process.kill()
    killed = time.monotonic()
    psutil.wait_procs(group, timeout=10)
    return killed


async def restore(nodes: Nodes) -> tuple[str, ...]:
    result = await up(Path(nodes.layout.directory), None, None, quiet)
    return result.started


async def every_peer_has(nodes: Nodes, transactions: list[str]) -> None:
    """Every transaction is VALID on every peer; the peers end at one height, with one hash of blocks and of state."""

    async def check(peer: Peer) -> tuple[int, bytes, bytes]:
        async with peer_admin(nodes, peer) as admin:
            for transaction in transactions:
                while True:
                    try:
                        found = await admin.get_transaction_by_id(CHANNEL, transaction)
                    except AdminError:
                        await asyncio.sleep(0.1)  # the peer is still catching up
                        continue
                    assert found.validation is ValidationCode.VALID
                    break
            info = await admin.get_chain_info(CHANNEL)
            last = await admin.get_block_by_number(CHANNEL, info.height - 1)
            return info.height, info.current_block_hash, last.commit_hash

    async with asyncio.timeout(DEADLINE_S):
        ends = {await check(peer) for peer in nodes.peers}
    assert len(ends) == 1
    assert all(commit_hash for _, _, commit_hash in ends)


async def test_processes_that_stand_still_are_told(nodes: Nodes) -> None:
    native = len(nodes.orderers) > 1
    directory, alive = nodes.layout.directory, processes.running(nodes.layout)
    still = [alive[name][0] for name in (("orderer1", "orderer2") if native else ("embedded",))]
    counted = "1 of 3 orderers" if native else "0 of 1 orderers"
    for process in still:
        process.suspend()
    # The signal takes effect when the kernel next runs the process.
    while any(process.status() != psutil.STATUS_STOPPED for process in still):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        status = await network_status(directory)
        assert {node.pid for node in status.processes if node.state == "suspended"} == {p.pid for p in still}
        assert status.no_quorum == counted
        found = {finding.what: finding for finding in await asyncio.to_thread(examine, directory)}
        assert not found["orderers"].good
        assert f"no quorum: {counted}" in found["orderers"].says
        with pytest.raises(UsageError, match="is suspended; let it go on with `kill -CONT"):
            await restore(nodes)
    finally:
        for process in still:
            process.resume()
    assert (await network_status(directory)).no_quorum is None
    if native:
        await wait_leaders(nodes, nodes.topology.channels)


@pytest.mark.parametrize("victim", ["leader", "peer0.grid", "market.newtown"])
async def test_nothing_reported_committed_is_lost(nodes: Nodes, victim: str) -> None:
    native = len(nodes.orderers) > 1
    name = victim
    if victim == "leader":
        name = (await find_leader(nodes, CHANNEL) or "") if native else "embedded"
    elif victim == "peer0.grid" and not native:
        name = "market.grid"
    async with load(nodes) as running:
        await running.more_committed(20)
        killed = kill(nodes, name)
        if victim == "leader" and native:
            recovered = await running.more_committed(WORKERS + 1)
        assert await restore(nodes) == (name,)
        if victim != "leader" or not native:
            recovered = await running.more_committed(WORKERS + 1)
        await running.more_committed(20)
    print(
        f"\n{name} killed: trading again after {recovered - killed:.1f} s; {running.failures} calls failed meanwhile"
    )
    await every_peer_has(nodes, list(running.committed))


@pytest.mark.long
async def test_an_orderer_that_stood_still_catches_up(nodes: Nodes) -> None:
    """Each of three in its turn, the leader among them, for longer than an election takes."""
    if len(nodes.orderers) == 1:
        pytest.skip("the embedded network orders in its one process")
    for orderer in nodes.orderers:
        [process] = processes.running(nodes.layout)[orderer.name]
        async with load(nodes) as running:
            await running.more_committed(20)
            process.suspend()
            try:
                stood_still = time.monotonic()
                while time.monotonic() < stood_still + 12:
                    await running.more_committed(20)
            finally:
                process.resume()
            await running.more_committed(20)
        await every_peer_has(nodes, list(running.committed))
        await every_orderer_is_level(nodes)


@pytest.mark.long
@pytest.mark.parametrize("role", ["follower", "leader"])
async def test_an_orderer_without_disk_space_ends_and_comes_back(
    nodes: Nodes, tmp_path: Path, role: str
) -> None:
    if len(nodes.orderers) == 1:
        pytest.skip("the embedded network orders in its one process")
    leader = await find_leader(nodes, CHANNEL)
    name = next(each.name for each in nodes.orderers if (each.name == leader) == (role == "leader"))
    ledger = nodes.layout.ledgers / name
    with small_disk(tmp_path / "small") as disk:
        kill(nodes, name)
        shutil.copytree(ledger, disk, dirs_exist_ok=True)
        ledger.rename(tmp_path / "before")
        ledger.symlink_to(disk)
        try:
            await restore(nodes)
            while role == "leader" and (other := await find_leader(nodes, CHANNEL)) != name:
                if other:
                    kill(nodes, other)
                await restore(nodes)  # which waits for a leader
            await fill_disk(nodes, name, disk)
        finally:
            down(nodes.layout.directory)
            ledger.unlink()
            shutil.copytree(disk, ledger)
    await restore(nodes)


async def fill_disk(nodes: Nodes, name: str, disk: Path) -> None:
    """The others go on without the orderer, which says why it ended, and with it once there is space."""
    async with load(nodes) as running:
        await running.more_committed(20)
        with (disk / "balloon").open("wb", buffering=0) as balloon:
            for size in (1 << 16, 512):
                with contextlib.suppress(OSError):
                    while True:
                        balloon.write(bytes(size))
        async with asyncio.timeout(DEADLINE_S):
            while name in processes.running(nodes.layout):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await running.more_committed(40)
        status = await network_status(nodes.layout.directory)
        assert (status.state, status.no_quorum) == ("partial", None)
        assert "no space left on device" in processes.last_words(nodes.layout, name)
        with pytest.raises(NotReadyError, match="(?s)ended .*while .* started.*no space left on device"):
            await restore(nodes)
        (disk / "balloon").unlink()
        assert await restore(nodes) == (name,)
        await running.more_committed(20)
    await every_peer_has(nodes, list(running.committed))
    await every_orderer_is_level(nodes)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 200 MB; the orderer's write-ahead log alone takes 64 MB."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system: this user or machine lets nobody mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def every_orderer_is_level(nodes: Nodes) -> None:
    async with asyncio.timeout(DEADLINE_S):
        heights: set[int] = set()
        while len(heights) != 1:
            heights = set()
            for orderer in nodes.orderers:
                async with orderer_admin(nodes, orderer) as admin:
                    heights.add((await admin.get_channel(CHANNEL)).height)
            await asyncio.sleep(0.1)
