# SPDX-License-Identifier: Apache-2.0
"""Names and ports for nodes that come to a running network; those that are there keep theirs."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.node_names import (
    PORTS_OF_ORDERER,
    PORTS_OF_PEER,
    PORTS_OF_SERVER,
    fixed_ports,
    orderer_name,
)
from commonwatt_network.model.nodes import Nodes, Orderer, settle
from commonwatt_network.model.placement import Placement
from commonwatt_network.model.topology import Topology
from commonwatt_network.programs.ports import LAST, is_free

# How many ports a node has -> of what kinds they are.
KINDS = {len(kinds): kinds for kinds in (PORTS_OF_ORDERER, PORTS_OF_PEER, PORTS_OF_SERVER)}


def placement_of(nodes: Nodes) -> Placement:
    """The names and ports of a network as it runs."""
    orderers: dict[str, tuple[str, ...]] = dict.fromkeys(nodes.topology.orderers.organizations, ())
    for orderer in nodes.orderers:
        orderers[orderer.organization] += (orderer.name,)
    ports: dict[str, tuple[int, ...]] = {server.name: (server.port,) for server in nodes.chaincode_servers}
    ports |= {server.name: (server.port,) for server in nodes.authorities}
    for node in nodes.fabric_nodes:
        admin = (node.admin_port,) if isinstance(node, Orderer) else ()
        ports[node.name] = (node.port, *admin, node.operations_port)
    return Placement(orderers, ports)


def place(before: Nodes, topology: Topology, layout: Layout, moving: Collection[str] = ()) -> Placement:
    """Where everything of `topology` is. The chaincode servers `moving` get new addresses beside their old ones."""
    old = placement_of(before)
    orderers = {
        name: _orderer_names(topology, old, name, entry.nodes)
        for name, entry in topology.orderers.organizations.items()
    }
    # Counted out only to learn every node's name and how many ports it has.
    counted = settle(topology, layout, 0, None)
    shape = {name: len(ports) for name, ports in placement_of(counted).ports.items()}
    names = {name: 3 for listed in orderers.values() for name in listed}
    names |= {name: count for name, count in shape.items() if count < 3}
    taken = {port for ports in old.ports.values() for port in ports}
    fixed = topology.ports.nodes
    taken |= fixed_ports(topology).keys()
    free = _free_ports(max(port for port in taken if port < LAST) + 1, taken)
    ports = {
        name: old.ports[name]
        if name in old.ports and name not in moving
        else tuple(
            (None if name in moving else getattr(fixed.get(name), kind, None)) or next(free)
            for kind in KINDS[count]
        )
        for name, count in names.items()
    }
    return Placement(orderers, ports)


def _orderer_names(topology: Topology, old: Placement, organization: str, count: int) -> tuple[str, ...]:
    own = old.orderers.get(organization, ())[:count]
    if topology.orderers.organizations[organization].hostname:
        return tuple(orderer_name(topology, organization, number, number) for number in range(count))
    used = {name for names in old.orderers.values() for name in names}
    number = len(used)
    while len(own) < count:
        while f"orderer{number}" in used:
            number += 1
        own += (f"orderer{number}",)
        used.add(f"orderer{number}")
    return own


def _free_ports(first: int, taken: set[int]) -> Iterator[int]:
    for port in range(first, LAST):
        if port not in taken and is_free(port):
            yield port
    raise UsageError(f"no free port between {first} and {LAST} for what is to be added")
