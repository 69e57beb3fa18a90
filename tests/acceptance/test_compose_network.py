# SPDX-License-Identifier: Apache-2.0
"""COMMONWATT_BACKEND=compose on a real container engine; skipped with the reason where none answers.

    pytest -m long -s tests/acceptance/test_compose_network.py

It needs the images that the default topology names. Tests that kill or freeze a process signal it from this machine,
so the engine must be this machine's own; COMMONWATT_TEST_ENGINE_RESTART names a command that restarts the engine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.down import reset
from commonwatt_network.model.topology import sample_topologies

from tests.acceptance.conftest import Shell
from tests.acceptance.engine import Project, leftovers, require_engine, restart_engine, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
NAMES = {"orderer0", "peer0.newtown", "peer0.grid", "market.newtown", "market.grid"}


class Town:
    """A folder with a network in containers, and the commands that a person gives in it."""

    backend = "compose"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.shell = Shell(folder)
        self.project = Project(self.shell.directory / "compose" / "local")

    def run(self, *words: str, code: int = 0, timeout_s: float = 900, **variables: str) -> str:
        answer = subprocess.run(
            [self.shell.command, *words],
            cwd=self.shell.folder,
            env=self.shell.environment(**variables),
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        assert answer.returncode == code, (words, answer.stdout, answer.stderr)
        assert "Traceback" not in answer.stderr
        return answer.stdout + answer.stderr

    def up(self, *words: str, code: int = 0, **variables: str) -> str:
        begin = time.monotonic()
        if not self.shell.directory.exists() and not words:
            words = ("--topology", self.topology("default"))
        said = self.run("network", "up", *words, code=code, COMMONWATT_BACKEND=self.backend, **variables)
        print(f"\nup {' '.join(words)}: {time.monotonic() - begin:.1f} s, load {os.getloadavg()[0]:.1f}")
        return said

    def topology(self, sample: str) -> str:
        path = self.shell.folder / f"{sample}.yaml"
        path.write_text(sample_topologies()[sample].replace("homes: 60", "homes: 4"))
        return str(path)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.run("network", "status", "--json")))

    def states(self) -> dict[str, str]:
        return {node["name"]: node["state"] for node in self.status()["processes"]}

    def trade(self, seconds: int = 2) -> None:
        self.run("load", "--duration", str(seconds), "--rate", "constant:5", "--p95", "60", "--timeout", "60")

    def height(self, channel: str = "newtown") -> int:
        return max(height or 0 for height in self.status()["channels"][channel]["heights"].values())

    def project_name(self) -> str:
        return str(self.project.inspect("orderer0")["Config"]["Labels"]["com.docker.compose.project"])


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """One network for the tests that leave it running."""
    require_engine()
    town = Town(tmp_path_factory.mktemp("compose"))
    try:
        town.up()
        yield town
    finally:
        reset(town.shell.directory)


@pytest.fixture
def other_town(tmp_path: Path) -> Iterator[Town]:
    require_engine()
    town = Town(tmp_path / "town")
    try:
        yield town
    finally:
        reset(town.shell.directory)


def test_states_sizes_and_ports_are_those_of_the_containers(town: Town) -> None:
    status = town.status()
    assert {node["name"]: node["state"] for node in status["processes"]} == dict.fromkeys(NAMES, "running")
    sizes = {node["name"]: node["memory_bytes"] / 1e6 for node in status["processes"]}
    print({name: f"{size:.0f} MB" for name, size in sizes.items()})
    assert all(5 < size < 1100 for size in sizes.values())
    assert status["memory_bytes"] == sum(node["memory_bytes"] for node in status["processes"])
    published = town.project.published()
    assert {name: len(ports) for name, ports in published.items()} == {
        "orderer0": 3, "peer0.newtown": 2, "peer0.grid": 2,
    }  # fmt: skip
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_a_day_is_traded_and_found_in_order(town: Town) -> None:
    begin = time.monotonic()
    said = town.run("simulate", "--homes", "4", "--no-figures")
    print(f"a day of 4 homes: {time.monotonic() - begin:.1f} s, load {os.getloadavg()[0]:.1f}")
    assert "saved" in said
    town.run("verify")


def test_what_was_killed_is_started_again_and_trades(town: Town) -> None:
    before = town.height()
    for name in ("peer0.newtown", "market.grid", "orderer0"):
        town.project.kill(name)
    until(lambda: set(town.states().values()) == {"running"}, 180, "the engine to start what was killed")
    town.up()
    town.trade()
    assert town.height() > before
    town.run("verify")


def test_a_peer_that_stands_still_is_noticed(town: Town) -> None:
    for name in ("peer0.grid", "market.grid"):
        pid = town.project.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            took_s = until(
                lambda name=name: town.states()[name] == "unhealthy", 180, f"{name} to be unhealthy"
            )
            print(f"{name} is found standing still after {took_s:.0f} s")
            assert f"{name} is unhealthy; it runs but does not answer" in town.run("network", "status")
        finally:
            os.kill(pid, signal.SIGCONT)
        until(lambda name=name: town.states()[name] == "running", 180, f"{name} to be well again")


def test_a_paused_container_is_told_with_what_helps(town: Town) -> None:
    town.project.compose("pause", "peer0.grid")
    try:
        assert town.states()["peer0.grid"] == "suspended"
        assert "unpause peer0.grid" in town.run("network", "status")
        assert "peer0.grid is suspended; let it go on with" in town.up(code=2)
        assert set(town.states().values()) == {"running", "suspended"}, "what ran goes on"
    finally:
        town.project.compose("unpause", "peer0.grid")
    town.trade()


def test_two_folders_on_one_engine_do_not_meet(town: Town, other_town: Town) -> None:
    other_town.up()
    assert other_town.project_name() != town.project_name()
    other_town.trade()
    name = other_town.project_name()
    other_town.run("network", "reset", "--yes")
    assert leftovers(name) == ""
    assert not other_town.shell.directory.exists()
    assert set(town.states().values()) == {"running"}
    town.trade()


def test_a_network_goes_down_and_comes_up_with_its_ledgers(town: Town) -> None:
    height, name = town.height(), town.project_name()
    town.run("network", "down")
    assert set(town.states().values()) == {"stopped"}
    assert leftovers(name) == ""
    town.up()
    assert town.height() >= height
    town.trade()
    town.run("verify")


def test_a_network_outlives_its_engine(town: Town) -> None:
    before = town.height()
    restart_engine()
    took_s = until(lambda: set(town.states().values()) == {"running"}, 180, "every container to come back")
    print(f"back {took_s:.0f} s after the engine, load {os.getloadavg()[0]:.1f}")
    town.up()
    town.trade()
    assert town.height() > before


def test_a_container_that_fails_is_named_with_its_own_cause(other_town: Town) -> None:
    other_town.up()
    other_town.run("network", "down")
    ledger = other_town.project.folder / "ledgers" / "peer0.grid" / "ledgersData"
    mode = ledger.stat().st_mode
    ledger.chmod(0)
    try:
        said = other_town.up(code=1)
    finally:
        ledger.chmod(mode)
    assert "peer0.grid ended with code" in said
    assert "permission denied" in said
    assert "orderer0" not in said
    assert set(other_town.states().values()) == {"stopped"}, "nothing is left half started"


def test_three_orderers_go_on_without_one(other_town: Town) -> None:
    other_town.up("--topology", other_town.topology("three-orderers"))
    assert other_town.status()["no_quorum"] is None
    other_town.project.compose("stop", "orderer0")
    other_town.trade()
    other_town.up()
    other_town.trade()


def test_bft_orderers_go_on_with_one_dead(other_town: Town) -> None:
    other_town.up("--topology", other_town.topology("bft"))
    names = [name for name in other_town.states() if "orderer" in name]
    assert len(names) == 4
    other_town.project.compose("stop", names[-1])
    other_town.trade()
    other_town.up()
