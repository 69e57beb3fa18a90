# SPDX-License-Identifier: Apache-2.0
"""The engine that tests of COMMONWATT_BACKEND=compose run on, and what it says of one network's containers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.model.topology import default_topology

OLDER = "COMMONWATT_TEST_OLDER_FABRIC"
"""A version of Fabric whose images the engine has: upgrades begin with it."""
RESTART = "COMMONWATT_TEST_ENGINE_RESTART"
"""A command that restarts the engine: only whoever lends it to the tests may say so."""


def require_engine() -> None:
    """Skip with the reason where no engine answers, or it lacks an image and cannot be expected to fetch it."""
    if shutil.which("docker") is None:
        pytest.skip("no container engine: docker is not on PATH")
    if _docker("compose", "version").returncode:
        pytest.skip("docker has no compose plugin here")
    answer = _docker("version", "--format", "{{.Server.Version}}")
    if answer.returncode:
        pytest.skip(f"no container engine answers: {answer.stderr.strip().splitlines()[-1]}")
    images = default_topology(homes=1).images
    for image in (images.peer, images.orderer, images.chaincode):
        if _docker("image", "inspect", image).returncode:
            pytest.skip(f"the container engine has no image {image}")


def require_signals(pid: int) -> None:
    """Skip where the engine's processes are another machine's, or another user's."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        pytest.skip(f"the processes of the engine cannot be signalled from here: {error}")


@dataclass(frozen=True)
class Project:
    """The containers of the network in one folder."""

    folder: Path

    def compose(self, *arguments: str) -> str:
        answer = _docker("compose", "--project-directory", str(self.folder), *arguments)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def inspect(self, node: str) -> dict[str, Any]:
        [found] = [each for each in self.containers() if each["Config"]["Labels"]["commonwatt.node"] == node]
        return found

    def containers(self) -> list[dict[str, Any]]:
        """What the engine knows of each container of the project."""
        identities = self.compose("ps", "--all", "--quiet").split()
        return [dict(each) for each in json.loads(_docker("inspect", *identities).stdout)]

    def pid(self, node: str) -> int:
        pid = int(self.inspect(node)["State"]["Pid"])
        require_signals(pid)
        return pid

    def kill(self, node: str) -> None:
        """kill -9, as the kernel does it: the engine starts the container again."""
        os.kill(self.pid(node), signal.SIGKILL)

    def published(self) -> dict[str, list[str]]:
        """Node -> `address:port` on this machine, of those that publish any."""
        found = {}
        for container in self.containers():
            bindings = container["HostConfig"]["PortBindings"] or {}
            entries = sorted(
                f"{each['HostIp']}:{each['HostPort']}" for group in bindings.values() for each in group
            )
            if entries:
                found[container["Config"]["Labels"]["commonwatt.node"]] = entries
        return found


def older(image: str) -> str:
    """The image of Fabric that an upgrade to `image` begins with.

    Without a named older version it is the same under another tag: enough to see every container replaced.
    """
    version = os.environ.get(OLDER)
    return f"{image.rpartition(':')[0]}:{version}" if version else tagged(image, "3.1.0")


def tagged(image: str, tag: str) -> str:
    """The image once more, under another version."""
    name = f"{image.rpartition(':')[0]}:{tag}"
    assert _docker("tag", image, name).returncode == 0
    return name


def restart_engine() -> None:
    """Restart the engine, or skip where nobody lends it for that."""
    command = os.environ.get(RESTART)
    if not command:
        pytest.skip(f"{RESTART} names no command that restarts the engine")
    subprocess.run(command, shell=True, check=True, timeout=120)


def leftovers(project: str) -> str:
    """The containers and networks of a project that the engine still has."""
    label = f"label=com.docker.compose.project={project}"
    return "".join(
        _docker(kind, "ls", *more, "--quiet", "--filter", label).stdout
        for kind, *more in (("container", "--all"), ("network",), ("volume",))
    )


def until(condition: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Wait for a condition; how many seconds it took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < timeout_s, f"waited {timeout_s} s for {what}"
        time.sleep(0.5)
    return time.monotonic() - begin


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120)
