# SPDX-License-Identifier: Apache-2.0
"""The backend compose: one Compose file per machine, with Fabric's official images, driven by `docker compose`."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from commonwatt_network.backends import engine
from commonwatt_network.backends.backend import (
    COMPLETED,
    Condition,
    File,
    Files,
    LogCommand,
    Phase,
    numbered,
    refuse_couchdb,
    refuse_determinism_guard,
    refuse_programs_outside_images,
)
from commonwatt_network.backends.configuration import ORDERER_FILE, PEER_FILE, templates
from commonwatt_network.backends.containers import (
    CONFIGURATION,
    LEDGER,
    Container,
    InContainers,
    asking_health,
    chaincode_probe,
    containers,
    host_of,
    write_files,
)
from commonwatt_network.backends.engine import COMMAND, ComposeError, Seen
from commonwatt_network.errors import UsageError
from commonwatt_network.model.addresses import is_name
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import (
    EVERYWHERE,
    HOST,
    AuthorityServer,
    ChaincodeServer,
    Node,
    Nodes,
    Orderer,
    Peer,
)
from commonwatt_network.model.topology import Topology
from commonwatt_network.programs.processes import Program

HERE = "local"
ITSELF = "host-gateway"  # the engine's word for the machine that it runs on
RECEIVED = "received"  # where a peer finds the snapshots that it begins with
UNPRIVILEGED = 10001  # who owns files and runs containers when the command itself is run by root


SETTLED = {
    "health": lambda container: ["CMD", *_in_compose_file(_probe(container))],
    "configuration_folder": CONFIGURATION,
    "ledger_folder": LEDGER,
}


class ComposeNotFoundError(UsageError):
    """There is no `docker compose` here, or its engine does not answer."""


class Compose(InContainers):
    """Fabric's official images, driven by `docker compose`."""

    name = "compose"

    def require(self, nodes: Nodes) -> None:
        """Raise ComposeNotFoundError where `docker compose` cannot run this network, with the reason and what to do."""
        refuse_determinism_guard(nodes.topology)
        refuse_couchdb(nodes.topology)
        refuse_programs_outside_images(nodes.topology)
        spread = {host_of(nodes.topology, organization) for organization in _organizations(nodes)} - {None}
        if spread:
            raise UsageError(
                f"this topology spans machines ({', '.join(sorted(map(str, spread)))}); render it with `commonwatt "
                "network render --backend compose --out DIR` and run `docker compose up -d` on each with its own "
                "folder"
            )
        if shutil.which(COMMAND[0]) is None:
            raise ComposeNotFoundError(
                "docker is not on PATH; install a container engine with `docker compose`, or render the files for "
                "another machine with `commonwatt network render --backend compose --out DIR`"
            )
        if engine.run((*COMMAND, "version")).returncode != 0:
            raise ComposeNotFoundError("docker has no `compose` here; install its Compose plugin")
        answer = engine.run(("docker", "version", "--format", "{{.Server.Version}}"))
        if answer.returncode != 0:
            raise ComposeNotFoundError(
                f"the container engine does not answer: {engine.last_line(answer.stderr)}; start it"
            )
        if _driven(folder := directory(nodes.layout) / HERE):
            engine.refuse_paused(folder)

    @contextmanager
    def started(self, nodes: Nodes, phase: Phase, *, change: bool = False) -> Iterator[tuple[str, ...]]:
        """Start what does not run; stop it if the body fails, but in a change. Yields the names of what was started."""
        folder = directory(nodes.layout)
        before = {name for name, seen in _containers(nodes.layout).items() if not seen.ended}
        self.write(folder, render(nodes))
        missing = {name: node for name, node in services(nodes).items() if name not in before}
        try:
            with phase("containers"):
                for words in _ups(nodes) if change else [("--remove-orphans",)]:
                    answer = engine.compose(folder / HERE, "up", "--detach", "--quiet-pull", *words)
                    if answer.returncode != 0:
                        raise ComposeError(_not_started(nodes, answer.stderr.strip()))
            yield tuple(node.name for node in missing.values())
        except BaseException:
            if missing and not change:
                engine.compose(folder / HERE, "stop", *missing)
            raise

    def fetch(self, nodes: Nodes, topology: Topology) -> None:
        """Raises ComposeError for an image that the engine lacks and cannot fetch."""
        images = topology.images
        for image in engine.missing_images((images.peer, images.orderer, images.chaincode)):
            answer = engine.run(("docker", "pull", "--quiet", image))
            if answer.returncode != 0:
                raise ComposeError(_no_image(image, images.chaincode, answer.stderr))

    def snapshots(self, nodes: Nodes, peer: Peer, channel: str) -> list[int]:
        return numbered(_ledger(nodes, peer) / COMPLETED / channel)

    def handed(self, nodes: Nodes, giver: Peer, channel: str, number: int, peer: Peer) -> str:
        """A copy beside the peer's ledger: its container sees no other's."""
        snapshot = _ledger(nodes, giver) / COMPLETED / channel / str(number)
        target = _ledger(nodes, peer) / RECEIVED / channel
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(snapshot, target)
        if os.geteuid() == 0:
            for path in (target.parent, target, *target.rglob("*")):
                os.chown(path, *_owner())
        return str(LEDGER / RECEIVED / target.name)

    def end(self, nodes: Nodes, names: Collection[str]) -> None:
        """Stop and remove their containers; ledgers and keys stay."""
        ended = [service for service, node in services(nodes).items() if node.name in names]
        if ended:
            answer = engine.compose(directory(nodes.layout) / HERE, "rm", "--stop", "--force", *ended)
            if answer.returncode != 0:
                raise ComposeError(f"docker compose rm failed: {answer.stderr.strip()}")

    def begin_anew(self, nodes: Nodes, name: str) -> None:
        """Its new container is made before the old one stops, so that the node is away only for its own start."""
        folder = directory(nodes.layout)
        self.write(folder, render(nodes))
        [service] = [service for service, node in services(nodes).items() if node.name == name]
        answer = engine.compose(
            folder / HERE, "up", "--detach", "--quiet-pull", "--no-deps", "--force-recreate", service
        )
        if answer.returncode != 0:
            raise ComposeError(_not_started(nodes, answer.stderr.strip()))

    def end_others(self, nodes: Nodes) -> None:
        """Stop and remove the containers that are not of `nodes`, and what was rendered for them; ledgers stay."""
        known = services(nodes)
        folder = directory(nodes.layout) / HERE
        others = {name: seen for name, seen in _containers(nodes.layout).items() if name not in known}
        engine.remove([seen.container for seen in others.values()])
        for name in others:
            shutil.rmtree(folder / name, ignore_errors=True)

    def stop(self, layout: Layout, *, delete: bool) -> tuple[str, ...]:
        """Stop the containers, and remove them; their ledgers stay unless the caller deletes the folder."""
        folder = directory(layout) / HERE
        if not (folder / "compose.yaml").exists():
            return ()
        names = tuple(sorted(running(layout)))
        # A change that was cut off may have left servers that the file does not name.
        answer = engine.compose(folder, "down", "--remove-orphans", *(("--volumes",) if delete else ()))
        if answer.returncode != 0:
            raise ComposeError(f"docker compose down failed: {answer.stderr.strip()}")
        return names

    def write(self, directory: Path, files: Files) -> None:
        """Write what `render` gave, with a ledger folder for each node, owned by whom the containers run as."""
        for machine in {name.split("/")[0] for name in files}:
            own = {
                name.partition("/")[2]: file for name, file in files.items() if name.startswith(f"{machine}/")
            }
            self.write_machine(directory / machine, own)

    def write_machine(self, directory: Path, files: Files) -> None:
        """Write the files of one machine, and the ledgers' folders beside them."""
        owner = _owner() if os.geteuid() == 0 else None
        write_files(directory, files, owner)
        if owner:
            os.chown(directory, *owner)
        for name in (path for path in files if path.endswith((PEER_FILE, ORDERER_FILE))):
            ledger = directory / "ledgers" / name.split("/")[0]
            ledger.mkdir(parents=True, exist_ok=True)
            if owner:
                os.chown(ledger, *owner)

    def programs(self, nodes: Nodes) -> list[Program]:
        return []

    async def wait_ready(self, nodes: Nodes, pids: Mapping[str, int]) -> None:
        probes = {service_of(entry.node): _probe(entry) for entry in containers(nodes)}
        await engine.wait_serving(directory(nodes.layout) / HERE, probes)

    def running(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        return running(nodes.layout)

    def conditions(self, nodes: Nodes) -> Mapping[str, Condition]:
        folder = directory(nodes.layout) / HERE
        known = services(nodes)
        found = engine.conditions(folder) if _driven(folder) else {}
        return {known[service].name: condition for service, condition in found.items() if service in known}

    def holding_ports(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        inside = {server.name for server in nodes.chaincode_servers}  # their ports are not this machine's
        authorities = {node.name for node in nodes.authorities if node.name in alive}
        return running(nodes.layout) | inside | authorities

    def log_command(
        self, nodes: Nodes, node: Node | AuthorityServer, lines: int, *, follow: bool
    ) -> LogCommand | None:
        if isinstance(node, AuthorityServer):
            return None
        options = ["--no-color", "--no-log-prefix", f"--tail={lines}", *(["--follow"] if follow else [])]
        folder = directory(nodes.layout) / HERE
        words = [*COMMAND, "--project-directory", str(folder), "logs", *options, service_of(node)]
        return LogCommand(words, engine.environment())

    def render(self, nodes: Nodes) -> Files:
        return render(nodes)


def render(nodes: Nodes, owner: tuple[int, int] | None = None) -> dict[str, File]:
    """Every file of every machine: path -> file, the first part of the path naming the machine.

    `owner`: user and group id that the containers run as; default: this user, or an unprivileged id for root.
    """
    everyone = containers(nodes)
    machines = {entry.name: host_of(nodes.topology, entry.node.organization) for entry in everyone}
    rendered: dict[str, File] = {}
    for machine in dict.fromkeys(machines.values()):
        local = [entry for entry in everyone if machines[entry.name] == machine]
        if None in machines.values() and machine:
            raise UsageError(
                "some organisations of the topology have a `host` and some have none; "
                "with more than one machine, each needs the address at which the others reach it"
            )
        text = (
            templates()
            .get_template("compose.yaml.j2")
            .render(
                title=f"network {nodes.topology.name}" + (f" on {machine}" if machine else ""),
                rendered_by="network render",
                source="the topology",
                containers=local,
                elsewhere=_led(everyone, machines, machine),
                published=partial(_published, _binding(machine)),
                service_of=service_of,
                aliases=lambda container: [container.host],
                **SETTLED,
            )
        )
        files = {
            "compose.yaml": File(text.encode()),
            ".env": variables(_project(nodes, machine), owner or _owner()),
        }
        for entry in local:
            files |= {f"{service_of(entry.node)}/{path}": file for path, file in entry.files.items()}
        rendered |= {f"{_folder(machine)}/{path}": file for path, file in files.items()}
    return rendered


def _folder(machine: str | None) -> str:
    """The folder of a machine's files: its host, without the brackets of an address."""
    return machine.strip("[]") if machine else HERE


def _binding(machine: str | None) -> str:
    """The address at which a machine's nodes are published: its own, or every one where DNS alone knows it."""
    if machine is None:
        return HOST
    return EVERYWHERE if is_name(machine) else machine


def _led(
    everyone: Sequence[Container], machines: Mapping[str, str | None], machine: str | None
) -> dict[str, str]:
    """Where names lead that no DNS knows: name -> address.

    The machine's own name leads to the machine itself, where its nodes' ports are published, whatever stands before it.
    """
    led = {machine: ITSELF} if machine and is_name(machine) else {}
    for entry in everyone:
        there = machines[entry.name]
        if there and there != machine and not is_name(there):
            led[entry.host] = there.strip("[]")
    return led


def service_of(node: Node) -> str:
    """The service that runs the node.

    A chaincode server's carries its port: while a chaincode is upgraded, the servers of both its packages run.
    """
    return f"{node.name}.{node.port}" if isinstance(node, ChaincodeServer) else node.name


def services(nodes: Nodes) -> dict[str, Node]:
    """Service -> the node that it runs, of every container."""
    return {service_of(node): node for node in (*nodes.fabric_nodes, *nodes.chaincode_servers)}


def organization_files(
    organization: str,
    everyone: Sequence[Container],
    folder: Path,
    aliases: Callable[[Container], list[str]],
    owner: tuple[int, int] | None = None,
) -> dict[str, File]:
    """The Compose file of one organisation's machine and what it mounts. `folder` tells its project from others."""
    text = (
        templates()
        .get_template("compose.yaml.j2")
        .render(
            title=f"organisation {organization}",
            rendered_by="org render",
            source="organization.yaml",
            containers=everyone,
            elsewhere={},
            published=_published_to_others,
            service_of=lambda node: node.name,
            aliases=aliases,
            **SETTLED,
        )
    )
    files = {
        "compose.yaml": File(text.encode()),
        ".env": variables(project_of(organization, folder), owner or _owner()),
    }
    for entry in everyone:
        files |= {f"{entry.name}/{path}": file for path, file in entry.files.items()}
    return files


def _published(address: str, container: Container) -> list[tuple[str, int]]:
    """Where a network's container is reached from outside: all that the kit asks at `address`, operations here."""
    node = container.node
    assert isinstance(node, Orderer | Peer)
    admin = [(address, node.admin_port)] if isinstance(node, Orderer) else []
    return [(address, node.port), *admin, (HOST, node.operations_port)]


def _published_to_others(container: Container) -> list[tuple[str, int]]:
    """Other organisations reach the node's own port; administration and operations answer on this machine alone."""
    node = container.node
    assert isinstance(node, Orderer | Peer)
    admin = [(HOST, node.admin_port)] if isinstance(node, Orderer) else []
    return [(node.listen, node.bound_port), *admin, (HOST, node.operations_port)]


def directory(layout: Layout) -> Path:
    """Where this machine's Compose file lies."""
    return layout.directory / "compose"


def _ledger(nodes: Nodes, peer: Peer) -> Path:
    """The folder of this machine that the peer's container has for its ledger."""
    return directory(nodes.layout) / HERE / "ledgers" / peer.name


def running(layout: Layout) -> set[str]:
    """The names of the nodes whose containers run, paused ones among them."""
    return {seen.node for seen in _containers(layout).values() if not seen.ended}


def _containers(layout: Layout) -> dict[str, Seen]:
    """The network's containers by the names of their services; those of former chaincode servers among them."""
    folder = directory(layout) / HERE
    return engine.containers_of(folder) if _driven(folder) else {}


def _ups(nodes: Nodes) -> list[tuple[str, ...]]:
    """What a change asks `docker compose up` for. What runs of Fabric stays, whatever its service is to be later."""
    fabric = [service_of(node) for node in nodes.fabric_nodes]
    servers = [service_of(server) for server in nodes.chaincode_servers]
    return [("--no-recreate", *fabric), *([tuple(servers)] if servers else [])]


def _driven(folder: Path) -> bool:
    """Whether this machine's containers were rendered, and can be asked for."""
    return (folder / "compose.yaml").exists() and shutil.which(COMMAND[0]) is not None


def _not_started(nodes: Nodes, said: str) -> str:
    """Why `docker compose up` failed: an image that is nowhere, or else what it said."""
    images = nodes.topology.images
    missing = engine.missing_images((images.peer, images.orderer, images.chaincode))
    if not missing:
        return f"docker compose up failed: {said}"
    return _no_image(missing[0], images.chaincode, said)


def _no_image(image: str, chaincode: str, said: str) -> str:
    build = f"build it from the folder chaincode with `docker build -t {chaincode} chaincode`"
    pull = f"fetch it with `docker pull {image}`, or name another under `images` of the topology"
    return (
        f"the container engine has no image {image} and cannot fetch it "
        f"({engine.last_line(said)}); {build if image == chaincode else pull}"
    )


def _probe(container: Container) -> list[str]:
    """The command by which a container finds out that it serves."""
    if container.kind == "chaincode":
        return chaincode_probe(container.node.port)
    assert container.operations_port is not None
    return ["bash", "-c", asking_health(container.operations_port)]


def _in_compose_file(words: list[str]) -> list[str]:
    """Words that Compose leaves as they are: a dollar would begin a variable."""
    return [word.replace("$", "$$") for word in words]


def variables(project: str, owner: tuple[int, int]) -> File:
    """The file `.env`."""
    return File(f"COMPOSE_PROJECT_NAME={project}\nCOMMONWATT_USER={owner[0]}:{owner[1]}\n".encode())


def _project(nodes: Nodes, machine: str | None) -> str:
    folder = nodes.layout.directory
    return project_of(nodes.topology.name, folder / _folder(machine) if machine else folder)


def project_of(name: str, folder: Path) -> str:
    """Two networks on one engine may have one name, and one network several parts; their folders differ."""
    return f"{name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def _owner() -> tuple[int, int]:
    user, group = os.geteuid(), os.getegid()
    return (UNPRIVILEGED, UNPRIVILEGED) if user == 0 else (user, group)


def _organizations(nodes: Nodes) -> list[str]:
    return [*nodes.topology.orderers.organizations, *nodes.topology.organizations]
