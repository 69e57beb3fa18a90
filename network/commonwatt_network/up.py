"""Bringing a network up: make what is missing, start what is dead, and come back when a transaction works."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from commonwatt_network import processes, readiness
from commonwatt_network.backends import embedded, native
from commonwatt_network.chaincode import server_programs
from commonwatt_network.channel import ensure_genesis_blocks
from commonwatt_network.deploy import Deployed, deploy_topology, join_orderers, join_peers
from commonwatt_network.errors import UsageError
from commonwatt_network.first_transaction import first_transactions
from commonwatt_network.guard import DONE
from commonwatt_network.identity import ensure_identities
from commonwatt_network.layout import Layout
from commonwatt_network.network_file import write_network_file
from commonwatt_network.nodes import Nodes, ports_needed
from commonwatt_network.ports import choose_first_port, require_free
from commonwatt_network.processes import Program
from commonwatt_network.profiles import write_profiles
from commonwatt_network.state import BACKENDS, State, exclusive, read_state, write_state
from commonwatt_network.status import program_of
from commonwatt_network.topology import Topology, default_topology

Phase = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Up:
    """What came of it: the network's nodes, what was started just now, and what is deployed where."""

    nodes: Nodes
    state: State
    started: tuple[str, ...]
    deployed: dict[str, dict[str, Deployed]]
    backend_description: str


async def up(directory: Path, topology: Topology | None, backend: str | None, phase: Phase) -> Up:
    """Bring up the network in `directory`.

    Without a topology or backend: those it was made with, or the defaults. Whatever was started by this call is ended
    again when the call fails; what ran before goes on. Raises UsageError before anything is started, then NetworkError.
    """
    layout = Layout(directory)
    with exclusive(layout):
        state = _settle(layout, topology, backend)
        nodes = state.nodes(layout)
        fabric = _find_fabric(state, layout)
        alive = processes.running(layout)
        _require_ports(nodes, state.backend, alive)
        write_state(layout, state)
        with phase("identities and channels"):
            roster = ensure_identities(nodes)
            blocks = ensure_genesis_blocks(nodes)
            programs = [*_node_programs(nodes, fabric), *server_programs(nodes)]
        missing = [program for program in programs if program.name not in alive]
        with started_or_ended(layout, missing) as pids:
            with phase("processes"):
                await _wait_processes(nodes, state.backend, programs, pids)
            with phase("channels joined"):
                await join_orderers(nodes, blocks)
                await join_peers(nodes, blocks)
            if state.backend == "native":
                with phase("leaders"):
                    await readiness.wait_leaders(nodes, blocks)
            with phase("chaincode"):
                deployed = await deploy_topology(nodes)
            described = {
                channel: {name: asdict(entry) for name, entry in chaincodes.items()}
                for channel, chaincodes in deployed.items()
            }
            write_network_file(nodes, state.backend, roster, described)
            write_profiles(nodes)
            with phase("first transactions"):
                await first_transactions(nodes)
        description = f"Hyperledger Fabric {fabric.version_text}" if fabric else "embedded, for development"
        return Up(nodes, state, tuple(program.name for program in missing), deployed, description)


def _settle(layout: Layout, topology: Topology | None, backend: str | None) -> State:
    """The state kept, which the wishes must agree with; or a new one."""
    if backend is not None and backend not in BACKENDS:
        raise UsageError(f"unknown backend {backend!r}; there are: {', '.join(BACKENDS)}")
    state = read_state(layout)
    if state is None:
        chosen = topology or default_topology()
        first = chosen.ports.first or choose_first_port(ports_needed(chosen), layout.directory)
        return State(chosen, backend or "embedded", first)
    if backend not in (None, state.backend):
        raise UsageError(
            f"the network in {layout.directory} is {state.backend}, not {backend}; a ledger cannot move between them: "
            f"go on with NETWORK={state.backend}, use another folder, or delete it with `make network-reset`"
        )
    if topology not in (None, state.topology):
        raise UsageError(
            f"the network in {layout.directory} was made from another topology "
            f"({_difference(state.topology, topology)}); leave the topology out to go on with it, "
            "use another folder, or delete it with `make network-reset`"
        )
    return state


def _difference(old: Topology, new: Topology) -> str:
    """The first thing that differs, as a path with both values."""

    def differing(path: str, a: object, b: object) -> Iterator[str]:
        if isinstance(a, dict) and isinstance(b, dict):
            for key in [*a, *(key for key in b if key not in a)]:
                yield from differing(f"{path}.{key}" if path else str(key), a.get(key), b.get(key))
        elif a != b:
            yield f"{path}: {_short(a)} there, {_short(b)} asked for"

    return next(differing("", old.model_dump(), new.model_dump()), "no difference")


def _short(value: object) -> str:
    return "none" if value is None else "an entry" if isinstance(value, dict) else str(value)


def _find_fabric(state: State, layout: Layout) -> native.FabricPrograms | None:
    if state.backend == "embedded":
        embedded.check_consensus(state.topology)
        return None
    fabric = native.find_fabric(layout.directory)
    native.check_version(fabric, state.topology.orderers.consensus)
    return fabric


def _node_programs(nodes: Nodes, fabric: native.FabricPrograms | None) -> list[Program]:
    return native.programs(nodes, fabric) if fabric else embedded.programs(nodes)


def _require_ports(nodes: Nodes, backend: str, alive: Container[str]) -> None:
    """Refuse a port that another program holds, of those that our own programs do not listen on already."""
    running = {
        node.name
        for node in (*nodes.fabric_nodes, *nodes.chaincode_servers)
        if program_of(node, backend) in alive
    }
    needed = {port: name for port, name in nodes.ports().items() if name not in running}
    require_free(needed)


@contextmanager
def started_or_ended(layout: Layout, missing: Sequence[Program]) -> Iterator[dict[str, int]]:
    """Start programs; end them again if the body fails, or if this process dies in it. Yields name -> process id."""
    start_id = uuid.uuid4().hex
    command = [sys.executable, "-m", "commonwatt_network.guard", str(layout.directory), start_id]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    assert guard.stdin is not None
    try:
        pids = {program.name: processes.start(program, layout, start_id) for program in missing}
        yield pids
        guard.stdin.write(DONE)
    except BaseException:
        found = processes.running(layout, start_id)
        processes.stop(process for group in found.values() for process in group)
        raise
    finally:
        guard.stdin.close()
        guard.wait()


async def _wait_processes(
    nodes: Nodes, backend: str, programs: Sequence[Program], started: dict[str, int]
) -> None:
    alive: dict[str, list[psutil.Process]] = processes.running(nodes.layout)
    pids = {
        node: started.get(program.name) or alive[program.name][0].pid
        for program in programs
        for node in program.serves
    }
    if backend == "embedded":
        pid = pids[nodes.orderers[0].name]
        await readiness.wait_ready_file(embedded.ready_file(nodes), nodes.layout, embedded.PROCESS, pid)
    await readiness.wait_listening(nodes, pids)
    if backend == "native":
        await readiness.wait_healthy(nodes, pids)
