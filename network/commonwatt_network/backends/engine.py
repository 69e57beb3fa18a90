# SPDX-License-Identifier: Apache-2.0
"""The container engine: what its containers do, what they use, and why one does not serve."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_network.backends.backend import Condition
from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.programs.processes import readable_end
from commonwatt_network.programs.readiness import REPEAT, NotReadyError

COMMAND = ("docker", "compose")
COMMAND_TIMEOUT_S = 180
SERVING_TIMEOUT_S = 120
POLL_S = 0.2
CRASHES = 2  # so often may a container start again while it is waited for
UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
SERVICE = "com.docker.compose.service"
NODE = "commonwatt.node"  # the label with the name of the node that a container runs


class ComposeError(NetworkError):
    """`docker compose` failed; the message carries what it said."""


@dataclass(frozen=True)
class Seen:
    """A container as the engine describes it. `health`: healthy, unhealthy, starting, or empty without a check."""

    container: str
    node: str
    state: str
    health: str
    exit_code: int
    restarts: int
    out_of_memory: bool
    limit_bytes: int

    @property
    def ended(self) -> bool:
        """Whether it is neither running nor paused."""
        return self.state not in ("running", "paused")

    def words(self) -> str:
        """What it does, or how it ended."""
        if self.out_of_memory:
            return (
                f"was ended by the kernel: it needs more than its {self.limit_bytes // 2**20} MiB of memory"
            )
        if self.ended or self.restarts:
            again = f"; the engine has started it again {self.restarts} times" if self.restarts else ""
            return f"ended with code {self.exit_code}{again}"
        return "is paused" if self.state == "paused" else "runs but does not answer its health check"


def compose(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `docker compose` on the file in `folder`; what it said, and its exit code.

    Raises ComposeError where the program is missing or takes longer than COMMAND_TIMEOUT_S.
    """
    return run((*COMMAND, "--project-directory", str(folder), *arguments))


def run(command: tuple[str, ...], timeout_s: float = COMMAND_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    """Run a command of the engine's; what it said, and its exit code.

    Raises ComposeError where the program is missing or takes longer than `timeout_s`.
    """
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            env=environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ComposeError(f"{' '.join(command[:3])}: {error}") from error


def environment() -> dict[str, str]:
    """Ours, without what would lead `docker compose` to another project's files: they outweigh our `.env`."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COMPOSE_") and name != "COMMONWATT_USER"
    }


def containers_of(folder: Path) -> dict[str, Seen]:
    """The containers of the Compose file in `folder`, by the names of their services; empty where no engine answers."""
    listed = compose(folder, "ps", "--all", "--quiet")
    identities = listed.stdout.split()
    if listed.returncode or not identities:
        return {}
    answer = run(("docker", "inspect", "--type", "container", *identities))
    try:
        entries = json.loads(
            answer.stdout
        )  # of those that are still there: the exit code speaks of the others
    except ValueError:
        return {}
    return {entry["Config"]["Labels"][SERVICE]: _seen(entry) for entry in entries}


def remove(identities: Sequence[str]) -> None:
    """Stop containers, with the time that each takes to end, and remove them. Raises ComposeError."""
    for words in (("stop",), ("rm", "--force")) if identities else ():
        answer = run(("docker", *words, *identities))
        if answer.returncode != 0:
            raise ComposeError(f"docker {words[0]} failed: {last_line(answer.stderr)}")


def conditions(folder: Path) -> dict[str, Condition]:
    """Service -> its state, the memory that it uses, and what helps where it does not serve."""
    found = containers_of(folder)
    memory = _memory([seen.container for seen in found.values() if not seen.ended])
    return {
        service: Condition(*_state(seen, service, folder), memory.get(seen.container[:12]))
        for service, seen in found.items()
    }


def refuse_paused(folder: Path) -> None:
    """Raise UsageError when a container is paused: Compose would start nothing beside it."""
    for service, seen in containers_of(folder).items():
        if seen.state == "paused":
            raise UsageError(f"{seen.node} is suspended; {_unpause(folder, service)}")


async def wait_serving(
    folder: Path, probes: Mapping[str, Sequence[str]], timeout_s: float = SERVING_TIMEOUT_S
) -> None:
    """Wait until every service answers its probe, a command that runs in its container.

    Raises NotReadyError when a container ends or keeps silent, with that container's own last lines.
    """
    waiting = dict(probes)
    first: dict[str, int] = {}
    deadline = asyncio.get_running_loop().time() + timeout_s
    while waiting:
        found = await asyncio.to_thread(containers_of, folder)
        for service in waiting:
            seen = found.get(service)
            if seen is None:
                raise NotReadyError(f"the container of {service} is gone while the network starts\n{REPEAT}")
            if seen.state == "paused":
                raise NotReadyError(f"{seen.node} is suspended; {_unpause(folder, service)}")
            crashes = seen.restarts - first.setdefault(service, seen.restarts)
            if crashes >= CRASHES or seen.out_of_memory or (seen.ended and seen.state != "restarting"):
                raise NotReadyError(await asyncio.to_thread(failure, seen))
        answers = await asyncio.gather(
            *(asyncio.to_thread(_answers, found[service], probe) for service, probe in waiting.items())
        )
        waiting = {
            service: probe
            for (service, probe), good in zip(waiting.items(), answers, strict=True)
            if not good
        }
        if waiting and asyncio.get_running_loop().time() > deadline:
            service = next(iter(waiting))
            raise NotReadyError(await asyncio.to_thread(failure, found[service]))
        if waiting:
            await asyncio.sleep(POLL_S)


def failure(seen: Seen) -> str:
    """Why a container does not serve: how it ended and what it said last."""
    logs = run(("docker", "logs", "--tail", "60", seen.container))
    said = readable_end(logs.stdout + logs.stderr)
    lines = f"; its last lines:\n{said}" if said else "; it said nothing"
    return f"{seen.node} {seen.words()}{lines}\n{REPEAT}"


def missing_images(images: Sequence[str]) -> tuple[str, ...]:
    """Those of the images that the engine does not have."""
    return tuple(image for image in images if run(("docker", "image", "inspect", image)).returncode)


def last_line(text: str) -> str:
    """The end of what a command said."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _seen(entry: Mapping[str, Any]) -> Seen:
    state = entry["State"]
    return Seen(
        container=entry["Id"],
        node=entry["Config"]["Labels"].get(NODE, entry["Config"]["Labels"][SERVICE]),
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", ""),
        exit_code=state["ExitCode"],
        restarts=entry["RestartCount"],
        out_of_memory=state.get("OOMKilled", False),
        limit_bytes=entry["HostConfig"]["Memory"],
    )


def _unpause(folder: Path, service: str) -> str:
    return f"let it go on with `docker compose --project-directory {folder} unpause {service}`"


def _state(seen: Seen, service: str, folder: Path) -> tuple[str, str | None]:
    """A node's state, and what helps where it does not serve."""
    if seen.state == "paused":
        return "suspended", _unpause(folder, service)
    if seen.state == "restarting":
        return "restarting", f"it {seen.words()}; `commonwatt network logs {seen.node}` says why"
    if seen.ended:
        return "stopped", None
    if seen.health == "unhealthy":
        restart = f"docker compose --project-directory {folder} restart {service}"
        return "unhealthy", f"it {seen.words()}; start it anew with `{restart}`"
    return "running", None


def _answers(seen: Seen, probe: Sequence[str]) -> bool:
    return seen.state == "running" and run(("docker", "exec", seen.container, *probe)).returncode == 0


def _memory(identities: Sequence[str]) -> dict[str, int]:
    """The first 12 characters of a container's id -> bytes that it uses, as `docker stats` rounds them."""
    if not identities:
        return {}
    answer = run(("docker", "stats", "--no-stream", "--format", "{{.ID}} {{.MemUsage}}", *identities))
    found = {}
    for line in answer.stdout.splitlines():
        used = re.match(r"([0-9a-f]{12})\S* ([0-9.]+)([A-Za-z]+) ", line)
        if used and used[3] in UNITS:
            found[used[1]] = round(float(used[2]) * UNITS[used[3]])
    return found
