# SPDX-License-Identifier: Apache-2.0
"""The backend compose: one Compose file per machine, with Fabric's official images, driven by `docker compose`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from commonwatt_network.backends.backend import (
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
from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import HOST, AuthorityServer, Node, Nodes
from commonwatt_network.programs.processes import Program

HERE = "local"
COMMAND = ("docker", "compose")
START_TIMEOUT_S = 120
UNPRIVILEGED = 10001  # who owns files and runs containers when the command itself is run by root


class ComposeNotFoundError(UsageError):
    """There is no `docker compose` here, or its engine does not answer."""


class ComposeError(NetworkError):
    """`docker compose` failed; the message carries what it said."""


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
        if _run((*COMMAND, "version")).returncode != 0:
            raise ComposeNotFoundError("docker has no `compose` here; install its Compose plugin")
        answer = _run(("docker", "version", "--format", "{{.Server.Version}}"))
        if answer.returncode != 0:
            raise ComposeNotFoundError(
                f"the container engine does not answer: {_last_line(answer.stderr)}; start it"
            )

    @contextmanager
    def started(self, nodes: Nodes, phase: Phase) -> Iterator[tuple[str, ...]]:
        """Start what does not run and wait until all is healthy; stop it if the body fails. Yields what was started."""
        before = running(nodes.layout)
        folder = directory(nodes.layout)
        self.write(folder, render(nodes))
        names = [node.name for node in (*nodes.fabric_nodes, *nodes.chaincode_servers)]
        missing = tuple(name for name in names if name not in before)
        try:
            with phase("containers"):
                answer = _compose(
                    folder / HERE,
                    "up",
                    "--detach",
                    "--quiet-pull",
                    "--wait",
                    "--wait-timeout",
                    str(START_TIMEOUT_S),
                )
                if answer.returncode != 0:
                    logs = _compose(folder / HERE, "logs", "--no-color", "--tail", "8").stdout
                    raise ComposeError(f"docker compose up failed: {answer.stderr.strip()}\n{logs.strip()}")
            yield missing
        except BaseException:
            if missing:
                _compose(folder / HERE, "stop", *missing)
            raise

    def stop(self, layout: Layout, *, delete: bool) -> tuple[str, ...]:
        """Stop the containers, and remove them; their ledgers stay unless the caller deletes the folder."""
        folder = directory(layout) / HERE
        if not (folder / "compose.yaml").exists():
            return ()
        names = tuple(sorted(running(layout)))
        answer = _compose(folder, "down", *(("--volumes", "--remove-orphans") if delete else ()))
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
        return None  # `docker compose up --wait` came back when every container was healthy

    def running(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        return running(nodes.layout)

    def holding_ports(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        return running(nodes.layout) | {node.name for node in nodes.authorities if node.name in alive}

    def log_command(
        self, nodes: Nodes, node: Node | AuthorityServer, lines: int, *, follow: bool
    ) -> LogCommand | None:
        if isinstance(node, AuthorityServer):
            return None
        options = ["--no-color", "--no-log-prefix", f"--tail={lines}", *(["--follow"] if follow else [])]
        folder = directory(nodes.layout) / HERE
        words = [*COMMAND, "--project-directory", str(folder), "logs", *options, node.name]
        return LogCommand(words, _environment())

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
                health=_health,
                configuration_folder=CONFIGURATION,
                ledger_folder=LEDGER,
            )
        )
        files = {"compose.yaml": File(text.encode()), ".env": _variables(nodes, owner or _owner())}
        for entry in local:
            files |= {f"{entry.name}/{path}": file for path, file in entry.files.items()}
        rendered |= {f"{machine or HERE}/{path}": file for path, file in files.items()}
    return rendered


def directory(layout: Layout) -> Path:
    """Where this machine's Compose file lies."""
    return layout.directory / "compose"


def running(layout: Layout) -> set[str]:
    """The names of the nodes whose containers run."""
    folder = directory(layout) / HERE
    if not (folder / "compose.yaml").exists() or shutil.which(COMMAND[0]) is None:
        return set()
    answer = _compose(folder, "ps", "--format", "json")
    found = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    return {entry["Service"] for entry in found if entry.get("State") == "running"}


def _health(container: Container) -> list[str]:
    """How the container itself finds out that it is well: the images carry bash, or Python, and nothing more."""
    if container.kind == "chaincode":
        probe = f"import socket; socket.create_connection(('127.0.0.1', {container.node.port}), 2).close()"
        return ["CMD", "/venv/bin/python", "-c", probe]
    connect = f"exec 3<>/dev/tcp/127.0.0.1/{container.operations_port}"
    ask = r"printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"
    return ["CMD", "bash", "-c", f"{connect} && {ask}"]


def _variables(nodes: Nodes, owner: tuple[int, int]) -> File:
    return File(f"COMPOSE_PROJECT_NAME={_project(nodes)}\nCOMMONWATT_USER={owner[0]}:{owner[1]}\n".encode())


def _project(nodes: Nodes) -> str:
    """Two networks on one machine may have one name; their folders differ."""
    mark = hashlib.sha256(str(nodes.layout.directory).encode()).hexdigest()[:8]
    return f"{nodes.topology.name}-{mark}"


def _owner() -> tuple[int, int]:
    user, group = os.geteuid(), os.getegid()
    return (UNPRIVILEGED, UNPRIVILEGED) if user == 0 else (user, group)


def _organizations(nodes: Nodes) -> list[str]:
    return [*nodes.topology.orderers.organizations, *nodes.topology.organizations]


def _compose(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _run((*COMMAND, "--project-directory", str(folder), *arguments))


def _run(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S + 60,
            stdin=subprocess.DEVNULL,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ComposeError(f"{' '.join(command[:3])}: {error}") from error


def _environment() -> dict[str, str]:
    """Ours, without what would lead `docker compose` to another project's files: they outweigh our `.env`."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COMPOSE_") and name != "COMMONWATT_USER"
    }


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
