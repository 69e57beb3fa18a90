# SPDX-License-Identifier: Apache-2.0
"""The command `commonwatt` as a person runs it: a process, its exit code and what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from commonwatt_network.down import down
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.topology import sample_topologies
from commonwatt_network.programs.processes import running

COMMAND = Path(sys.executable).with_name("commonwatt")


@dataclass(frozen=True)
class Shell:
    """A folder in which commands run; its network lies in `.commonwatt`."""

    folder: Path
    command: Path = COMMAND

    @property
    def directory(self) -> Path:
        return self.folder / ".commonwatt"

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `commonwatt` with its arguments and environment variables."""
        return subprocess.run(
            [self.command, *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=90,
        )

    def environment(self, **variables: str) -> dict[str, str]:
        cleared = (
            "COMMONWATT_BACKEND",
            "COMMONWATT_NETWORK",
            "COMMONWATT_TOPOLOGY",
            "COMMONWATT_COMMUNITIES",
            "COMMONWATT_HOMES",
            "COMMONWATT_DIRECTORY",
        )
        inherited = {name: value for name, value in os.environ.items() if name not in cleared}
        return {**inherited, "COLUMNS": "200", **variables}

    def up(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run("network", "up", *arguments, **{"COMMONWATT_HOMES": "2", **variables})

    def processes(self) -> dict[str, list[psutil.Process]]:
        """What of this folder's network runs."""
        return running(Layout(self.directory))

    def topology(self, change: tuple[str, str] = ("", "")) -> Path:
        """A file with the default sample, with one text replaced by another."""
        path = self.folder / "topology.yaml"
        path.write_text(sample_topologies()["default"].replace("homes: 60", "homes: 2").replace(*change))
        return path


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A fresh folder; whatever network a test leaves in it is stopped."""
    shell = Shell(tmp_path)
    try:
        yield shell
    finally:
        down(shell.directory)


def _refused(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture
def refused() -> Callable[[subprocess.CompletedProcess[str]], str]:
    """The one line of a command that was refused: exit code 2, no traceback."""
    return _refused
