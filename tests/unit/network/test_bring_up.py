# SPDX-License-Identifier: Apache-2.0
"""The sequence that `up` and `apply` share: what runs already is told from what only has its name."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from commonwatt_network.backends.registry import backend_called
from commonwatt_network.bring_up import CHAINCODE_ID, serve, serving
from commonwatt_network.change.site import Site, stop_other_servers
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, ports_needed, settle
from commonwatt_network.model.topology import default_topology
from commonwatt_network.programs import processes
from commonwatt_network.programs.ports import PortInUseError, choose_first_port
from commonwatt_network.programs.processes import Program
from commonwatt_network.trust.identity import ensure_identities

WAITS = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout(tmp_path)
    yield layout
    processes.stop(process for group in processes.running(layout).values() for process in group)


def server(layout: Layout, package: str) -> Program:
    return Program("market.grid", WAITS, {CHAINCODE_ID: package}, layout.configuration, ("market.grid",))


def test_a_chaincode_server_of_another_package_does_not_serve(layout: Layout) -> None:
    old = processes.start(server(layout, "market_1.0:old"), layout, "start")
    running = processes.running(layout)
    assert [found.pid for found in serving(running, server(layout, "market_1.0:old"))] == [old]
    assert serving(running, server(layout, "market_1.1:new")) == []
    assert serving(running, replace(server(layout, "market_1.0:old"), name="market.newtown")) == []


def guarded(layout: Layout) -> Nodes:
    topology = default_topology(homes=1).model_copy(update={"determinism_guard": True})
    nodes = settle(topology, layout, choose_first_port(ports_needed(topology), layout.directory))
    ensure_identities(nodes)
    return nodes


def test_a_change_ends_the_second_servers_of_former_packages_too(layout: Layout) -> None:
    nodes, backend = guarded(layout), backend_called("embedded")
    asked = [program for program in backend.programs(nodes) if CHAINCODE_ID in program.environment]
    assert "market.newtown.second" in {program.name for program in asked}
    started = {}
    for program in asked:
        for package in (program.environment[CHAINCODE_ID], "market_0.9:former"):
            stands_for = replace(program, command=WAITS, environment={CHAINCODE_ID: package})
            started[program.name, package] = processes.start(stands_for, layout, "start")
    stop_other_servers(Site(backend, nodes, nodes))
    kept = {pid for (_, package), pid in started.items() if package != "market_0.9:former"}
    assert {process.pid for group in processes.running(layout).values() for process in group} == kept


async def test_a_port_that_another_program_holds_is_said_before_anything_starts(layout: Layout) -> None:
    """`apply` finds what it adds beside strangers; `up` has looked at all ports before."""

    def start(_: Sequence[Program]) -> Mapping[str, int]:
        raise AssertionError("something was started")

    nodes, backend = guarded(layout), backend_called("embedded")
    with socket.create_server(("127.0.0.1", nodes.peers[0].port)), pytest.raises(PortInUseError):
        await serve(backend, nodes, backend.programs(nodes), start)
