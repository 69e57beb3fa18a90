# SPDX-License-Identifier: Apache-2.0
"""pytest fixtures: an embedded Fabric network in the test's own process, up in well under a second.

pytest finds them by itself where this distribution is installed (with `asyncio_mode = "auto"`)::

    @pytest.fixture(scope="session")
    async def ledger(embedded_network):
        await embedded_network.deploy("market", [sys.executable, "-m", "my_chaincode"])
        yield embedded_network

    async def test_something(ledger):
        before = ledger.snapshot()
        async with ledger.connect("newtown", "operator") as gateway:
            ...
        await ledger.restore(before)          # milliseconds
        ledger.peer("peer0.grid").faults.down = True
        ledger.set_clock(lambda: 0.0)

Chaincode runs in processes of its own, as everywhere. With `guard=True` (the default) one peer's chaincode runs
every proposal in a second process too, with another hash seed, clock and time zone. Chaincode that is not
deterministic fails its endorsement with a list of what differs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Every run of pytest imports this module: what a network needs is loaded with the first one.
if TYPE_CHECKING:
    from commonwatt_client import Gateway
    from commonwatt_client.admin import CollectionConfig

    from commonwatt_network.channels.deploy import Deployed
    from commonwatt_network.embedded.peer.peer import Peer
    from commonwatt_network.embedded.process import EmbeddedNetwork
    from commonwatt_network.embedded.snapshots import Snapshot
    from commonwatt_network.model.nodes import Nodes
    from commonwatt_network.model.roster import Roster
    from commonwatt_network.model.topology import Topology
    from commonwatt_network.programs.processes import Program

ALL_MEMBERS = "/Channel/Application/Endorsement"
STOP_TIMEOUT_S = 5.0
COMMIT_JITTER_MS = 20  # more than a client needs to ask another peer, less than a person notices


@dataclass
class TestNetwork:
    """A network in this process and event loop, with the chaincode processes that were deployed on it."""

    __test__ = False  # not a test class, whatever its name

    nodes: Nodes
    network: EmbeddedNetwork
    roster: Roster
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """network.json, for anything that takes that file."""
        return self.nodes.layout.network_file

    def connect(self, organization: str, user: str = "operator") -> Gateway:
        """A gateway as a user; use it with `async with`."""
        from commonwatt_client import connect_network_file

        return connect_network_file(self.path, organization, user)

    def peer(self, name: str) -> Peer:
        """The peer `peer0.<organization>`: its `faults`, its `channels`, its `metrics`."""
        return next(peer for peer in self.network.peers if peer.config.name == name)

    async def deploy(
        self,
        name: str,
        command: Sequence[str],
        *,
        channel: str | None = None,
        version: str = "1.0",
        endorsement_policy: str = ALL_MEMBERS,
        collections: tuple[CollectionConfig, ...] = (),
        init_required: bool = False,
        environment: Mapping[str, str] | None = None,
        guard: bool = True,
    ) -> Deployed:
        """Run `command` as a chaincode server for each member of the channel and bring it into force.

        `command` may be any program: it is told where to serve by the environment variables that Fabric's official
        libraries read, and by `{address}` in its words. `guard`: see the module. Raises UsageError for a command that
        is not there, and NotReadyError at once, with its last lines, for one that ends or does not serve.
        """
        from commonwatt_client.admin import ChaincodeDefinition

        from commonwatt_network.channels.deploy import deploy
        from commonwatt_network.programs import chaincode_servers as servers
        from commonwatt_network.programs import readiness, second_servers
        from commonwatt_network.programs.chaincode_code import require_command
        from commonwatt_network.programs.chaincode_start import Server, wait_serving
        from commonwatt_network.programs.ports import choose_first_port

        require_command(name, command[0], None)
        chosen = channel or next(iter(self.nodes.topology.channels))
        members = self.nodes.topology.channels[chosen].organizations
        layout = self.nodes.layout
        # All at once: a port that was chosen is free until its server listens.
        first_port = choose_first_port(len(members) + 1, layout.directory / os.urandom(4).hex())
        packages = {}
        started = []
        for port, organization in enumerate(members, first_port):
            address = servers.local_address(port)
            package = servers.package(layout, organization, f"{name}_{version}", address)
            packages[organization] = package
            program = servers.server_program(
                layout,
                organization,
                mspid=self.nodes.topology.mspid(organization),
                name=f"{name}.{organization}",
                command=list(command),
                address=address,
                package_id=package.package_id,
                environment={"PYTHONHASHSEED": "0", **(environment or {})},
            )
            started.append(Server(program.name, package, self._start(program)))
            if guard:
                second = servers.local_address(first_port + len(members))
                program = second_servers.second_program(layout, program, package.package_id, second)
                started.append(Server(program.name, package, self._start(program), second))
                guard = False  # one organisation's second run is enough to tell
        definition = ChaincodeDefinition(
            name,
            version,
            endorsement_policy=endorsement_policy,
            collections=collections,
            init_required=init_required,
        )

        async def serve_and_deploy() -> Deployed:
            await wait_serving(layout, started)
            return await deploy(self.nodes, chosen, definition, packages)

        pids = {server.name: server.pid for server in started if server.pid is not None}
        return await readiness.while_alive(serve_and_deploy(), layout, pids)

    def _start(self, program: Program) -> int:
        """Start a chaincode server; its process id."""
        from commonwatt_network.programs import processes

        with processes.begin_log(self.nodes.layout, program.name) as output:
            process = subprocess.Popen(
                program.command, env={**os.environ, **program.environment}, stdout=output, stderr=output
            )
        processes.remember(process)
        self._processes.append(process)
        return process.pid

    def level(self) -> None:
        """Let every peer commit now what is ordered, whatever the commit jitter."""
        for peer in self.network.peers:
            peer.level()

    def snapshot(self) -> Snapshot:
        """All state of the network as of now, taken while no transaction is under way."""
        return self.network.snapshot()

    async def restore(self, snapshot: Snapshot) -> None:
        """Put an earlier state back, in milliseconds; connections stay."""
        await self.network.restore(snapshot)

    def set_clock(self, clock: Callable[[], float]) -> None:
        """Let the peers tell the time by `clock` (epoch seconds)."""
        self.network.set_clock(clock)

    def clash(self, transactions: int = 1) -> None:
        """Let so many of the coming transactions fail with MVCC_READ_CONFLICT."""
        self.network.clash(transactions)

    def without_leader(self, lost: bool = True) -> None:
        """Let the orderer answer `no Raft leader`, or stop doing so."""
        self.network.ordering.faults.no_leader = lost

    async def close(self) -> None:
        await self.network.stop()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)


@contextlib.asynccontextmanager
async def run_embedded_network(
    directory: Path,
    topology: Topology | None = None,
    settings: Mapping[str, object] | None = None,
    *,
    cut_when_idle: bool = True,
    commit_jitter_ms: int | None = None,
) -> AsyncIterator[TestNetwork]:
    """A network of `topology` (default: newtown and grid, one channel, nothing deployed) in `directory`.

    `settings` go into every peer's configuration, for example `{"gateway_concurrency_limit": 2}`.
    `cut_when_idle=False`: blocks are cut by count, bytes and timeout alone, for tests of a block's composition.
    `commit_jitter_ms`: each peer commits each block up to so much later; default: as the topology says, or 20.
    """
    from commonwatt_network.backends.embedded import Embedded, process_program
    from commonwatt_network.channels.deploy import join_orderers, join_peers
    from commonwatt_network.channels.genesis import ensure_genesis_blocks
    from commonwatt_network.embedded.config import read_config
    from commonwatt_network.embedded.process import EmbeddedNetwork
    from commonwatt_network.model.layout import Layout
    from commonwatt_network.model.network_file import write_network_file
    from commonwatt_network.model.nodes import ports_needed, settle
    from commonwatt_network.programs import second_servers
    from commonwatt_network.programs.ports import choose_first_port
    from commonwatt_network.trust.identity import ensure_identities

    chosen = topology or _bare_topology()
    if commit_jitter_ms is not None or "commit_jitter_ms" not in chosen.model_fields_set:
        jitter_ms = COMMIT_JITTER_MS if commit_jitter_ms is None else commit_jitter_ms
        chosen = chosen.model_copy(update={"commit_jitter_ms": jitter_ms})
    layout = Layout(directory)
    nodes = settle(chosen, layout, choose_first_port(ports_needed(chosen), directory))
    roster = ensure_identities(nodes)
    blocks = ensure_genesis_blocks(nodes)
    config = read_config(Path(process_program(nodes).command[-1]))
    guarded = {"second_servers": second_servers.folder(layout)}
    peers = tuple(peer.model_copy(update={**guarded, **(settings or {})}) for peer in config.peers)
    network = EmbeddedNetwork(
        config.model_copy(update={"peers": peers, "ready_file": None, "cut_when_idle": cut_when_idle})
    )
    running = TestNetwork(nodes, network, roster)
    await network.start()
    try:
        await join_orderers(nodes, blocks)
        await join_peers(nodes, blocks)
        write_network_file(nodes, Embedded.name, roster, {channel: {} for channel in chosen.channels})
        yield running
    finally:
        await running.close()


def _bare_topology() -> Topology:
    from commonwatt_network.model.topology import default_topology

    base = default_topology(homes=2)
    channels = {name: entry.model_copy(update={"chaincodes": []}) for name, entry in base.channels.items()}
    return base.model_copy(update={"channels": channels, "chaincodes": {}})


@pytest.fixture
async def embedded_network() -> AsyncIterator[TestNetwork]:
    """A fresh network with nothing deployed, gone after the test."""
    with tempfile.TemporaryDirectory(prefix="commonwatt-test-") as directory:
        async with run_embedded_network(Path(directory)) as network:
            yield network
