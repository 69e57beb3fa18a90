# SPDX-License-Identifier: Apache-2.0
"""The backend compose: one Compose file per machine, with Fabric's official images, driven by `docker compose`."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from commonwatt_network.backends import engine
from commonwatt_network.backends.backend import (
    Condition,
    File,
    Files,
    LogCommand,
    Phase,
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
    containers,
    host_of,
    write_files,
)
from commonwatt_network.backends.engine import COMMAND, ComposeError
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import HOST, AuthorityServer, Node, Nodes
from commonwatt_network.programs.processes import Program

HERE = "local"
# A program that stands still keeps its port open: only an answer proves that it lives.
HANDSHAKE = (
    "import socket, ssl; context = ssl._create_unverified_context(); context.set_alpn_protocols(['h2']); "
    "context.wrap_socket(socket.create_connection(('127.0.0.1', {port}), 3)).close()"
)
UNPRIVILEGED = 10001  # who owns files and runs containers when the command itself is run by root


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
                "network render --backend compose --output DIR` and run `docker compose up -d` on each with its own "
                "folder"
            )
        if shutil.which(COMMAND[0]) is None:
            raise ComposeNotFoundError(
                "docker is not on PATH; install a container engine with `docker compose`, or render the files for "
                "another machine with `commonwatt network render --backend compose --output DIR`"
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
    def started(self, nodes: Nodes, phase: Phase) -> Iterator[tuple[str, ...]]:
        """Start what does not run; stop it if the body fails. Yields the names of what was started."""
        before = running(nodes.layout)
        folder = directory(nodes.layout)
        self.write(folder, render(nodes))
        names = [node.name for node in (*nodes.fabric_nodes, *nodes.chaincode_servers)]
        missing = tuple(name for name in names if name not in before)
        try:
            with phase("containers"):
                answer = engine.compose(folder / HERE, "up", "--detach", "--quiet-pull")
                if answer.returncode != 0:
                    raise ComposeError(_not_started(nodes, answer.stderr.strip()))
            yield missing
        except BaseException:
            if missing:
                engine.compose(folder / HERE, "stop", *missing)
            raise

    def stop(self, layout: Layout, *, delete: bool) -> tuple[str, ...]:
        """Stop the containers, and remove them; their ledgers stay unless the caller deletes the folder."""
        folder = directory(layout) / HERE
        if not (folder / "compose.yaml").exists():
            return ()
        names = tuple(sorted(running(layout)))
        answer = engine.compose(folder, "down", *(("--volumes", "--remove-orphans") if delete else ()))
        if answer.returncode != 0:
            raise ComposeError(f"docker compose down failed: {answer.stderr.strip()}")
        return names

    def write(self, directory: Path, files: Files) -> None:
        """Write what `render` gave, with a ledger folder for each node, owned by whom the containers run as."""
        owner = _owner() if os.geteuid() == 0 else None
        write_files(directory, files, owner)
        for name in (path for path in files if path.endswith((PEER_FILE, ORDERER_FILE))):
            machine, node, _ = name.split("/")
            ledger = directory / machine / "ledgers" / node
            ledger.mkdir(parents=True, exist_ok=True)
            if owner:
                os.chown(ledger, *owner)

    def programs(self, nodes: Nodes) -> list[Program]:
        return []

    async def wait_ready(self, nodes: Nodes, pids: Mapping[str, int]) -> None:
        probes = {entry.name: _probe(entry) for entry in containers(nodes)}
        await engine.wait_serving(directory(nodes.layout) / HERE, probes)

    def running(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        return running(nodes.layout)

    def conditions(self, nodes: Nodes) -> Mapping[str, Condition]:
        folder = directory(nodes.layout) / HERE
        return engine.conditions(folder) if _driven(folder) else {}

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
        words = [*COMMAND, "--project-directory", str(folder), "logs", *options, node.name]
        return LogCommand(words, engine.environment())

    def render(self, nodes: Nodes) -> Files:
        return render(nodes)


def render(nodes: Nodes, owner: tuple[int, int] | None = None) -> dict[str, File]:
    """Every file of every machine: path -> file, the first part of the path naming the machine.

    `owner`: user and group id that the containers run as; default: whoever runs this, or an unprivileged id for root.
    """
    everyone = containers(nodes)
    machines = {entry.name: host_of(nodes.topology, entry.node.organization) for entry in everyone}
    rendered: dict[str, File] = {}
    for machine in dict.fromkeys(machines.values()):
        local = [entry for entry in everyone if machines[entry.name] == machine]
        elsewhere = {
            entry.node.host: machines[entry.name] for entry in everyone if machines[entry.name] != machine
        }
        if None in elsewhere.values():
            raise UsageError(
                "some organisations of the topology have a `host` and some have none; "
                "with more than one machine, each needs the address at which the others reach it"
            )
        text = (
            templates()
            .get_template("compose.yaml.j2")
            .render(
                title=f"network {nodes.topology.name}" + (f" on {machine}" if machine else ""),
                containers=local,
                elsewhere=elsewhere,
                publish=machine or HOST,
                health=lambda container: ["CMD", *_in_compose_file(_probe(container))],
                configuration_folder=CONFIGURATION,
                ledger_folder=LEDGER,
            )
        )
        files = {"compose.yaml": File(text.encode()), ".env": _variables(nodes, machine, owner or _owner())}
        for entry in local:
            files |= {f"{entry.name}/{path}": file for path, file in entry.files.items()}
        rendered |= {f"{machine or HERE}/{path}": file for path, file in files.items()}
    return rendered


def directory(layout: Layout) -> Path:
    """Where this machine's Compose file lies."""
    return layout.directory / "compose"


def running(layout: Layout) -> set[str]:
    """The names of the nodes whose containers run, paused ones among them."""
    folder = directory(layout) / HERE
    if not _driven(folder):
        return set()
    return {name for name, seen in engine.containers_of(folder).items() if not seen.ended}


def _driven(folder: Path) -> bool:
    """Whether this machine's containers were rendered, and can be asked for."""
    return (folder / "compose.yaml").exists() and shutil.which(COMMAND[0]) is not None


def _not_started(nodes: Nodes, said: str) -> str:
    """Why `docker compose up` failed: an image that is nowhere, or else what it said."""
    images = nodes.topology.images
    missing = engine.missing_images((images.peer, images.orderer, images.chaincode))
    if not missing:
        return f"docker compose up failed: {said}"
    build = f"build it from the folder chaincode with `docker build -t {images.chaincode} chaincode`"
    pull = f"fetch it with `docker pull {missing[0]}`, or name another under `images` of the topology"
    return (
        f"the container engine has no image {missing[0]} and cannot fetch it "
        f"({engine.last_line(said)}); {build if missing[0] == images.chaincode else pull}"
    )


def _probe(container: Container) -> list[str]:
    """The command by which a container finds out that it serves: the images carry bash, or Python, and nothing more."""
    if container.kind == "chaincode":
        return ["/venv/bin/python", "-c", HANDSHAKE.format(port=container.node.port)]
    connect = f"exec 3<>/dev/tcp/127.0.0.1/{container.operations_port}"
    ask = r"printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3 && read -r -t 3 line <&3 && [[ $line == *' 200 '* ]]"
    return ["bash", "-c", f"{connect} && {ask}"]


def _in_compose_file(words: list[str]) -> list[str]:
    """Words that Compose leaves as they are: a dollar would begin a variable."""
    return [word.replace("$", "$$") for word in words]


def _variables(nodes: Nodes, machine: str | None, owner: tuple[int, int]) -> File:
    return File(
        f"COMPOSE_PROJECT_NAME={_project(nodes, machine)}\nCOMMONWATT_USER={owner[0]}:{owner[1]}\n".encode()
    )


def _project(nodes: Nodes, machine: str | None) -> str:
    """Two networks on one engine may have one name, and one network several parts; their folders differ."""
    folder = f"{nodes.layout.directory}/{machine}" if machine else str(nodes.layout.directory)
    return f"{nodes.topology.name}-{hashlib.sha256(folder.encode()).hexdigest()[:8]}"


def _owner() -> tuple[int, int]:
    user, group = os.geteuid(), os.getegid()
    return (UNPRIVILEGED, UNPRIVILEGED) if user == 0 else (user, group)


def _organizations(nodes: Nodes) -> list[str]:
    return [*nodes.topology.orderers.organizations, *nodes.topology.organizations]
