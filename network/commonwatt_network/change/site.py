# SPDX-License-Identifier: Apache-2.0
"""The running network while one step of a change is done to it: its nodes then, and its processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from commonwatt_network import bring_up
from commonwatt_network.backends.backend import Backend
from commonwatt_network.bring_up import CHAINCODE_ID, serving
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Node, Nodes, Orderer
from commonwatt_network.model.roster import Roster
from commonwatt_network.programs import processes
from commonwatt_network.programs.processes import Program
from commonwatt_network.programs.second_servers import SECOND

CHANGE = "change"  # what the processes are marked with that a change started


@dataclass(frozen=True)
class Site:
    """`before` is the network as the step finds it, `nodes` as it leaves it."""

    backend: Backend
    before: Nodes
    nodes: Nodes

    @property
    def layout(self) -> Layout:
        return self.nodes.layout

    @property
    def named(self) -> Nodes:
        """`nodes` as they name themselves to each other and on their channels."""
        return self.backend.among_themselves(self.nodes)

    def named_as(self, orderer: Orderer) -> Orderer:
        """An orderer, also one that goes, as channels name it."""
        return self.backend.among_themselves(replace(self.nodes, orderers=(orderer,))).orderers[0]

    def begin(self, programs: Sequence[Program]) -> Mapping[str, int]:
        """Start programs that stay, whatever becomes of the step; name -> process id."""
        return {program.name: processes.start(program, self.layout, CHANGE) for program in programs}


async def start(site: Site) -> None:
    """Start what of the step's network does not run, and wait until it serves."""
    with site.backend.started(site.nodes, bring_up.unseen, change=True):
        await bring_up.serve(site.backend, site.nodes, site.backend.programs(site.nodes), site.begin)


async def issue_missing(site: Site) -> Roster:
    """Certificates for all that have none; where Fabric CA issues them, by the organisations' servers."""
    return await bring_up.issue(site.nodes, site.begin)


def start_authorities(site: Site) -> None:
    """Start the Fabric CA servers that do not run; who asks them waits until they answer."""
    bring_up.start_authorities(site.nodes, site.begin)


async def settle_in(site: Site) -> None:
    """Bring everything that the step's network lacks: certificates, processes, channels, chaincode, a transaction."""
    await bring_up.bring_up(site.backend, site.nodes, site.begin, change=True)


async def describe(site: Site) -> None:
    """Deploy what is not deployed; then tell clients in network.json and the connection profiles."""
    await bring_up.deploy_and_tell(site.backend, site.nodes, await issue_missing(site))


def stop_other_servers(site: Site) -> None:
    """End chaincode servers of packages that no peer asks any more, and those whose chaincode now runs elsewhere."""
    running = processes.running(site.layout)
    kept_names = {server.name for server in site.nodes.chaincode_servers}
    for server in site.before.chaincode_servers:
        if server.name not in kept_names:
            processes.stop(running.get(server.name, []))
            processes.stop(running.get(f"{server.name}{SECOND}", []))
    for program in site.backend.programs(site.nodes):
        if CHAINCODE_ID in program.environment:
            kept = {process.pid for process in serving(running, program)}
            found = running.get(program.name, [])
            processes.stop(process for process in found if process.pid not in kept)
    site.backend.end_others(site.nodes)


def stop_programs(site: Site, names: Iterable[str]) -> None:
    """End these programs."""
    running = processes.running(site.layout)
    ended = list(names)
    for name in ended:
        processes.stop(running.get(name, []))
    site.backend.end(site.before, ended)


async def withdraw(site: Site, gone: Iterable[Node]) -> None:
    """End nodes that are not of the network any more; a program that holds others too runs again without them."""
    stop_programs(site, dict.fromkeys(map(site.backend.program_of, gone)))
    await start(site)
    site.backend.end_others(site.nodes)


async def restart(site: Site, names: Iterable[str]) -> None:
    """Stop these nodes or chaincode servers and start them again, one after the other."""
    for name in programs_behind(site, names):
        processes.stop(processes.running(site.layout).get(name, []), site.backend.restart_grace_s)
        site.backend.begin_anew(site.nodes, name)
        await start(site)


def programs_behind(site: Site, names: Iterable[str]) -> list[str]:
    """The programs that these nodes or chaincode servers run in, each once."""
    by_name = {node.name: node for node in (*site.nodes.fabric_nodes, *site.nodes.chaincode_servers)}
    return list(dict.fromkeys(site.backend.program_of(by_name[name]) for name in names))
