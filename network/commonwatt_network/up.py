# SPDX-License-Identifier: Apache-2.0
"""Bringing a network up: make what is missing, start what is dead, and come back when a transaction works."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from commonwatt_network.backends.backend import Backend, Phase
from commonwatt_network.backends.registry import DEFAULT, backend_called, nodes_of
from commonwatt_network.bring_up import bring_up
from commonwatt_network.channels.deploy import Deployed
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, ports_needed
from commonwatt_network.model.state import State, exclusive, read_state, write_state
from commonwatt_network.model.topology import Topology, default_topology, keeping_image
from commonwatt_network.programs import processes
from commonwatt_network.programs.chaincode_code import refuse_changed_code, require_programs
from commonwatt_network.programs.ports import choose_first_port, require_free
from commonwatt_network.programs.processes import Program
from commonwatt_network.programs.starting import started_or_ended
from commonwatt_network.trust import fabric_authorities


@dataclass(frozen=True)
class Up:
    """What came of it: the nodes as clients dial them, what was started just now, and what is deployed where."""

    nodes: Nodes
    state: State
    started: tuple[str, ...]
    deployed: dict[str, dict[str, Deployed]]
    backend_description: str


async def up(
    directory: Path,
    topology: Topology | None,
    backend: str | None,
    phase: Phase,
    *,
    changed_code: bool = False,
) -> Up:
    """Bring up the network in `directory`.

    Without a topology or backend: those it was made with, or the defaults. When the call fails, it ends the processes
    that it started; those that ran before go on. `changed_code`: run chaincode also where its code is not what
    was deployed as its version. Raises UsageError before anything is started, then NetworkError.
    """
    layout = Layout(directory)
    with exclusive(layout) as lock, ExitStack() as stack:
        state = settle_state(layout, topology, backend)
        nodes = nodes_of(layout, state)
        chosen = backend_called(state.backend)
        if state.topology.ca == "fabric-ca":
            fabric_authorities.require()
        chosen.require(nodes)
        if not chosen.in_containers:
            require_programs(state.topology)
            if not changed_code:
                refuse_changed_code(layout, state.topology)
        alive = processes.running(layout)
        processes.refuse_suspended(alive)
        _require_ports(nodes, chosen, alive)
        write_state(layout, state)

        def start(programs: Sequence[Program]) -> Mapping[str, int]:
            return stack.enter_context(started_or_ended(layout, programs, lock))

        result = await bring_up(chosen, nodes, start, phase)
        told = chosen.for_clients(nodes)
        return Up(told, state, result.started, result.deployed, chosen.describe(nodes))


def settle_state(layout: Layout, topology: Topology | None, backend: str | None) -> State:
    """The state kept, which the wishes must agree with; or a new one."""
    if backend is not None:
        backend_called(backend)
    state = read_state(layout)
    if state is None:
        chosen = topology or default_topology()
        first = chosen.ports.first or choose_first_port(ports_needed(chosen), layout.directory)
        return State(chosen, backend or DEFAULT, first)
    if state.change:
        raise UsageError(
            f"a change of the network in {layout.directory} was interrupted ({state.change.words}); "
            "finish it with `commonwatt apply`, which also starts what does not run"
        )
    if backend not in (None, state.backend):
        raise UsageError(
            f"the network in {layout.directory} is {state.backend}, not {backend}; a ledger cannot move between them: "
            f"go on with COMMONWATT_BACKEND={state.backend}, use another folder, or delete it with `make network-reset`"
        )
    wanted = state.topology if topology is None else keeping_image(state.topology, topology)
    if wanted != state.topology:
        raise UsageError(
            f"the network in {layout.directory} was made from another topology "
            f"({_difference(state.topology, wanted)}); leave the topology out to go on with it, "
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
            secret = path.endswith(".secret")
            yield f"{path} differs" if secret else f"{path}: {_short(a)} there, {_short(b)} asked for"

    return next(differing("", old.model_dump(), new.model_dump()), "no difference")


def _short(value: object) -> str:
    return "none" if value is None else "an entry" if isinstance(value, dict) else str(value)


def _require_ports(nodes: Nodes, backend: Backend, alive: Collection[str]) -> None:
    """Refuse a port that another program holds, of those that our own programs do not listen on already."""
    held = backend.holding_ports(nodes, alive)
    require_free({port: name for port, name in nodes.ports().items() if name not in held})
