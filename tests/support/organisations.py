# SPDX-License-Identifier: Apache-2.0
"""Organisations of a consortium as their operators run them: `commonwatt org` and `consortium` in a folder each."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from commonwatt_network.cli import main as cli
from commonwatt_network.consortium.host import OwnHost, open_host
from commonwatt_network.down import down
from commonwatt_network.programs.ports import choose_first_port

CLOCK = 1767225600
PORTS = ("orderer", "admin", "orderer_operations", "peer", "peer_operations", "chaincode")


@dataclass
class Member:
    """One organisation: its folder, the ports that are its own, and the folder that passes between all."""

    name: str
    folder: Path
    exchange: Path
    first_port: int
    description: dict[str, Any] = field(default_factory=dict)
    inside: tuple[
        str, ...
    ] = ()  # what runs a command on the organisation's own host, where that is not this one

    @property
    def directory(self) -> Path:
        return self.folder / ".commonwatt"

    @property
    def host(self) -> OwnHost:
        return open_host(self.directory)

    @property
    def bundle(self) -> Path:
        return self.exchange / f"{self.name}.json"

    def port(self, kind: str, number: int = 0) -> int:
        return self.first_port + number * len(PORTS) + PORTS.index(kind)

    def describe(self, host: str, **changes: Any) -> None:
        """What `organization.yaml` says: one orderer and one peer at `host`."""
        self.description = {
            "name": self.name,
            "orderers": [self.orderer(host)],
            "peers": [self.peer(host)],
            "users": {"operator": {"role": "operator"}},
            "chaincode": {"port": self.port("chaincode"), "clock_error_s": None},
            **changes,
        }

    def orderer(self, host: str, number: int = 0) -> dict[str, Any]:
        return {
            "host": host,
            "port": self.port("orderer", number),
            "admin_port": self.port("admin", number),
            "operations_port": self.port("orderer_operations", number),
        }

    def peer(self, host: str, number: int = 0) -> dict[str, Any]:
        return {
            "host": host,
            "port": self.port("peer", number),
            "operations_port": self.port("peer_operations", number),
        }

    def run(self, *words: str, code: int = 0) -> str:
        """`commonwatt WORDS`; what it printed. It ends with `code`."""
        ended, said = self._elsewhere(words) if self.inside else self._here(words)
        assert ended == code, f"{self.name}$ commonwatt {' '.join(words)}\n{said}"
        return said

    def _elsewhere(self, words: Sequence[str]) -> tuple[int, str]:
        done = subprocess.run(
            [*self.inside, str(Path(sys.executable).with_name("commonwatt")), *words],
            env={**os.environ, "COMMONWATT_DIRECTORY": str(self.directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
        )
        return done.returncode, done.stdout

    def _here(self, words: Sequence[str]) -> tuple[int, str]:
        said = io.StringIO()
        place = {"COMMONWATT_DIRECTORY": str(self.directory)}
        with (
            mock.patch.object(sys, "argv", ["commonwatt", *words]),
            mock.patch.dict("os.environ", place),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            try:
                cli.main()
                ended = 0
            except SystemExit as done:
                ended = int(done.code or 0)
        return ended, said.getvalue()

    def init(self) -> str:
        return self.run_init()

    def run_init(self, code: int = 0) -> str:
        return self.run("org", "init", str(self.write()), code=code)

    def start(self) -> None:
        """Start its nodes."""
        self.run("org", "start")

    def write(self) -> Path:
        """`organization.yaml`, with the description as it is now."""
        file = self.folder / "organization.yaml"
        self.folder.mkdir(exist_ok=True)
        file.write_text(yaml.safe_dump(self.description))
        return file

    def submit(
        self, transaction: str, argument: Mapping[str, Any] | None = None, user: str | None = None
    ) -> Any:
        words = ("org", "submit", "newtown", transaction, json.dumps(argument or {}))
        return json.loads(self.run(*words, *(("--user", user) if user else ())) or "null")

    def traded(self) -> dict[str, int]:
        """The totals of all trades, as its own peer tells them."""
        answer = json.loads(self.run("org", "evaluate", "newtown", "list_trades"))
        return dict(answer["totals"])

    def trades(self) -> None:
        """A transaction is committed."""
        self.submit("get_parameters")


@contextlib.contextmanager
def members(folder: Path, names: Sequence[str]) -> Iterator[dict[str, Member]]:
    """The organisations, each with room for three orderers and peers; what they run ends with the test."""
    exchange = folder / "exchange"
    exchange.mkdir()
    room = 3 * len(PORTS)
    first = choose_first_port(room * len(names), folder)
    made = {name: Member(name, folder / name, exchange, first + n * room) for n, name in enumerate(names)}
    try:
        yield made
    finally:
        for member in made.values():
            if (member.directory / "organization.json").exists():
                down(member.directory)


def found(all_of_them: Mapping[str, Member], endorsement: str = "majority") -> None:
    """From descriptions to a market that trades on the channel newtown, which the first of them founds."""
    everyone = list(all_of_them.values())
    for member in everyone:
        member.init()
        member.run("org", "export", str(member.exchange))
    block = str(everyone[0].exchange / "newtown.block")
    bundles = [str(member.bundle) for member in everyone]
    everyone[0].run(
        *("consortium", "create", "newtown", *bundles, "--endorsement", endorsement, "--out", block)
    )
    for member in everyone:
        member.start()
    for member in everyone:
        member.run("org", "join", block)
        member.run("org", "install")
    for member in everyone:
        member.run("org", "approve", "newtown", "--wait", "120")
    everyone[0].submit("configure", {"clock": "simulated", "at": CLOCK})


def wait_until(condition: Any, timeout_s: float = 60) -> None:
    """Until `condition()` holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.2)
