"""Bringing a network up: make what is missing, start what is dead, and come back when a transaction works."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from commonwatt_network.backends import compose, containers, embedded, kubernetes, native
from commonwatt_network.channels.deploy import Deployed, deploy_topology, join_orderers, join_peers
from commonwatt_network.channels.first_transaction import first_transactions
from commonwatt_network.channels.genesis import ensure_genesis_blocks
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.network_file import write_network_file
from commonwatt_network.model.nodes import Nodes, ports_needed
from commonwatt_network.model.profiles import write_profiles
from commonwatt_network.model.state import BACKENDS, State, exclusive, read_state, write_state
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.programs import processes, readiness
from commonwatt_network.programs.chaincode_servers import server_programs
from commonwatt_network.programs.ports import choose_first_port, require_free
from commonwatt_network.programs.processes import Program
from commonwatt_network.programs.second_servers import second_programs
from commonwatt_network.programs.starting import started_or_ended
from commonwatt_network.status import program_of
from commonwatt_network.trust import fabric_authorities
from commonwatt_network.trust.identity import Roster, ensure_identities

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
    with exclusive(layout) as lock, ExitStack() as stack:
        state = settle_state(layout, topology, backend)
        nodes = state.nodes(layout)
        if state.topology.ca == "fabric-ca":
            fabric_authorities.require()
        fabric = _find_fabric(state, nodes)
        alive = processes.running(layout)
        processes.refuse_suspended(alive)
        _require_ports(nodes, state.backend, alive)
        write_state(layout, state)
        authorities: dict[str, int] = {}
        if state.topology.ca == "fabric-ca":
            with phase("certificate authorities"):
                servers = [entry for entry in fabric_authorities.programs(nodes) if entry.name not in alive]
                authorities = stack.enter_context(started_or_ended(layout, servers, lock))
                await fabric_authorities.enrol(nodes)
        with phase("identities and channels"):
            roster = ensure_identities(nodes)
            blocks = ensure_genesis_blocks(_as_they_see_themselves(nodes, state.backend))
            programs = _programs(nodes, state.backend, fabric)
        missing = [program for program in programs if program.name not in alive]
        with (
            _containers(nodes, state.backend, phase) as created,
            started_or_ended(layout, missing, lock) as pids,
        ):
            with phase("processes"):
                served = await _wait_processes(nodes, state.backend, programs, pids)
            service = _bring_into_service(nodes, state.backend, roster, blocks, phase)
            deployed = await readiness.while_alive(service, layout, served)
        started = tuple(dict.fromkeys((*authorities, *created, *(program.name for program in missing))))
        return Up(nodes, state, started, deployed, _description(state, fabric))


async def _bring_into_service(
    nodes: Nodes, backend: str, roster: Roster, blocks: Mapping[str, bytes], phase: Phase
) -> dict[str, dict[str, Deployed]]:
    """Join channels, deploy chaincode, tell clients, trade; channel -> chaincode -> what is in force."""
    with phase("channels joined"):
        await join_orderers(nodes, blocks)
        await join_peers(nodes, blocks)
    if backend != "embedded":
        with phase("leaders"):
            await readiness.wait_leaders(nodes, blocks)
    with phase("chaincode"):
        deployed = await deploy_topology(nodes)
    described = {
        channel: {name: asdict(entry) for name, entry in chaincodes.items()}
        for channel, chaincodes in deployed.items()
    }
    write_network_file(nodes, backend, roster, described)
    write_profiles(nodes)
    with phase("first transactions"):
        await first_transactions(nodes)
    return deployed


def settle_state(layout: Layout, topology: Topology | None, backend: str | None) -> State:
    """The state kept, which the wishes must agree with; or a new one."""
    if backend is not None and backend not in BACKENDS:
        raise UsageError(f"unknown backend {backend!r}; there are: {', '.join(BACKENDS)}")
    state = read_state(layout)
    if state is None:
        chosen = topology or default_topology()
        first = chosen.ports.first or choose_first_port(ports_needed(chosen), layout.directory)
        return State(chosen, backend or "embedded", first)
    if state.change:
        raise UsageError(
            f"a change of the network in {layout.directory} was interrupted ({state.change.words}); "
            "finish it with `commonwatt apply`, which also starts what does not run"
        )
    if backend not in (None, state.backend):
        raise UsageError(
            f"the network in {layout.directory} is {state.backend}, not {backend}; a ledger cannot move between them: "
            f"go on with NETWORK={state.backend}, use another folder, or delete it with `make network-reset`"
        )
    if topology not in (None, state.topology):
        raise UsageError(
            f"the network in {layout.directory} was made from another topology "
            f"({_difference(state.topology, topology)}); leave the topology out to go on with it, "
            "change it as it runs with `commonwatt apply`, use another folder, or delete it with `make network-reset`"
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


def _find_fabric(state: State, nodes: Nodes) -> native.FabricPrograms | None:
    """Refuse what this machine cannot run; Fabric's programs, where the backend needs them."""
    if state.backend == "embedded":
        embedded.check_consensus(state.topology)
        return None
    if state.topology.determinism_guard:
        raise UsageError(
            "determinism_guard: true needs the embedded network; Fabric's own peers run a proposal once"
        )
    if state.backend in containers.BACKENDS:
        (compose.require if state.backend == "compose" else kubernetes.require)(nodes)
        return None
    fabric = native.find_fabric(nodes.layout.directory)
    native.check_version(fabric, state.topology.orderers.consensus)
    return fabric


def _as_they_see_themselves(nodes: Nodes, backend: str) -> Nodes:
    return containers.inside(nodes) if backend in containers.BACKENDS else nodes


def _programs(nodes: Nodes, backend: str, fabric: native.FabricPrograms | None) -> list[Program]:
    """What runs on this machine as a process: everything, or what leads to the containers."""
    if backend in containers.BACKENDS:
        return kubernetes.forwarders(nodes) if backend == "kubernetes" else []
    return [
        *(native.programs(nodes, fabric) if fabric else embedded.programs(nodes)),
        *server_programs(nodes),
        *(second_programs(nodes) if nodes.topology.determinism_guard else ()),
    ]


def _containers(nodes: Nodes, backend: str, phase: Phase) -> AbstractContextManager[tuple[str, ...]]:
    """Start what runs in containers, and end it if the body fails. Yields the names of what was started."""
    if backend not in containers.BACKENDS:
        return nullcontext(())
    return (compose.started if backend == "compose" else kubernetes.started)(nodes, phase)


def _description(state: State, fabric: native.FabricPrograms | None) -> str:
    if state.backend in containers.BACKENDS:
        return f"{state.topology.images.peer} under {state.backend}"
    return f"Hyperledger Fabric {fabric.version_text}" if fabric else "embedded, for development"


def _require_ports(nodes: Nodes, backend: str, alive: Collection[str]) -> None:
    """Refuse a port that another program holds, of those that our own programs do not listen on already."""
    alive = {*alive, *compose.running(nodes.layout)} if backend == "compose" else alive
    running = {
        node.name
        for node in (*nodes.fabric_nodes, *nodes.chaincode_servers, *nodes.authorities)
        if program_of(node, backend) in alive
    }
    needed = {port: name for port, name in nodes.ports().items() if name not in running}
    require_free(needed)


async def _wait_processes(
    nodes: Nodes, backend: str, programs: Sequence[Program], started: dict[str, int]
) -> dict[str, int]:
    """Wait until every process serves; the name of each program on this machine -> its process id."""
    if backend == "compose":
        return {}  # `docker compose up --wait` came back when every container was healthy
    if backend == "kubernetes":
        nodes = replace(nodes, chaincode_servers=())  # dialled inside the cluster alone
    alive: dict[str, list[psutil.Process]] = processes.running(nodes.layout)
    served = {program.name: started.get(program.name) or alive[program.name][0].pid for program in programs}
    pids = {node: served[program.name] for program in programs for node in program.serves}
    if backend == "embedded":
        ready = embedded.ready_file(nodes)
        await readiness.wait_ready_file(ready, nodes.layout, embedded.PROCESS, served[embedded.PROCESS])
    await readiness.wait_listening(nodes, pids)
    for program in programs:
        second = program.environment.get("CHAINCODE_SERVER_ADDRESS")
        if second is not None and not program.serves:
            await readiness.wait_server(second, nodes.layout, program.name, served[program.name])
    if backend != "embedded":
        await readiness.wait_healthy(nodes, pids)
    return served
