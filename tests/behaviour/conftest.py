# SPDX-License-Identifier: Apache-2.0
"""One running network per backend for all behaviour tests: `network` is parametrised over what this machine has.

Embedded always runs; native runs where `peer` and `orderer` are found (FABRIC_BIN, or PATH), and is skipped with the
reason where not. The network has the organisations newtown and grid, the channel `newtown` with the market deployed
(simulated clock), and the channel `trials` of both, empty, for a test's own chaincode.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from commonwatt_audit.audit import Audit
from commonwatt_audit.source import blocks_of_network
from commonwatt_client import Gateway, connect_network_file
from commonwatt_client.admin import ChaincodeDefinition, CollectionConfig
from commonwatt_network.channels.deploy import Deployed, deploy, peer_admin
from commonwatt_network.down import down
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.model.topology_parts import Channel, User
from commonwatt_network.programs import chaincode_servers as chaincode
from commonwatt_network.programs import processes
from commonwatt_network.programs.ports import choose_first_port
from commonwatt_network.programs.processes import Program
from commonwatt_network.programs.second_servers import second_program
from commonwatt_network.up import up

from ..support.fabric import require_backend
from ..support.homes import home_id
from ..support.memory_market import memory_calls
from .probe_network import deployed, gateway, key
from .raft_network import raft_nodes
from .replay import Replay

__all__ = ["deployed", "gateway", "key", "memory_calls", "raft_nodes"]

T = TypeVar("T")
BACKENDS = ("embedded", "native")
HOMES = 6
ALL_MEMBERS = "/Channel/Application/Endorsement"


@dataclass
class RunningNetwork:
    """A network that is up: its network.json, its nodes, and ways to connect and to deploy."""

    backend: str
    version: str
    nodes: Nodes
    deployed: dict[tuple[str, str], Deployed] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """network.json, for anything that takes that file."""
        return self.nodes.layout.network_file

    def connect(self, organization: str = "newtown", user: str = "operator") -> Gateway:
        """A gateway as a user; use it with `async with`."""
        return connect_network_file(self.path, organization, user)

    async def level(self, channel: str = "trials") -> None:
        """Wait until every peer has every block, so that all endorsers read one state."""
        async with AsyncExitStack() as stack, asyncio.timeout(20):
            peers = [
                await stack.enter_async_context(peer_admin(self.nodes, peer))
                for peer in self.nodes.peers_of(channel)
            ]
            while len({(await peer.get_chain_info(channel)).height for peer in peers}) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def deploy(
        self,
        script: Path,
        name: str,
        *,
        channel: str = "trials",
        version: str = "1.0",
        endorsement_policy: str = ALL_MEMBERS,
        collections: tuple[CollectionConfig, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Deployed:
        """Serve `python script` for every member and bring it into force as `name`; again is a no-op.

        Another version, policy or collection upgrades it, on the servers that run already.
        """
        members = self.nodes.topology.channels[channel].organizations
        running = processes.running(self.nodes.layout)
        packages = {}
        for organization in members:
            server = f"{name}.{organization}"
            port_file = self.nodes.layout.configuration / server / "port"
            if not port_file.exists():
                port_file.parent.mkdir(parents=True)
                port_file.write_text(str(choose_first_port(1, port_file)))
            address = chaincode.local_address(int(port_file.read_text()))
            package = chaincode.package(self.nodes.layout, organization, name, address)
            packages[organization] = package
            if server not in running:
                program = chaincode.server_program(
                    self.nodes.layout,
                    organization,
                    mspid=self.nodes.topology.mspid(organization),
                    name=server,
                    command=[sys.executable, str(script)],
                    address=address,
                    package_id=package.package_id,
                    environment=environment,
                )
                self._serve(program, address)
                if self.nodes.topology.determinism_guard and organization == members[0]:
                    second = chaincode.local_address(choose_first_port(1, port_file / "second"))
                    self._serve(
                        second_program(self.nodes.layout, program, package.package_id, second), second
                    )
        definition = ChaincodeDefinition(
            name, version, endorsement_policy=endorsement_policy, collections=collections
        )
        result = run_apart(lambda: deploy(self.nodes, channel, definition, packages))
        self.deployed[channel, name] = result
        return result

    def _serve(self, program: Program, address: str) -> None:
        processes.start(program, self.nodes.layout, "behaviour tests")
        log = processes.log_file(self.nodes.layout, program.name)
        run_apart(partial(_listening, address, log))


async def _listening(address: str, log: Path) -> None:
    """Wait until a chaincode server takes connections: a real peer dials it once and then gives up."""
    host, port = address.rsplit(":", 1)
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection(host, int(port))
                    break
                except OSError:
                    await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"nothing listens on {address}; {log} says why")
    writer.close()
    await writer.wait_closed()


def run_apart(action: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a loop of its own, so that fixtures and tests of either kind may ask for it."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(lambda: asyncio.run(action())).result()


@contextmanager
def quiet(_: str) -> Iterator[None]:
    """A phase that nobody watches."""
    yield


def behaviour_topology(*, guard: bool = False) -> Topology:
    """Two organisations, two channels: the market on one, nothing on the other.

    `guard`, on the embedded network: what newtown's chaincode does is done twice and compared.
    """
    base = default_topology(homes=HOMES)
    newtown, grid = base.organizations["newtown"], base.organizations["grid"]
    users = {
        **newtown.users,
        "meter": User(role="meter", attributes={"home.id": home_id("newtown", 1)}),
        "stranger": User(),
    }
    organizations = {"newtown": newtown.model_copy(update={"users": users}), "grid": grid}
    channels = {**base.channels, "trials": Channel(organizations=["newtown", "grid"])}
    return base.model_copy(
        update={
            "organizations": organizations,
            "channels": channels,
            "determinism_guard": guard,
            "state": "leveldb",
        }
    )


@pytest.fixture(scope="session", params=BACKENDS)
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningNetwork]:
    """A running network on each backend this machine has."""
    backend: str = request.param
    version = require_backend(backend)
    directory = tmp_path_factory.mktemp(backend) / ".commonwatt"
    topology = behaviour_topology(guard=backend == "embedded")
    try:
        result = run_apart(lambda: up(directory, topology, backend, quiet))
        running = RunningNetwork(backend, version, result.nodes)
        yield running
        run_apart(lambda: audit(running, directory.parent / "replay"))
    finally:
        down(directory)


async def audit(network: RunningNetwork, directory: Path) -> None:
    """Whatever the tests did: each verdict of the peers is the one that `commonwatt verify` computes.

    And an embedded peer that is given the same blocks comes to the same verdicts and state.
    """
    for channel in network.nodes.topology.channels:
        auditing = Audit()
        with closing(Replay(directory / channel, network.nodes, channel)) as replay:
            async for block in blocks_of_network(network.path, channel, "newtown", "operator"):
                auditing.check(block)
                replay.check(block)
