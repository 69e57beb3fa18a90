# SPDX-License-Identifier: Apache-2.0
"""`network.json`: the one file a client needs to know a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.model.nodes import Nodes, Orderer, Peer
from commonwatt_network.model.roster import Roster


def write_network_file(
    nodes: Nodes, backend: str, roster: Roster, deployed: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> None:
    """Write the file. `deployed`: channel -> chaincode -> {"version", "sequence"}."""
    text = json.dumps(describe(nodes, backend, roster, deployed), indent=2) + "\n"
    write_atomically(nodes.layout.network_file, text)


def describe(
    nodes: Nodes, backend: str, roster: Roster, deployed: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    """The file's content: organisations, orderers, channels; every path absolute."""
    topology, layout = nodes.topology, nodes.layout
    organizations = {
        name: {
            "mspid": topology.mspid(name),
            "peers": [described_peer(layout, peer) for peer in nodes.peers if peer.organization == name],
            "users": described_users(layout, name, roster.users[name]),
        }
        for name in topology.organizations
    }
    orderers = [described_orderer(layout, orderer) for orderer in nodes.orderers]
    channels = {
        name: {
            "organizations": list(channel.organizations),
            "clock": channel.clock,
            "market": channel.market,
            "chaincodes": {key: dict(value) for key, value in deployed.get(name, {}).items()},
        }
        for name, channel in topology.channels.items()
    }
    return {
        "name": topology.name,
        "backend": backend,
        "organizations": organizations,
        "orderers": orderers,
        "channels": channels,
    }


def described_peer(layout: Layout, peer: Peer) -> dict[str, str]:
    """A peer as the file has it."""
    return {
        "name": peer.name,
        "address": peer.address,
        "tls_ca_cert": str(layout.tls_ca_certificate(peer.organization)),
        "tls_server_name": peer.name,
        "operations_address": peer.operations_address,
        **_client_pair(layout, peer),
    }


def described_orderer(layout: Layout, orderer: Orderer) -> dict[str, str]:
    """An orderer as the file has it."""
    return {
        "name": orderer.name,
        "mspid": orderer.mspid,
        "address": orderer.address,
        "admin_address": orderer.admin_address,
        "operations_address": orderer.operations_address,
        "tls_ca_cert": str(layout.tls_ca_certificate(orderer.organization)),
        "tls_server_name": orderer.name,
    }


def described_users(
    layout: Layout, organization: str, users: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, Any]]:
    """An organisation's users as the file has them. `users`: name -> the attributes of the certificate."""
    return {
        user: {
            "certificate": str(layout.user(organization, user) / "certificate.pem"),
            "private_key": str(layout.user(organization, user) / "private_key.pem"),
            "attributes": dict(attributes),
        }
        for user, attributes in users.items()
    }


def _client_pair(layout: Layout, peer: Peer) -> dict[str, str]:
    """What to show to a peer that demands a TLS client certificate."""
    if not peer.client_authentication:
        return {}
    folder = layout.client_tls(peer.organization)
    return {
        "tls_client_certificate": str(folder / "server.crt"),
        "tls_client_key": str(folder / "server.key"),
    }
