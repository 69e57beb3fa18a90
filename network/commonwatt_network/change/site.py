"""The running network while one step of a change is done to it: its nodes then, and its processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass

import psutil

from commonwatt_network.backends import embedded, native
from commonwatt_network.channels.deploy import deploy_topology, join_orderers, join_peers
from commonwatt_network.channels.first_transaction import first_transactions
from commonwatt_network.channels.genesis import ensure_genesis_blocks
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.network_file import write_network_file
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.profiles import write_profiles
from commonwatt_network.programs import processes, readiness
from commonwatt_network.programs.chaincode_servers import server_programs
from commonwatt_network.programs.ports import require_free
from commonwatt_network.programs.processes import Program
from commonwatt_network.status import program_of
from commonwatt_network.trust import fabric_authorities
from commonwatt_network.trust.identity import Roster, ensure_identities

CHAINCODE_ID = "CHAINCODE_ID"
# Fabric's nodes serve nobody from the first moment of the two seconds that they take to end; what they committed is on
# disk by then.
RESTART_GRACE_S = 0.5
CHANGE = "change"  # what the processes are marked with that a change started
Phase = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Site:
    """`before` is the network as the step finds it, `nodes` as it leaves it. `fabric` is None on the embedded one."""

    backend: str
    fabric: native.FabricPrograms | None
    before: Nodes
    nodes: Nodes

    @property
    def layout(self) -> Layout:
        return self.nodes.layout


def programs(site: Site) -> list[Program]:
    """Write every node's configuration and say how to run it, chaincode servers too."""
    nodes = native.programs(site.nodes, site.fabric) if site.fabric else embedded.programs(site.nodes)
    return [*nodes, *server_programs(site.nodes)]


async def start(site: Site) -> None:
    """Start what of the step's network does not run, and wait until it serves."""
    wanted = programs(site)
    await _extend_embedded(site)
    alive = {program.name: found for program in wanted if (found := serving(site.layout, program))}
    missing = [program for program in wanted if program.name not in alive]
    served = {name for program in missing for name in program.serves}
    require_free({port: name for port, name in site.nodes.ports().items() if name in served})
    started = {program.name: processes.start(program, site.layout, CHANGE) for program in missing}
    pids = {
        node: started.get(program.name) or alive[program.name][0].pid
        for program in wanted
        for node in program.serves
    }
    if site.backend == "embedded":
        pid = pids[site.nodes.orderers[0].name]
        ready = embedded.ready_file(site.nodes)
        await readiness.wait_ready_file(ready, site.layout, embedded.PROCESS, pid)
    await readiness.wait_listening(site.nodes, pids)
    if site.fabric:
        await readiness.wait_healthy(site.nodes, pids)


async def issue_missing(site: Site) -> Roster:
    """Certificates for whoever has none; where Fabric CA issues them, by the organisations' servers."""
    if site.nodes.topology.ca == "fabric-ca":
        start_authorities(site)
        await fabric_authorities.enrol(site.nodes)
    return ensure_identities(site.nodes)


def start_authorities(site: Site) -> None:
    """Start the Fabric CA servers that do not run; who asks them waits until they answer."""
    alive = processes.running(site.layout)
    for program in fabric_authorities.programs(site.nodes):
        if program.name not in alive:
            processes.start(program, site.layout, CHANGE)


async def settle_in(site: Site) -> None:
    """Bring everything that the step's network lacks: certificates, processes, channels, chaincode, a transaction."""
    await issue_missing(site)
    blocks = ensure_genesis_blocks(site.nodes)
    await start(site)
    await join_orderers(site.nodes, blocks)
    await join_peers(site.nodes, blocks)
    if site.fabric:
        await readiness.wait_leaders(site.nodes, blocks)
    await describe(site)
    await first_transactions(site.nodes)


async def describe(site: Site) -> None:
    """Deploy what is not deployed; then tell clients in network.json and the connection profiles."""
    deployed = await deploy_topology(site.nodes)
    described = {
        channel: {name: asdict(entry) for name, entry in chaincodes.items()}
        for channel, chaincodes in deployed.items()
    }
    write_network_file(site.nodes, site.backend, await issue_missing(site), described)
    write_profiles(site.nodes)


def serving(layout: Layout, program: Program) -> list[psutil.Process]:
    """The processes that run `program`; of chaincode servers, those of this very package."""
    found = processes.running(layout).get(program.name, [])
    package = program.environment.get(CHAINCODE_ID)
    return found if package is None else [each for each in found if _package(each) == package]


def stop_other_servers(site: Site) -> None:
    """End chaincode servers of packages that no peer asks any more."""
    for program in server_programs(site.nodes):
        kept = {process.pid for process in serving(site.layout, program)}
        found = processes.running(site.layout).get(program.name, [])
        processes.stop(process for process in found if process.pid not in kept)


def stop_programs(site: Site, names: Iterable[str], grace_s: float = 10.0) -> None:
    """End these programs' processes; those that have not ended after `grace_s` are killed."""
    running = processes.running(site.layout)
    for name in names:
        processes.stop(running.get(name, []), grace_s)


async def restart_embedded(site: Site) -> None:
    """Let the embedded process run the step's nodes and no others."""
    stop_programs(site, [embedded.PROCESS])
    await start(site)


async def restart(site: Site, names: Iterable[str]) -> None:
    """Stop these nodes or chaincode servers and start them again, one after the other."""
    for name in programs_behind(site, names):
        stop_programs(site, [name], RESTART_GRACE_S if site.fabric else 10.0)
        await start(site)


def programs_behind(site: Site, names: Iterable[str]) -> list[str]:
    """The programs that these nodes or chaincode servers run in, each once."""
    by_name = {node.name: node for node in (*site.nodes.fabric_nodes, *site.nodes.chaincode_servers)}
    return list(dict.fromkeys(program_of(by_name[name], site.backend) for name in names))


async def _extend_embedded(site: Site) -> None:
    """The embedded process holds all nodes; asked to, it reads its configuration again and starts those that came."""
    found = processes.running(site.layout).get(embedded.PROCESS)
    if found and not all([await readiness.accepts(node) for node in site.nodes.fabric_nodes]):
        found[0].send_signal(signal.SIGHUP)


def _package(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(CHAINCODE_ID)
    except (psutil.Error, OSError):
        return None
