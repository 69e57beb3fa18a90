# SPDX-License-Identifier: Apache-2.0
"""`commonwatt network`: starting, stopping, recovering, and every wrong use in one clear line."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.state import State, write_state
from commonwatt_network.model.topology import default_topology
from commonwatt_network.programs.fabric import FabricNotFoundError, find_fabric
from commonwatt_network.programs.ports import choose_first_port


def heights(shell: Any) -> dict[str, int]:
    status = json.loads(shell.run("network", "status", "--json").stdout)
    return dict(status["channels"]["newtown"]["heights"])


def real_network(shell: Any) -> Path:
    """As much of a stopped native network as a reset looks at; a file of one of its ledgers."""
    write_state(Layout(shell.directory), State(default_topology(homes=2), "native", 20_000))
    ledger = shell.directory / "ledgers" / "peer0.newtown" / "ledger"
    ledger.parent.mkdir(parents=True)
    ledger.write_text("blocks")
    return ledger


def at_a_terminal(shell: Any, answer: bytes) -> int:
    """The exit code of `network reset` where a person is asked and answers."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer)
        return subprocess.run(
            [shell.command, "network", "reset"],
            cwd=shell.folder,
            env=shell.environment(),
            stdin=theirs,
            capture_output=True,
            timeout=60,
        ).returncode
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_network_starts_stops_and_starts_again_with_its_ledger(shell: Any) -> None:
    first = shell.up()
    assert first.returncode == 0, first.stderr
    for phase in (
        "identities and channels",
        "processes",
        "channels joined",
        "chaincode",
        "first transactions",
    ):
        assert phase in first.stdout
    network = json.loads((shell.directory / "network.json").read_text())
    assert network["channels"]["newtown"]["chaincodes"] == {"market": {"version": "1.0", "sequence": 1}}
    assert network["organizations"]["newtown"]["users"]["home001"]["attributes"]["role"] == "home"
    keys = [
        *shell.directory.rglob("*.key"),
        *shell.directory.rglob("private_key.pem"),
        *shell.directory.rglob("key.pem"),
    ]
    assert keys
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}

    again = shell.run("network", "up")
    assert again.returncode == 0
    assert "everything was running already" in again.stdout
    before = heights(shell)
    assert before["peer0.newtown"] == before["peer0.grid"]

    assert shell.run("network", "down").returncode == 0
    assert not shell.processes()
    assert json.loads(shell.run("network", "status", "--json").stdout)["state"] == "stopped"
    assert shell.up().returncode == 0
    assert heights(shell)["peer0.grid"] >= before["peer0.grid"]

    for name, group in shell.processes().items():
        assert name in ("embedded", "market.newtown", "market.grid")
        group[0].send_signal(signal.SIGKILL)
    recovered = shell.run("network", "up")
    assert recovered.returncode == 0, recovered.stderr
    assert "started embedded, market.newtown, market.grid" in recovered.stdout
    assert heights(shell)["peer0.newtown"] > before["peer0.newtown"]

    assert shell.run("network", "reset").returncode == 0
    assert not shell.processes()
    assert not shell.directory.exists()


@pytest.mark.long
@pytest.mark.parametrize("backend", ["embedded", "native"])
def test_two_networks_at_once(shell: Any, backend: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    if backend == "native":
        try:
            find_fabric()
        except FabricNotFoundError as error:
            pytest.skip(f"native: {error}")
    other = type(shell)(tmp_path_factory.mktemp("other"))
    try:
        for network in (shell, other):
            ready = network.up(COMMONWATT_BACKEND=backend)
            assert ready.returncode == 0, ready.stderr
        assert heights(shell)
        assert heights(other)
    finally:
        other.run("network", "down")


def test_a_killed_start_leaves_nothing_running(shell: Any) -> None:
    start = subprocess.Popen(
        [shell.command, "network", "up"],
        cwd=shell.folder,
        env=shell.environment(COMMONWATT_HOMES="2"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not shell.processes():
        assert time.monotonic() < deadline
        assert start.poll() is None
    start.kill()
    start.wait()
    while shell.processes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert shell.up().returncode == 0


class TestRefusals:
    """Each one clear line, exit code 2, and nothing changed."""

    def test_unknown_key(self, shell: Any, refused: Any) -> None:
        line = refused(shell.run("network", "up", "--topology", str(shell.topology(("homes", "hoomes")))))
        assert "topology.yaml:4: unknown key organizations.newtown.hoomes; did you mean homes?" in line
        assert not shell.directory.exists()

    def test_unknown_member(self, shell: Any, refused: Any) -> None:
        path = shell.topology(("[newtown, grid]", "[newtown, gird]"))
        assert "names the organisation gird" in refused(
            shell.run("network", "up", COMMONWATT_TOPOLOGY=str(path))
        )

    def test_missing_file(self, shell: Any, refused: Any) -> None:
        assert "No such file" in refused(shell.run("network", "up", COMMONWATT_TOPOLOGY="nowhere.yaml"))

    def test_not_yaml(self, shell: Any, refused: Any) -> None:
        (shell.folder / "broken.yaml").write_text("organizations: [\n")
        assert "broken.yaml:2: not YAML" in refused(
            shell.run("network", "up", COMMONWATT_TOPOLOGY="broken.yaml")
        )

    def test_too_many_homes(self, shell: Any, refused: Any) -> None:
        assert "--homes 0" in refused(shell.run("network", "up", COMMONWATT_HOMES="0"))

    def test_shape_with_a_file(self, shell: Any, refused: Any) -> None:
        path = shell.topology()
        assert "write them in its file" in refused(
            shell.run("network", "up", COMMONWATT_TOPOLOGY=str(path), COMMONWATT_HOMES="3")
        )

    def test_unknown_backend(self, shell: Any, refused: Any) -> None:
        assert "'docker' is not one of 'embedded', 'native'" in refused(shell.up(COMMONWATT_BACKEND="docker"))

    def test_fabric_that_is_not_there(self, shell: Any, refused: Any) -> None:
        line = refused(shell.up(COMMONWATT_BACKEND="native", FABRIC_BIN=str(shell.folder)))
        assert "peer and orderer not found in FABRIC_BIN" in line
        assert "make fabric" in line

    def test_bft_needs_real_fabric(self, shell: Any, refused: Any) -> None:
        line = refused(shell.run("network", "up", COMMONWATT_TOPOLOGY="bft"))
        assert "COMMONWATT_BACKEND=native" in line
        assert not shell.processes()

    def test_port_in_use(self, shell: Any, refused: Any) -> None:
        path = shell.topology()
        with socket.socket() as taken:
            first = choose_first_port(20, shell.folder)
            taken.bind(("127.0.0.1", first + 3))
            taken.listen()
            path.write_text(f"{path.read_text()}ports: {{first: {first}}}\n")
            line = refused(shell.run("network", "up", COMMONWATT_TOPOLOGY=str(path)))
            assert f"port {first + 3}, which peer0.newtown listens on, is in use" in line
            assert not shell.processes()
        assert shell.run("network", "up", COMMONWATT_TOPOLOGY=str(path)).returncode == 0

    def test_another_topology_or_backend_on_a_running_network(self, shell: Any, refused: Any) -> None:
        assert shell.up().returncode == 0
        line = refused(shell.up(COMMONWATT_HOMES="3"))
        assert "organizations.newtown.homes: 2 there, 3 asked for" in line
        assert "is embedded, not native" in refused(shell.up(COMMONWATT_BACKEND="native"))
        assert heights(shell)["peer0.newtown"] > 0
        state = shell.directory / "state.json"
        kept = state.read_text()
        state.unlink()
        line = refused(shell.up())
        assert "is stale" in line
        assert "make network-reset" in line
        state.write_text(kept[:40])
        assert "state.json is damaged" in refused(shell.up())
        state.write_text(kept.replace('"format": 1', '"format": 99'))
        assert "another version" in refused(shell.up())
        state.write_text(kept)
        assert shell.up().returncode == 0

    def test_damaged_key(self, shell: Any, refused: Any) -> None:
        assert shell.up().returncode == 0
        shell.run("network", "down")
        key = shell.directory / "organizations" / "newtown" / "ca" / "ca.key"
        kept = key.read_text()
        key.write_text(kept[:60])
        assert "ca.key cannot be used" in refused(shell.up())
        key.unlink()
        assert "ca.key is missing" in refused(shell.up())
        key.write_text(kept)
        assert shell.up().returncode == 0

    def test_status_without_a_network(self, shell: Any, refused: Any) -> None:
        told = shell.run("network", "status")
        assert (told.returncode, "there is no network" in told.stderr) == (3, True)
        assert shell.run("network", "down").stdout.strip() == "nothing was running"

    def test_reset_of_a_folder_that_is_no_network(self, shell: Any, refused: Any) -> None:
        shell.directory.mkdir()
        precious = shell.directory / "thesis.txt"
        precious.write_text("years of work")
        assert "thesis.txt, which no network made" in refused(shell.run("network", "reset"))
        assert precious.exists()

    def test_reset_of_a_real_network_is_asked_for(self, shell: Any, refused: Any) -> None:
        kept = real_network(shell)
        line = refused(shell.run("network", "reset"))
        assert f"this deletes the keys and ledgers of the native network in {shell.directory}" in line
        assert "--yes" in line
        assert kept.exists()
        assert at_a_terminal(shell, b"n\n") == 2
        assert kept.exists()
        assert at_a_terminal(shell, b"y\n") == 0
        assert not shell.directory.exists()

    def test_reset_of_a_real_network_where_it_is_said(self, shell: Any) -> None:
        kept = real_network(shell)
        assert shell.run("network", "reset", YES="1").returncode == 2, (
            "no variable of the environment deletes"
        )
        assert kept.exists()
        assert shell.run("network", "reset", "--yes").returncode == 0
        assert not shell.directory.exists()

    def test_reset_of_ledgers_that_no_state_explains_is_asked_for(self, shell: Any, refused: Any) -> None:
        kept = real_network(shell)
        (shell.directory / "state.json").write_text("{")
        assert "this deletes the keys and ledgers" in refused(shell.run("network", "reset"))
        assert kept.exists()

    def test_two_commands_at_once(self, shell: Any, refused: Any) -> None:
        from commonwatt_network.model.layout import Layout
        from commonwatt_network.model.state import exclusive

        with exclusive(Layout(shell.directory)):
            assert "another command is starting or stopping" in refused(shell.up())
