# SPDX-License-Identifier: Apache-2.0
"""A reader who follows a page word by word: blocks of commands are run, blocks of files are written."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from commonwatt_network.down import down

BLOCK = re.compile(
    r"(?:`(?P<file>[\w./-]+\.(?:yaml|csv|py))`(?:(?!\n\n).)*\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)```",
    re.DOTALL,
)


def blocks(page: Path) -> Iterator[tuple[str | None, str, str]]:
    """The file that a block is, if the paragraph above it names one (commands are no file); its language; its text."""
    for found in BLOCK.finditer(page.read_text("utf-8")):
        yield None if found["kind"] == "sh" else found["file"], found["kind"], found["text"]


@dataclass
class Reader:
    """One who follows the page: the folder, and the terminals that stay open."""

    folder: Path
    environment: dict[str, str]
    open: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def run(self, commands: str) -> str:
        """Run a block of commands, and go on in the folder that its `cd` leads to. What it printed, on both streams."""
        ran = subprocess.run(
            ["bash", "-ec", commands],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        assert ran.returncode == 0, (commands, ran.stdout)
        assert "Traceback" not in ran.stdout, ran.stdout
        for entered in re.findall(r"\bcd (\w+)", commands):
            self.folder = self.folder / entered
        return ran.stdout

    def stay(self, command: str) -> None:
        """Run a command in a terminal of its own; what it says goes to a file."""
        log = (self.folder / f"terminal-{len(self.open)}.log").open("w")
        self.open[log.name] = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env={**self.environment, "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        log.close()

    def said(self) -> str:
        """What all terminals said."""
        return "".join(Path(name).read_text() for name in self.open)

    def until(self, what: str, condition: Callable[[], bool], within_s: float) -> None:
        """Wait for something that the page promises."""
        ends = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < ends, (what, self.said()[-6_000:])
            assert all(one.poll() is None for one in self.open.values()), self.said()[-6_000:]
            time.sleep(0.5)

    def says(self, pattern: str, within_s: float) -> None:
        """Wait until a terminal says something."""
        self.until(pattern, lambda: re.search(pattern, self.said()) is not None, within_s)

    def interrupt(self) -> None:
        """Ctrl-C in every terminal, the last one first; processes that do not end within 30 s are killed."""
        for process in reversed(self.open.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self.open.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.open.clear()


@contextmanager
def reading(folder: Path, network: str = ".commonwatt") -> Iterator[Reader]:
    """A reader in an empty folder, with `commonwatt` on PATH. In the end terminals and the network are stopped."""
    kept = ("COMMONWATT_PORTS",)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in kept or not name.startswith("COMMONWATT_")
    }
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    reader = Reader(folder, {**environment, "COLUMNS": "200", "PATH": path})
    try:
        yield reader
    finally:
        reader.interrupt()
        down(folder / network)
