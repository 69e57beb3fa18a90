# SPDX-License-Identifier: Apache-2.0
"""Chaincode as a service: what an organisation's peers install, and the process they dial, mutual TLS on both ends."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import HOST, ChaincodeServer, Nodes
from commonwatt_network.model.topology_parts import DEFAULT_CLOCK_ERROR_S
from commonwatt_network.programs.processes import Program

if TYPE_CHECKING:
    from commonwatt_client.admin import ChaincodePackage

    from commonwatt_network.model.topology import Topology

CLOCK_VARIABLE = "CHAINCODE_CLOCK_ERROR_S"


def package(layout: Layout, organization: str, label: str, address: str) -> ChaincodePackage:
    """The package that `organization`'s peers install to reach the server at `address`. The same every time."""
    from commonwatt_client.admin import (
        ChaincodeConnection,
        package_ccaas,
    )  # not for every verb: it loads aiohttp

    client = layout.chaincode_client_tls(organization)
    connection = ChaincodeConnection(
        address=address,
        dial_timeout_s=10,
        tls_required=True,
        root_cert=layout.tls_ca_certificate(organization).read_text(),
        client_auth_required=True,
        client_cert=(client / "server.crt").read_text(),
        client_key=(client / "server.key").read_text(),
    )
    return package_ccaas(label, connection)


def server_package(nodes: Nodes, server: ChaincodeServer) -> ChaincodePackage:
    """The package for one of the topology's chaincodes."""
    version = nodes.topology.chaincodes[server.chaincode].version
    return package(nodes.layout, server.organization, f"{server.chaincode}_{version}", server.address)


def server_programs(nodes: Nodes) -> list[Program]:
    """How to run every chaincode process of the topology."""
    programs = []
    for server in nodes.chaincode_servers:
        settings = nodes.topology.chaincodes[server.chaincode]
        programs.append(
            server_program(
                nodes.layout,
                server.organization,
                name=server.name,
                command=[sys.executable, "-m", settings.module],
                address=server.address,
                package_id=server_package(nodes, server).package_id,
                environment={
                    "CHAINCODE_WORKERS": str(settings.workers),
                    CLOCK_VARIABLE: clock_errors(nodes.topology, server.organization),
                },
            )
        )
    return programs


def clock_errors(topology: Topology, organization: str) -> str:
    """What an organisation's chaincode servers are told of its live channels: `newtown=30,glebe=30`."""
    return ",".join(
        f"{name}={channel.clock_error_s or DEFAULT_CLOCK_ERROR_S}"
        for name, channel in topology.channels.items()
        if channel.clock == "live" and organization in channel.organizations
    )


def server_program(
    layout: Layout,
    organization: str,
    *,
    name: str,
    command: list[str],
    address: str,
    package_id: str,
    environment: Mapping[str, str] | None = None,
) -> Program:
    """How to run `command` as a chaincode server of `organization`, by Fabric's standard variables and the shim's own.

    It takes the peers' certificate alone. A server of another language knows only Fabric's variables, and takes every
    TLS certificate of the organisation.
    """
    tls: Path = layout.chaincode_tls(organization)
    variables = {
        "CHAINCODE_SERVER_ADDRESS": address,
        "CHAINCODE_ID": package_id,
        "CHAINCODE_TLS_DISABLED": "false",
        "CHAINCODE_TLS_CERT": str(tls / "server.crt"),
        "CHAINCODE_TLS_KEY": str(tls / "server.key"),
        "CHAINCODE_CLIENT_CA_CERT": str(layout.tls_ca_certificate(organization)),
        "CHAINCODE_CLIENT_CERTS": str(layout.chaincode_client_tls(organization) / "server.crt"),
        "PYTHONUNBUFFERED": "1",
        **(environment or {}),
    }
    return Program(name, command, variables, layout.configuration / name, (name,))


def local_address(port: int) -> str:
    """Where a chaincode server on this machine is dialled."""
    return f"{HOST}:{port}"
