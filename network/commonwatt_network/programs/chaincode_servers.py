# SPDX-License-Identifier: Apache-2.0
"""Chaincode as a service: what an organisation's peers install, and the process they dial, mutual TLS on both ends."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.model.nodes import HOST, ChaincodeServer, Nodes
from commonwatt_network.model.topology_chaincode import ChaincodeProgram
from commonwatt_network.model.topology_parts import DEFAULT_CLOCK_ERROR_S
from commonwatt_network.programs.processes import Program

if TYPE_CHECKING:
    from commonwatt_client.admin import ChaincodePackage

    from commonwatt_network.model.topology import Topology

CLOCK_VARIABLE = "CHAINCODE_CLOCK_ERROR_S"
# Files that only chaincode in Java and Node reads, as Fabric's peers write them into its containers.
IN_BASE64 = ("CORE_TLS_CLIENT_KEY_PATH", "CORE_TLS_CLIENT_CERT_PATH")


def package(layout: Layout, organization: str, label: str, address: str) -> ChaincodePackage:
    """The package that `organization`'s peers install to reach its server at `address`. The same every time."""
    authority = layout.tls_ca_certificate(organization)
    return _package(label, address, authority, layout.chaincode_client_tls(organization))


def chaincode_package(nodes: Nodes, chaincode: str, organization: str) -> ChaincodePackage:
    """The package of one of the topology's chaincodes, served by the kit or elsewhere. Raises UsageError."""
    settings, layout = nodes.topology.chaincodes[chaincode], nodes.layout
    label = f"{chaincode}_{settings.version}"
    if not settings.runs_elsewhere:
        return package(layout, organization, label, nodes.chaincode_server(chaincode, organization).address)
    address = settings.address_of(organization)
    assert address is not None  # the topology's rules say so, and the same of the authority
    assert settings.tls_authority is not None
    client = layout.chaincode_client_tls(organization) if settings.client_authentication else None
    return _package(label, address, settings.tls_authority, client)


def _package(label: str, address: str, authority: Path, client: Path | None) -> ChaincodePackage:
    """`authority`: the PEM file of the server's CA; `client`: the folder of the pair that peers show."""
    # Not for every verb: it loads aiohttp.
    from commonwatt_client.admin import ChaincodeConnection, package_ccaas
    from commonwatt_client.errors import InvalidInputError

    try:
        connection = ChaincodeConnection(
            address=address,
            dial_timeout_s=10,
            tls_required=True,
            root_cert=authority.read_text(),
            client_auth_required=client is not None,
            client_cert=(client / "server.crt").read_text() if client else "",
            client_key=(client / "server.key").read_text() if client else "",
        )
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not PEM text"
        raise UsageError(
            f"{authority}: {reason}; it is to be the CA of the chaincode server {address}"
        ) from error
    except InvalidInputError as error:
        raise UsageError(f"chaincode {label} at {address}: {authority}: {error}") from error
    return package_ccaas(label, connection)


def server_programs(nodes: Nodes) -> list[Program]:
    """How to run every chaincode process of the topology."""
    return [topology_program(nodes, server) for server in nodes.chaincode_servers]


def topology_program(nodes: Nodes, server: ChaincodeServer) -> Program:
    """How to run one of the topology's chaincode servers."""
    settings = nodes.topology.chaincodes[server.chaincode]
    return server_program(
        nodes.layout,
        server.organization,
        mspid=nodes.topology.mspid(server.organization),
        name=server.name,
        command=command_of(settings),
        address=server.address,
        package_id=chaincode_package(nodes, server.chaincode, server.organization).package_id,
        environment={
            **environment_of(settings),
            CLOCK_VARIABLE: clock_errors(nodes.topology, server.organization),
        },
        folder=settings.folder,
    )


def command_of(settings: ChaincodeProgram) -> list[str]:
    """The command of a chaincode that the kit runs; where it listens is filled in by `server_program`."""
    if settings.command is not None:
        return list(settings.command)
    assert settings.module is not None
    return [sys.executable, "-m", settings.module]


def environment_of(settings: ChaincodeProgram) -> dict[str, str]:
    """What the topology adds to the variables of its servers."""
    return {**settings.environment, "CHAINCODE_WORKERS": str(settings.workers)}


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
    mspid: str,
    name: str,
    command: Sequence[str],
    address: str,
    package_id: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Program:
    """How to run `command` as a chaincode server of `organization`, told all that official libraries read.

    `{address}`, `{port}` and `{package_id}` in the command and the environment are filled in. `folder`: where it runs.
    Our own shim takes the peers' certificate alone. A server of another library knows only Fabric's variables, and
    takes every TLS certificate of the organisation.
    """
    filled = {"{address}": address, "{port}": address.rpartition(":")[2], "{package_id}": package_id}

    def fill(text: str) -> str:
        for mark, value in filled.items():
            text = text.replace(mark, value)
        return text

    variables = {
        "PYTHONUNBUFFERED": "1",
        **{key: fill(value) for key, value in (environment or {}).items()},
        **settled_variables(
            layout.chaincode_tls(organization),
            layout.tls_ca_certificate(organization),
            layout.chaincode_client_tls(organization) / "server.crt",
            mspid=mspid,
            address=address,
            package_id=package_id,
        ),
    }
    write_in_base64(layout.chaincode_tls(organization))
    words = [fill(word) for word in command]
    return Program(name, words, variables, folder or layout.configuration / name, (name,))


def settled_variables(
    tls: Path, tls_authority: Path, peers_certificate: Path, *, mspid: str, address: str, package_id: str
) -> dict[str, str]:
    """By the names of our shim, of Fabric's samples, of Node's command (CORE_CHAINCODE_*) and of Java's shim.

    `tls`: the folder of the server's pair. `tls_authority`: the file of the CA of what peers show,
    `peers_certificate`, which our shim takes alone.
    """
    key, certificate = str(tls / "server.key"), str(tls / "server.crt")
    authority = str(tls_authority)
    return {
        "CHAINCODE_SERVER_ADDRESS": address,
        "CHAINCODE_ID": package_id,
        "CHAINCODE_TLS_DISABLED": "false",
        "CHAINCODE_TLS_CERT": certificate,
        "CHAINCODE_TLS_KEY": key,
        "CHAINCODE_TLS_CLIENT_CACERT": authority,
        "CHAINCODE_CLIENT_CA_CERT": authority,
        "CHAINCODE_CLIENT_CERTS": str(peers_certificate),
        "CORE_CHAINCODE_ID_NAME": package_id,
        "CORE_CHAINCODE_ID": package_id,
        "CORE_CHAINCODE_ADDRESS": address,
        "CORE_CHAINCODE_TLS_CERT_FILE": certificate,
        "CORE_CHAINCODE_TLS_KEY_FILE": key,
        "CORE_CHAINCODE_TLS_CLIENT_CACERT_FILE": authority,
        "CORE_PEER_LOCALMSPID": mspid,
        "CORE_PEER_TLS_ENABLED": "true",
        "CORE_PEER_TLS_ROOTCERT_FILE": authority,
        "CORE_TLS_CLIENT_KEY_FILE": key,
        "CORE_TLS_CLIENT_CERT_FILE": certificate,
        "CORE_TLS_CLIENT_KEY_PATH": f"{key}.base64",
        "CORE_TLS_CLIENT_CERT_PATH": f"{certificate}.base64",
    }


def write_in_base64(tls: Path) -> None:
    """Write the server's TLS pair once more as Java's and Node's libraries read it by CORE_TLS_CLIENT_*_PATH."""
    for name in ("server.key", "server.crt"):
        path = tls / name
        encoded, target = base64.b64encode(path.read_bytes()), path.with_name(f"{name}.base64")
        if not target.exists() or target.read_bytes() != encoded:
            write_atomically(target, encoded)


def local_address(port: int) -> str:
    """Where a chaincode server on this machine is dialled."""
    return f"{HOST}:{port}"
