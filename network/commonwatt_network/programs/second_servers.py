# SPDX-License-Identifier: Apache-2.0
"""The determinism guard's second servers: the same chaincode once more, where everything but the ledger is different.

One organisation's peers run each proposal on both servers and compare what they would write.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.model.nodes import ChaincodeServer, Nodes
from commonwatt_network.programs.chaincode_servers import (
    chaincode_package,
    local_address,
    topology_program,
)
from commonwatt_network.programs.ports import choose_first_port
from commonwatt_network.programs.processes import Program

SECOND = ".second"  # what a second server's name ends with
OTHER_CLOCK = Path(__file__).parent.parent / "embedded" / "other_clock"


def folder(layout: Layout) -> Path:
    """What tells peers of second servers: a file named by the package id, holding the server's host:port."""
    return layout.configuration / "embedded" / "second_servers"


def second_program(layout: Layout, program: Program, package_id: str, address: str) -> Program:
    """The chaincode server `program` once more at `address`, which peers look up from now on.

    It has another hash seed and time zone and, where it is Python's, sees another time.
    """
    write_atomically(folder(layout) / package_id, address)
    path = program.environment.get("PYTHONPATH") or os.environ.get("PYTHONPATH")
    otherwise = {
        "CHAINCODE_SERVER_ADDRESS": address,
        "PYTHONHASHSEED": "1",
        "TZ": "Pacific/Chatham",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(OTHER_CLOCK), path))),
    }
    first = program.environment["CHAINCODE_SERVER_ADDRESS"]
    ports = (first.rpartition(":")[2], address.rpartition(":")[2])

    def moved(text: str) -> str:
        """Where the first server's address, or its port alone, was filled in."""
        return ports[1] if text == ports[0] else text.replace(first, address)

    environment = {name: moved(value) for name, value in program.environment.items()}
    return replace(
        program,
        name=f"{program.name}{SECOND}",
        command=[moved(word) for word in program.command],
        environment={**environment, **otherwise},
        serves=(),
    )


def second_programs(nodes: Nodes) -> list[Program]:
    """A second server of every chaincode of the topology, for the first organisation that has it."""
    firsts: dict[str, ChaincodeServer] = {}
    for server in nodes.chaincode_servers:
        firsts.setdefault(server.chaincode, server)
    programs = [topology_program(nodes, server) for server in firsts.values()]
    packages = {
        server.name: chaincode_package(nodes, server.chaincode, server.organization).package_id
        for server in firsts.values()
    }
    # These servers start together with the network, so its ports look free still.
    free = choose_first_port(len(programs), folder(nodes.layout), nodes.ports()) if programs else 0
    second = []
    for port, program in enumerate(programs, free):
        note = folder(nodes.layout) / packages[program.name]
        address = note.read_text() if note.exists() else local_address(port)
        second.append(second_program(nodes.layout, program, packages[program.name], address))
    return second
