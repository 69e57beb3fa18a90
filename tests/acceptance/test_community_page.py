# SPDX-License-Identifier: Apache-2.0
"""docs/community.md, word by word: files written, commands run, from an empty folder to a market that verifies."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from commonwatt_network.down import down

from .conftest import Shell

PAGE = Path(__file__).parents[2] / "docs" / "community.md"
BLOCK = re.compile(
    r"(?:`(?P<file>[a-z.]+\.(?:yaml|csv))`[^\n]*:\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL
)
STAYING = ("commonwatt serve", "commonwatt operate", "commonwatt home run")


@dataclass
class Reader:
    """One who follows the page: the folder, and the terminals that stay open."""

    folder: Path
    environment: dict[str, str]
    open: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def run(self, commands: str) -> None:
        """Run a block of commands, in the folder that the first block goes to."""
        ran = subprocess.run(
            ["bash", "-ec", commands],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert ran.returncode == 0, (commands, ran.stdout, ran.stderr)

    def stay(self, command: str) -> None:
        """Run a command in a terminal of its own; what it says goes to a file."""
        log = (self.folder / f"terminal-{len(self.open)}.log").open("w")
        self.open[log.name] = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
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


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    environment = Shell(tmp_path).environment()
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment.pop("COMMONWATT_SERVICE", None)
    reader = Reader(tmp_path, environment)
    try:
        yield reader
    finally:
        for process in reader.open.values():
            process.send_signal(signal.SIGINT)
        for process in reader.open.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        down(tmp_path / "newtown" / ".commonwatt")


def blocks() -> Iterator[tuple[str | None, str, str]]:
    """File that a block is, if it is one; its language; its text."""
    for found in BLOCK.finditer(PAGE.read_text()):
        yield found["file"], found["kind"], found["text"]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_new_user_founds_a_community_of_three_homes(reader: Reader) -> None:
    for name, kind, text in blocks():
        if name is not None:
            (reader.folder / name).write_text(text)
        elif kind != "sh":
            raise AssertionError(f"a block of {kind} that no file is named for: {text[:80]}")
        elif text.startswith(STAYING):
            reader.stay(text.strip())
            if text.startswith("commonwatt serve"):
                key = reader.folder / ".commonwatt-service" / "receipts-key.jws"
                reader.until("the service's key", key.exists, 120)
        elif text.startswith("commonwatt verify"):
            reader.until(
                "the first trade",
                lambda: re.search(r"cleared, \d[\d,]* Wh at", reader.said()) is not None,
                420,
            )
            reader.until("the first settlement", lambda: "settled, 3 homes" in reader.said(), 180)
            reader.run(text)
        else:
            reader.run(text)
            if reader.folder.name != "newtown":
                reader.folder = reader.folder / "newtown"
    bundle = json.loads((reader.folder / "bundles" / "ada.json").read_text())
    assert bundle["home"] == "ada"
    assert (reader.folder / "bundles" / "ada.png").read_bytes().startswith(b"\x89PNG")
    assert "Traceback" not in reader.said()
    assert os.stat(reader.folder / "codes.key").st_mode & 0o077 == 0


def test_the_page_names_each_file_that_it_shows() -> None:
    named = [name for name, kind, _ in blocks() if kind != "sh"]
    assert named == ["community.yaml", "homes.csv", "sun.csv", "use.csv"]
