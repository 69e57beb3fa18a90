# SPDX-License-Identifier: Apache-2.0
"""Chaincode on Fabric's official libraries, unchanged, by topology and by fixture: Node, TypeScript, Java, Go."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from commonwatt_client import Contract, connect_network_file
from commonwatt_network.down import down
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.model.topology_chaincode import Chaincode, Collection
from commonwatt_network.model.topology_parts import Channel
from commonwatt_network.testing import TestNetwork, run_embedded_network
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .go_chaincode.installed import go_chaincode
from .java_chaincode.installed import CLASSES, java_chaincode
from .node_chaincode.installed import node_chaincode
from .node_contract.installed import node_contract

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
SECRETS = Collection(name="secrets", policy="OR('NewtownMSP.member')", member_only_read=True)


@dataclass(frozen=True)
class Program:
    """A chaincode: where it is made, how it runs, and whether it answers to `peer` with the peer's MSP id."""

    folder: Callable[[Path], Path]
    command: tuple[str, ...]
    says_whose: bool = True


PROGRAMS = {
    "node": Program(lambda _: node_chaincode().parent, ("node", "probe.mjs"), says_whose=False),
    "typescript": Program(lambda _: node_contract(), ("node_modules/.bin/fabric-chaincode-node", "server")),
    "java-shim": Program(lambda _: java_chaincode(), ("java", "-cp", CLASSES, "interop.Meters")),
    "java-contract": Program(
        lambda _: java_chaincode(),
        ("java", "-cp", CLASSES, "org.hyperledger.fabric.contract.ContractRouter"),
    ),
    "go": Program(go_chaincode, ("./assets",)),
}


def topology(name: str, folder: Path, version: str = "1.0") -> Topology:
    base = default_topology(homes=1)
    chaincode = Chaincode(
        command=list(PROGRAMS[name].command),
        folder=folder,
        version=version,
        collections=[SECRETS],
        endorsement_policy="OR('NewtownMSP.peer', 'GridMSP.peer')",
    )
    channel = Channel(organizations=["newtown", "grid"], chaincodes=[name])
    return Topology.model_validate(
        base.model_dump()
        | {"channels": {"trials": channel.model_dump()}, "chaincodes": {name: chaincode.model_dump()}}
    )


async def values_are_kept(contract: Contract, mspid: str | None) -> None:
    key = f"k{secrets.token_hex(4)}"
    await contract.submit("put", arguments=[key, "1"], retry=True)
    assert await contract.evaluate("get", arguments=[key], retry=True) == b"1"
    if mspid is not None:
        assert await contract.evaluate_transaction("peer") == mspid.encode()


@pytest.fixture(params=["embedded", "native"])
def backend(request: pytest.FixtureRequest) -> str:
    require_backend(request.param)
    return str(request.param)


@pytest.mark.parametrize("name", PROGRAMS)
async def test_it_runs_by_topology_over_mutual_tls(name: str, backend: str, tmp_path: Path) -> None:
    program, made = PROGRAMS[name], tmp_path / "made"
    made.mkdir()
    folder, directory = program.folder(made), tmp_path / ".commonwatt"
    whose = {"newtown": "NewtownMSP", "grid": "GridMSP"} if program.says_whose else {}
    try:
        await up(directory, topology(name, folder), backend, lambda _: nullcontext())
        for organization in ("newtown", "grid"):
            async with connect_network_file(directory / "network.json", organization, "admin") as gateway:
                contract = gateway.get_network("trials").get_contract(name)
                await values_are_kept(contract, whose.get(organization))
        async with connect_network_file(directory / "network.json", "newtown", "admin") as gateway:
            contract = gateway.get_network("trials").get_contract(name)
            await contract.submit(
                "put_private", arguments=["secrets", "k"], transient={"value": b"secret"},
                endorsing_organizations=["NewtownMSP"], retry=True,
            )  # fmt: skip
            # Java's server says every five seconds that it goes away, and serves the stream that it has.
            await asyncio.sleep(7 if name.startswith("java") else 0)
            assert await contract.evaluate("get_private", arguments=["secrets", "k"], retry=True) == b"secret"
    finally:
        down(directory)


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[TestNetwork]:
    async with run_embedded_network(tmp_path / "network") as network:
        yield network


@pytest.mark.parametrize("name", PROGRAMS)
async def test_it_runs_by_fixture_and_under_the_determinism_guard(
    name: str, network: TestNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = PROGRAMS[name]
    monkeypatch.chdir(program.folder(tmp_path))
    await network.deploy(name, program.command)
    async with network.connect("newtown", "operator") as gateway:
        contract = gateway.get_network("newtown").get_contract(name)
        await values_are_kept(contract, "NewtownMSP" if program.says_whose else None)
