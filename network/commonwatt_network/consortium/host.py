# SPDX-License-Identifier: Apache-2.0
"""An organisation's own host: its folder, its keys, its programs. Nothing here knows any other organisation."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from commonwatt_client.admin import ChaincodePackage

from commonwatt_network.backends import native
from commonwatt_network.consortium.organization import (
    IN_CONTAINERS,
    OrganizationDescription,
    read_settled_description,
)
from commonwatt_network.errors import NotThereError, UsageError
from commonwatt_network.model.home_ids import ensure_secret, secret_of
from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.model.network_file import described_orderer, described_peer, described_users
from commonwatt_network.model.nodes import HOST, ChaincodeServer, Orderer, Peer
from commonwatt_network.model.roster import ADMIN, client_attributes, home_attributes
from commonwatt_network.model.state import exclusive
from commonwatt_network.programs import processes, readiness
from commonwatt_network.programs.chaincode_servers import (
    CLOCK_VARIABLE,
    command_of,
    environment_of,
    package,
    server_program,
)
from commonwatt_network.programs.chaincode_start import Server, wait_serving
from commonwatt_network.programs.fabric import FabricPrograms, check_version, find_fabric
from commonwatt_network.programs.ports import require_free
from commonwatt_network.programs.processes import Program
from commonwatt_network.programs.starting import started_or_ended
from commonwatt_network.trust.identity import (
    ensure_admin,
    ensure_node,
    ensure_organization,
    ensure_tls,
    ensure_user,
)

NETWORK = "commonwatt"
WAITS = "waits-for-readmission"  # beside the identity of an orderer that lost its log
IDENTITY, NODES = ("name", "msp_id"), ("orderers", "peers")  # what other organisations were told


@dataclass(frozen=True)
class OwnHost:
    """An organisation's processes on its own host."""

    description: OrganizationDescription
    layout: Layout
    orderers: tuple[Orderer, ...]
    peers: tuple[Peer, ...]
    chaincode_servers: tuple[ChaincodeServer, ...]

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def mspid(self) -> str:
        return self.description.msp_id

    @property
    def in_containers(self) -> bool:
        """Whether its nodes are containers, which their engine or cluster starts and stops."""
        return self.description.backend in IN_CONTAINERS

    @property
    def fabric_nodes(self) -> tuple[Orderer | Peer, ...]:
        return (*self.orderers, *self.peers)

    @property
    def waiting_orderers(self) -> tuple[Orderer, ...]:
        """Those that lost their log, as by a restore: they don't run before the channels have readmitted them."""
        return tuple(orderer for orderer in self.orderers if (orderer.directory / WAITS).exists())

    @property
    def working(self) -> OwnHost:
        """The organisation without its waiting orderers: what is to run on this host now."""
        waiting = self.waiting_orderers
        return replace(self, orderers=tuple(node for node in self.orderers if node not in waiting))

    @property
    def package(self) -> ChaincodePackage:
        """The chaincode package that the organisation's peers install."""
        settings, server = self.description.chaincode, self.chaincode_servers[0]
        return package(self.layout, self.name, f"{settings.name}_{settings.version}", server.address)

    def users(self) -> dict[str, dict[str, str]]:
        """Every user with the attributes of its certificate."""
        users: dict[str, dict[str, str]] = {ADMIN: {}}
        for name, user in self.description.users.items():
            users[name] = client_attributes(name, user)
        secret = secret_of(self.layout, self.name, seed=None)
        return users | home_attributes(self.name, self.description.homes, secret)


def settle_host(description: OrganizationDescription, directory: Path) -> OwnHost:
    """Give every process of the organisation its name and folders."""
    layout, name, mspid = Layout(directory), description.name, description.msp_id
    orderers = tuple(
        Orderer(
            name=f"orderer{n}.{name}",
            organization=name,
            mspid=mspid,
            port=node.port,
            admin_port=node.admin_port,
            operations_port=node.operations_port,
            directory=layout.orderer(name, f"orderer{n}"),
            ledger=layout.ledgers / f"orderer{n}.{name}",
            host=node.host,
            listen=description.bound(node),
            listen_port=node.listen_port,
        )
        for n, node in enumerate(description.orderers)
    )
    peers = tuple(
        Peer(
            name=f"peer{n}.{name}",
            organization=name,
            mspid=mspid,
            port=node.port,
            operations_port=node.operations_port,
            directory=layout.peer(name, f"peer{n}"),
            ledger=layout.ledgers / f"peer{n}.{name}",
            host=node.host,
            listen=description.bound(node),
            listen_port=node.listen_port,
        )
        for n, node in enumerate(description.peers)
    )
    chaincode = description.chaincode
    server = ChaincodeServer(
        f"{chaincode.name}.{name}",
        chaincode.name,
        name,
        chaincode.port,
        layout.chaincode_tls(name),
        # Among containers it is dialled by its own name; an organisation has one of that name.
        chaincode.name if description.backend in IN_CONTAINERS else HOST,
    )
    return OwnHost(description, layout, orderers, peers, (server,))


def init_host(description: OrganizationDescription, directory: Path) -> OwnHost:
    """Make the organisation's keys in `directory`, or what is missing of them. Nothing that exists is replaced.

    Raises UsageError for a folder of something else, and when what other organisations were told would change.
    """
    layout = Layout(directory)
    if layout.state_file.exists():
        raise UsageError(
            f"{layout.directory} holds a network made by `network up`; use another folder (--directory)"
        )
    if layout.organization_file.exists():
        kept = open_host(directory).description
        _refuse_unsettling(kept, description, layout)
        description = as_before(description, kept)
    host = settle_host(description, directory)
    with exclusive(layout):
        _ensure_material(host)
        keep_description(host)
    return host


def as_before(
    description: OrganizationDescription, before: OrganizationDescription
) -> OrganizationDescription:
    """A description, with parts of the organisation's former one where it leaves them open.

    These are where the nodes run and, in containers, the contract's image as long as its version is the same. The
    image's default follows the kit's version; another version's may hold other code.
    """
    former: dict[str, Any] = {}
    if description.backend is None:
        former["backend"] = before.backend
    is_open = "chaincode" not in description.images.model_fields_set
    if (
        is_open
        and before.backend in IN_CONTAINERS
        and description.chaincode.version == before.chaincode.version
    ):
        former["images"] = description.images.model_copy(update={"chaincode": before.images.chaincode})
    return description.model_copy(update=former)


def keep_description(host: OwnHost) -> None:
    """Write down what the organisation is from now on, for its own commands and its clients."""
    write_atomically(host.layout.organization_file, host.description.model_dump_json(indent=2) + "\n")
    _write_client_file(host)


def open_host(directory: Path) -> OwnHost:
    """The organisation whose folder this is. Raises UsageError when there is none."""
    path = Layout(directory).organization_file
    try:
        return settle_host(read_settled_description(path), directory)
    except FileNotFoundError:
        raise NotThereError(
            f"there is no organisation in {path.parent}; make one with `commonwatt org init FILE`"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; put it back from a backup") from error


async def start_host(host: OwnHost, only: Collection[str] | None = None) -> tuple[str, ...]:
    """Start what does not run yet, or of that `only` these, but for waiting orderers; the names of what was started.

    It is ended again when the start fails.
    """
    host = host.working
    refuse_containers(host)
    with exclusive(host.layout) as lock:
        fabric = find_fabric(host.layout.directory)
        check_version(fabric, "raft")
        alive = processes.running(host.layout)
        processes.refuse_suspended(alive)
        missing = [
            program
            for program in programs_of(host, fabric)
            if program.name not in alive and (only is None or program.name in only)
        ]
        wanted = {program.name for program in missing}
        require_free({port: name for port, name in ports_of(host).items() if name in wanted})
        _write_client_file(host)
        with started_or_ended(host.layout, missing, lock) as started:
            running = {name: group[0].pid for name, group in alive.items()} | started
            serves = [
                Server(server.name, host.package, started[server.name])
                for server in host.chaincode_servers
                if server.name in started
            ]
            serving = host if only is None else _only(host, running)
            await readiness.while_alive(_ready(serving, running, serves), host.layout, running)
        return tuple(started)


def refuse_containers(host: OwnHost) -> None:
    """Raise UsageError where the organisation's nodes run in containers, which this machine's commands do not start."""
    if host.in_containers:
        raise UsageError(
            f"{host.name}'s nodes run under {host.description.backend}, as `commonwatt org render` wrote them: start "
            "and stop them there, or say `backend: native` in organization.yaml and repeat `commonwatt org init`"
        )


def _only(host: OwnHost, running: Mapping[str, int]) -> OwnHost:
    """The organisation without the nodes that do not run, and are not meant to."""
    return replace(
        host,
        orderers=tuple(node for node in host.orderers if node.name in running),
        peers=tuple(node for node in host.peers if node.name in running),
    )


async def _ready(host: OwnHost, pids: Mapping[str, int], servers: Sequence[Server]) -> None:
    await asyncio.gather(readiness.wait_listening(host, pids), wait_serving(host.layout, servers))
    await readiness.wait_healthy(host, pids)


def lose_logs(host: OwnHost) -> None:
    """Leave the host's orderers without a log and with a new TLS pair each, waiting to be readmitted.

    The channels know the former certificates alone: as long as they do, nobody counts what these orderers say.
    """
    authorities = ensure_organization(host.layout, host.name)
    for orderer in host.orderers:
        write_atomically(orderer.directory / WAITS, "")
        shutil.rmtree(orderer.ledger, ignore_errors=True)
        shutil.rmtree(orderer.tls_directory, ignore_errors=True)
        days = host.description.days_valid
        ensure_node(orderer.directory, authorities, "orderer", orderer.name, days, [orderer.host])


def require_running(host: OwnHost) -> None:
    """Raise UsageError when one of the organisation's processes does not run; waiting orderers need not."""
    working = host.working
    if host.in_containers:
        return  # a node that does not answer is named by the call that needs it
    alive = processes.running(host.layout)
    processes.refuse_suspended(alive)
    names = [node.name for node in (*working.fabric_nodes, *working.chaincode_servers)]
    stopped = [name for name in names if name not in alive]
    if stopped:
        raise NotThereError(f"{', '.join(stopped)} is not running; start it with `commonwatt org start`")


def programs_of(host: OwnHost, fabric: FabricPrograms) -> list[Program]:
    """How to run all that the organisation runs; writes their configuration."""
    authority = host.layout.tls_ca_certificate(host.name)
    builder = native.write_builder(host.layout)
    return [
        *(native.orderer_program(host.layout, fabric, orderer, [authority]) for orderer in host.orderers),
        *(
            native.peer_program(
                host.layout, fabric, peer, host.peers[0].address, NETWORK, builder, hosts_apart=True
            )
            for peer in host.peers
        ),
        *(chaincode_program(host, server) for server in host.chaincode_servers),
    ]


def chaincode_program(host: OwnHost, server: ChaincodeServer) -> Program:
    """How to run the organisation's chaincode."""
    chaincode = host.description.chaincode
    return server_program(
        host.layout,
        host.name,
        mspid=host.mspid,
        name=server.name,
        command=command_of(chaincode),
        address=server.address,
        package_id=host.package.package_id,
        environment={
            **environment_of(chaincode),
            CLOCK_VARIABLE: f"*={chaincode.clock_error_s}" if chaincode.clock_error_s else "",
        },
        folder=chaincode.folder,
    )


def ports_of(host: OwnHost) -> dict[int, str]:
    """Every port of this host that the organisation's programs bind, with the name of the one that does."""
    ports = {node.bound_port: node.name for node in host.fabric_nodes}
    ports |= {server.port: server.name for server in host.chaincode_servers}
    ports |= {node.operations_port: node.name for node in host.fabric_nodes}
    return ports | {orderer.admin_port: orderer.name for orderer in host.orderers}


def _ensure_material(host: OwnHost) -> None:
    layout, name, days = host.layout, host.name, host.description.days_valid
    authorities = ensure_organization(layout, name)
    ensure_admin(layout, name, authorities, days)
    for node in host.fabric_nodes:
        role = "orderer" if isinstance(node, Orderer) else "peer"
        ensure_node(node.directory, authorities, role, node.name, days, [node.host])
    names = [each for server in host.chaincode_servers for each in (server.chaincode, server.name)]
    ensure_tls(layout.chaincode_tls(name), authorities.tls, f"chaincode.{name}", days, names)
    ensure_tls(layout.chaincode_client_tls(name), authorities.tls, f"peers.{name}", days)
    ensure_secret(layout, name, seed=None)
    for user, attributes in host.users().items():
        if user != ADMIN:
            ensure_user(layout.user(name, user), authorities, "client", attributes, days)


def refuse_another(old: OrganizationDescription, new: OrganizationDescription, layout: Layout) -> None:
    """Raise UsageError where a description is of another organisation than the folder's."""
    for field in IDENTITY:
        if getattr(old, field) != getattr(new, field):
            raise UsageError(
                f"{layout.directory} is {old.name}'s, with another {field.replace('msp_id', 'mspid')}; the other "
                "organisations were told that one: go on with it, or use another folder (--directory)"
            )


def _refuse_unsettling(old: OrganizationDescription, new: OrganizationDescription, layout: Layout) -> None:
    refuse_another(old, new, layout)
    for field in NODES:
        if getattr(old, field) != getattr(new, field):
            raise UsageError(
                f"{layout.directory} is {old.name}'s, with another {field}; the other organisations were told that "
                "one: let nodes come, go or move by `commonwatt org change`, or use another folder (--directory)"
            )


def _write_client_file(host: OwnHost) -> None:
    """`network.json`, as clients of this organisation need it: its own peers and users."""
    layout = host.layout
    content = {
        "name": NETWORK,
        "backend": native.Native.name,
        "organizations": {
            host.name: {
                "mspid": host.mspid,
                "peers": [
                    {**described_peer(layout, peer), "tls_server_name": peer.server_name}
                    for peer in host.peers
                ],
                "users": described_users(layout, host.name, host.users()),
            }
        },
        "orderers": [
            {**described_orderer(layout, orderer), "tls_server_name": orderer.server_name}
            for orderer in host.orderers
        ],
        "channels": {},
    }
    write_atomically(layout.network_file, json.dumps(content, indent=2) + "\n")
