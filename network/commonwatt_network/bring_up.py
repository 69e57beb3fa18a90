# SPDX-License-Identifier: Apache-2.0
"""Bringing nodes up: all of a network for `network up`, and for `apply` what a change adds to one that runs.

It keeps each good part that is there, makes or starts the missing ones, and ends when a transaction works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass

import psutil

from commonwatt_network.backends.backend import Backend, Phase
from commonwatt_network.channels.deploy import Deployed, deploy_topology, join_orderers, join_peers
from commonwatt_network.channels.first_transaction import first_transactions
from commonwatt_network.channels.genesis import ensure_genesis_blocks
from commonwatt_network.model.network_file import write_network_file
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.profiles import write_profiles
from commonwatt_network.model.roster import Roster
from commonwatt_network.programs import processes, readiness
from commonwatt_network.programs.chaincode_code import note_code
from commonwatt_network.programs.chaincode_servers import CLOCK_VARIABLE, chaincode_package
from commonwatt_network.programs.chaincode_start import Server, wait_serving
from commonwatt_network.programs.ports import require_free
from commonwatt_network.programs.processes import Program
from commonwatt_network.programs.second_servers import SECOND
from commonwatt_network.programs.unfinished import remove_unfinished
from commonwatt_network.trust import fabric_authorities
from commonwatt_network.trust.identity import ensure_identities

CHAINCODE_ID = "CHAINCODE_ID"
Starter = Callable[[Sequence[Program]], Mapping[str, int]]
"""Starts programs; name -> process id. The caller decides what becomes of them when a later step fails."""


@dataclass(frozen=True)
class BroughtUp:
    """What was started just now, by name, and what is deployed where."""

    started: tuple[str, ...]
    deployed: dict[str, dict[str, Deployed]]


def unseen(name: str) -> nullcontext[None]:
    """A phase that nobody watches."""
    return nullcontext()


async def bring_up(
    backend: Backend, nodes: Nodes, start: Starter, phase: Phase = unseen, *, change: bool = False
) -> BroughtUp:
    """Bring everything that the nodes lack: certificates, processes, channels, chaincode, a transaction.

    `change`: a step of a change asks for it, and what it started stays.
    Raises UsageError for a port that another program holds, NetworkError for a step that fails.
    """
    authorities: tuple[str, ...] = ()
    if nodes.topology.ca == "fabric-ca":
        with phase("certificate authorities"):
            authorities = start_authorities(nodes, start)
            await fabric_authorities.enrol(nodes)
    with phase("identities and channels"):
        roster = ensure_identities(nodes)
        blocks = ensure_genesis_blocks(backend.among_themselves(nodes))
        programs = backend.programs(nodes)
    with backend.started(nodes, phase, change=change) as elsewhere:
        with phase("processes"):
            started, pids = await serve(backend, nodes, programs, start)
        service = _bring_into_service(backend, nodes, roster, blocks, phase)
        deployed = await readiness.while_alive(service, nodes.layout, pids)
    return BroughtUp(tuple(dict.fromkeys((*authorities, *elsewhere, *started))), deployed)


async def serve(
    backend: Backend, nodes: Nodes, programs: Sequence[Program], start: Starter
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Start what of `programs` does not run, and wait until all nodes serve.

    Returns the names of the programs that it started, and the name of each program -> its process id.
    """
    await backend.extend(nodes)
    running = processes.running(nodes.layout)
    processes.stop(process for program in programs for process in _with_other_clocks(running, program))
    running = processes.running(nodes.layout)
    alive = {program.name: found for program in programs if (found := serving(running, program))}
    missing = [program for program in programs if program.name not in alive]
    served = {name for program in missing for name in program.serves}
    require_free({port: name for port, name in nodes.ports().items() if name in served})
    for node in nodes.fabric_nodes:
        if node.name in served:
            remove_unfinished(node.ledger)
    started = start(missing) if missing else {}
    pids = {program.name: started.get(program.name) or alive[program.name][0].pid for program in programs}
    behind = {node: pids[program.name] for program in programs for node in program.serves}
    servers = [
        *servers_among(nodes, programs, started),
        *([] if backend.in_containers else _elsewhere(nodes)),
    ]

    async def ready() -> None:
        await asyncio.gather(backend.wait_ready(nodes, behind), wait_serving(nodes.layout, servers))

    await readiness.while_alive(ready(), nodes.layout, pids)
    return tuple(started), pids


def servers_among(nodes: Nodes, programs: Sequence[Program], started: Mapping[str, int]) -> list[Server]:
    """The chaincode servers among the programs just started."""
    known = {server.name: server for server in nodes.chaincode_servers}
    found = []
    for program in programs:
        server = known.get(program.name.removesuffix(SECOND))
        if server is not None and program.name in started:
            package = chaincode_package(nodes, server.chaincode, server.organization)
            address = program.environment["CHAINCODE_SERVER_ADDRESS"]
            found.append(Server(program.name, package, started[program.name], address))
    return found


def _elsewhere(nodes: Nodes) -> list[Server]:
    """The chaincode servers that run elsewhere, each once."""
    topology = nodes.topology
    found = {}
    for channel in topology.channels.values():
        for chaincode in channel.chaincodes:
            if topology.chaincodes[chaincode].runs_elsewhere:
                for organization in channel.organizations:
                    package = chaincode_package(nodes, chaincode, organization)
                    found[package.package_id] = Server(f"{chaincode}.{organization}", package, None)
    return list(found.values())


async def issue(nodes: Nodes, start: Starter) -> Roster:
    """Certificates for everyone who has none; where Fabric CA issues them, by the organisations' servers."""
    if nodes.topology.ca == "fabric-ca":
        start_authorities(nodes, start)
        await fabric_authorities.enrol(nodes)
    return ensure_identities(nodes)


def start_authorities(nodes: Nodes, start: Starter) -> tuple[str, ...]:
    """Start the Fabric CA servers that do not run; who asks them waits until they answer. The names."""
    alive = processes.running(nodes.layout)
    missing = [program for program in fabric_authorities.programs(nodes) if program.name not in alive]
    return tuple(start(missing)) if missing else ()


async def deploy_and_tell(backend: Backend, nodes: Nodes, roster: Roster) -> dict[str, dict[str, Deployed]]:
    """Deploy what is not deployed; then tell clients in network.json and the connection profiles."""
    deployed = await deploy_topology(nodes)
    described = {
        channel: {name: asdict(entry) for name, entry in chaincodes.items()}
        for channel, chaincodes in deployed.items()
    }
    if not backend.in_containers:
        note_code(nodes.layout, nodes.topology)
    told = backend.for_clients(nodes)
    write_network_file(told, backend.name, roster, described)
    write_profiles(told)
    return deployed


def serving(running: Mapping[str, list[psutil.Process]], program: Program) -> list[psutil.Process]:
    """The processes among those `running` that run `program`; of chaincode servers, those of this very package."""
    found = running.get(program.name, [])
    package = program.environment.get(CHAINCODE_ID)
    return found if package is None else [each for each in found if _variable(each, CHAINCODE_ID) == package]


async def _bring_into_service(
    backend: Backend, nodes: Nodes, roster: Roster, blocks: Mapping[str, bytes], phase: Phase
) -> dict[str, dict[str, Deployed]]:
    """Join channels, deploy chaincode, tell clients, trade; channel -> chaincode -> what is in force."""
    with phase("channels joined"):
        await join_orderers(nodes, blocks)
        await join_peers(nodes, blocks)
        await backend.wait_leaders(nodes, blocks)
    with phase("chaincode"):
        deployed = await deploy_and_tell(backend, nodes, roster)
    with phase("first transactions"):
        await first_transactions(nodes)
    return deployed


def _with_other_clocks(running: Mapping[str, list[psutil.Process]], program: Program) -> list[psutil.Process]:
    """Chaincode servers of this package that were told of other live channels than there are now."""
    wanted = program.environment.get(CLOCK_VARIABLE, "")
    if CHAINCODE_ID not in program.environment:
        return []
    return [each for each in serving(running, program) if (_variable(each, CLOCK_VARIABLE) or "") != wanted]


def _variable(process: psutil.Process, name: str) -> str | None:
    try:
        return process.environ().get(name)
    except (psutil.Error, OSError):
        return None
