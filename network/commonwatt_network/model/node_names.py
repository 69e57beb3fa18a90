# SPDX-License-Identifier: Apache-2.0
"""The names of a topology's nodes, and the ports that the topology fixes for them."""

from __future__ import annotations

from collections.abc import Iterator

from commonwatt_network.model.topology_parts import TopologyFields

PORTS_OF_ORDERER = ("port", "admin", "operations")
PORTS_OF_PEER = ("port", "operations")
PORTS_OF_SERVER = ("port",)


def orderer_name(topology: TopologyFields, organization: str, number: int, before: int) -> str:
    """The name of an organisation's orderer `number` (from 0), where `before` orderers of the network come first."""
    hostname = topology.orderers.organizations[organization].hostname
    if hostname is None:
        return f"orderer{before}"
    return f"{hostname}{number + 1 if number else ''}.{organization}"


def orderer_names(topology: TopologyFields) -> list[str]:
    """The names of a new network's orderers, in order."""
    names: list[str] = []
    for organization, settings in topology.orderers.organizations.items():
        for number in range(settings.nodes):
            names.append(orderer_name(topology, organization, number, len(names)))
    return names


def ports_of_nodes(topology: TopologyFields) -> dict[str, tuple[str, ...]]:
    """Node -> the kinds of port that it has: orderers, peers, chaincode servers, Fabric CA servers."""
    members = topology.organizations.items()
    peers = [f"peer{number}.{name}" for name, member in members for number in range(member.peers)]
    servers = [f"{chaincode}.{organization}" for chaincode, organization in chaincode_owners(topology)]
    servers += [f"ca.{organization}" for organization in authority_owners(topology)]
    return {
        **dict.fromkeys(orderer_names(topology), PORTS_OF_ORDERER),
        **dict.fromkeys(peers, PORTS_OF_PEER),
        **dict.fromkeys(servers, PORTS_OF_SERVER),
    }


def fixed_ports(topology: TopologyFields) -> dict[int, str]:
    """Every port that the topology fixes, with the node that listens there."""
    return {port: name for name, _, port in each_fixed_port(topology)}


def each_fixed_port(topology: TopologyFields) -> Iterator[tuple[str, str, int]]:
    """Node, kind of port, port."""
    for name, ports in topology.ports.nodes.items():
        for kind in PORTS_OF_ORDERER:
            port = getattr(ports, kind)
            if port is not None:
                yield name, kind, port


def authority_owners(topology: TopologyFields) -> tuple[str, ...]:
    """Who runs a Fabric CA server: every organisation, or nobody where the kit issues identities itself."""
    everyone = (*topology.orderers.organizations, *topology.organizations)
    return everyone if topology.ca == "fabric-ca" else ()


def chaincode_owners(topology: TopologyFields) -> list[tuple[str, str]]:
    """Chaincode and organisation of every chaincode process: once per organisation, whatever its channels.

    A server that runs elsewhere is no process of the network.
    """
    owners = {
        (chaincode, organization): None
        for channel in topology.channels.values()
        for chaincode in channel.chaincodes
        for organization in channel.organizations
        if not topology.chaincodes[chaincode].runs_elsewhere
    }
    return list(owners)
