# SPDX-License-Identifier: Apache-2.0
"""Starts of real Fabric that fail or are killed: said in the failing process's own words, and nothing stays behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import Any

import pytest
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.state import exclusive
from commonwatt_network.programs.fabric import FabricNotFoundError, find_fabric

MOMENTS = ("identities and channels", "processes", "channels joined", "chaincode")


@pytest.fixture(scope="module", autouse=True)
def _fabric() -> None:
    try:
        find_fabric()
    except FabricNotFoundError as error:
        pytest.skip(f"native: {error}")


def up(shell: Any, **variables: str) -> subprocess.CompletedProcess[str]:
    result: subprocess.CompletedProcess[str] = shell.up(COMMONWATT_BACKEND="native", **variables)
    return result


def heights(shell: Any) -> dict[str, int]:
    status = json.loads(shell.run("network", "status", "--json").stdout)
    return dict(status["channels"]["newtown"]["heights"])


def failed(result: subprocess.CompletedProcess[str], shell: Any, name: str, said: str) -> None:
    """The command failed with the lines that the process `name` wrote last, and ended all that it had started."""
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert re.search(
        rf"commonwatt: {name} ended .*while (it|the network) started; its last lines", result.stderr
    )
    lines = [line.strip() for line in result.stderr.splitlines() if line.startswith("    ")]
    assert any(said in line for line in lines), result.stderr
    log = (shell.directory / "logs" / f"{name}.log").read_text()
    assert all(line in log for line in lines)
    assert "then repeat the command" in result.stderr
    assert not shell.processes()


@pytest.mark.long
def test_a_process_that_cannot_start_is_heard(shell: Any, refused: Any) -> None:
    """An orderer, then a peer, whose ledger is damaged: a disk can do that. Mended, the network goes on as it was."""
    assert up(shell).returncode == 0
    before = heights(shell)
    shell.run("network", "down")

    ledgers = shell.directory / "ledgers"
    wal = next((ledgers / "orderer0" / "wal" / "newtown").glob("*.wal"))
    provider = ledgers / "peer0.grid" / "ledgersData" / "ledgerProvider" / "CURRENT"
    for file, name, said in (
        (wal, "orderer0", "failed to create or read WAL"),
        (provider, "peer0.grid", "corrupted or incomplete CURRENT file"),
    ):
        whole = file.read_bytes()
        file.write_bytes(b"damaged." + whole[8:] if len(whole) > 100 else b"damaged")
        result = up(shell)
        failed(result, shell, name, said)
        assert "TLS handshake" not in result.stderr, "lines of the run before explain nothing"
        file.write_bytes(whole)

    # What the kit can see by itself it refuses before any process runs.
    tls = shell.directory / "organizations" / "newtown" / "peers" / "peer0" / "tls"
    own = (tls / "server.key").read_bytes()
    (tls / "server.key").write_bytes(
        (shell.directory / "organizations" / "grid" / "peers" / "peer0" / "tls" / "server.key").read_bytes()
    )
    assert "server.key is not the key of" in refused(up(shell))
    (tls / "server.key").write_bytes(own)

    assert up(shell).returncode == 0
    assert heights(shell)["peer0.grid"] > before["peer0.grid"]


def test_a_process_that_dies_later_is_named_at_once(shell: Any) -> None:
    """A peer that is killed while its channel is joined: not what the others say of it half a minute later."""
    start = begin(shell)
    assert start.stdout is not None
    wait_for(start, "processes")
    shell.processes()["peer0.grid"][0].send_signal(signal.SIGKILL)
    _, said = start.communicate(timeout=20)
    assert start.returncode == 1
    assert "peer0.grid ended by SIGKILL while the network started" in said
    assert not shell.processes()


@pytest.mark.long
def test_a_command_killed_at_any_moment_leaves_no_half_network(shell: Any) -> None:
    """Each start goes on where the one before was killed; after the last, everything is there once."""
    for moment in MOMENTS:
        start = begin(shell)
        wait_for(start, moment)
        start.kill()
        start.communicate(timeout=20)
    gone(shell)
    assert up(shell).returncode == 0
    assert heights(shell)["peer0.newtown"] == heights(shell)["peer0.grid"]
    network = json.loads((shell.directory / "network.json").read_text())
    assert network["channels"]["newtown"]["chaincodes"] == {"market": {"version": "1.0", "sequence": 1}}


def begin(shell: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [shell.command, "network", "up"],
        cwd=shell.folder,
        env=shell.environment(COMMONWATT_HOMES="2", COMMONWATT_BACKEND="native"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(start: subprocess.Popen[str], phase: str) -> None:
    """Until the command says that the phase is done."""
    assert start.stdout is not None
    for line in start.stdout:
        if re.search(rf"✓ {phase}", line):
            return
    assert start.stderr is not None
    raise AssertionError(f"never came to {phase!r}: {start.stderr.read()}")


def gone(shell: Any) -> None:
    """Until whatever the killed command had started has been ended: the folder stays locked until then."""
    with exclusive(Layout(shell.directory)):
        assert not shell.processes()


@pytest.mark.long
def test_fabric_from_source_runs_with_a_word_that_its_version_is_unknown(shell: Any) -> None:
    real = find_fabric()
    folder = shell.folder / "built"
    folder.mkdir()
    for program in (real.peer, real.orderer):
        built = folder / program.name
        built.write_text(
            f'#!/bin/sh\n[ "$1" = version ] && echo " Version: latest" && exit\nexec {program} "$@"\n'
        )
        built.chmod(0o755)
    unknown = up(shell, FABRIC_BIN=str(folder))
    assert unknown.returncode == 0, unknown.stderr
    assert "Hyperledger Fabric of unknown version" in unknown.stdout
    shell.run("network", "down")
    told = up(shell, FABRIC_BIN=str(folder), FABRIC_VERSION=real.version_text)
    assert told.returncode == 0, told.stderr
    assert f"Hyperledger Fabric {real.version_text}" in told.stdout
