# SPDX-License-Identifier: Apache-2.0
"""`commonwatt doctor`: what this machine can run and what is missing, one line each with the fix."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.programs.fabric import FabricNotFoundError, check_version, find_fabric

THINGS = (
    "Python",
    "memory",
    "disk",
    "open files",
    "ports",
    "network folder",
    "backend native",
    "consensus: bft",
    "ca: fabric-ca",
    "backend compose",
    "backend kubernetes",
)


def findings(result: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """Of each thing its mark and what is said of it; one line each."""
    found = {}
    for line in result.stdout.splitlines():
        what = next(thing for thing in THINGS if line[2:].startswith(thing))
        found[what] = (line[0], line[2 + len(what) :].strip())
    assert tuple(found) == THINGS
    return found


def programs(folder: Path, version: str) -> Path:
    """A folder with programs that say they are of this version of Fabric."""
    folder.mkdir()
    for name in ("peer", "orderer"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name}:'\necho ' Version: {version}'\n")
        (folder / name).chmod(0o755)
    return folder


def test_a_machine_without_anything_runs_the_default_network(shell: Any, tmp_path: Path) -> None:
    result = shell.run("doctor", PATH=str(tmp_path), FABRIC_BIN="")
    assert result.returncode == 0, result.stderr
    found = findings(result)
    assert {what: mark for what, (mark, _) in found.items() if mark != "✓"} == dict.fromkeys(THINGS[6:], "-")
    assert found["network folder"][1] == "no network yet"
    for what, fix in (
        ("backend native", "make fabric"),
        ("consensus: bft", "make fabric"),
        ("ca: fabric-ca", "install Fabric CA's release"),
        ("backend compose", "install a container engine"),
        ("backend kubernetes", "install kubectl"),
    ):
        assert fix in found[what][1]


@pytest.mark.parametrize(
    ("version", "native", "bft"), [("v3.1.5", "✓", "✓"), ("2.5.15", "✓", "-"), ("v2.2.20", "-", "-")]
)
def test_it_knows_what_a_version_of_fabric_can_do(
    shell: Any, tmp_path: Path, version: str, native: str, bft: str
) -> None:
    found = findings(shell.run("doctor", FABRIC_BIN=str(programs(tmp_path / "fabric", version))))
    assert (found["backend native"][0], found["consensus: bft"][0]) == (native, bft)
    assert f"Hyperledger Fabric {version.lstrip('v')}" in found["backend native"][1]
    assert ("make fabric" in found["backend native"][1]) == (native == "-")


def test_fabric_from_source_is_taken_with_a_word(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = str(programs(tmp_path / "fabric", "latest\n Commit SHA: development build"))
    found = findings(shell.run("doctor", FABRIC_BIN=built))
    assert [found[what][0] for what in ("backend native", "consensus: bft")] == ["✓", "✓"]
    assert "Hyperledger Fabric of unknown version" in found["backend native"][1]
    assert "its programs do not tell" in found["consensus: bft"][1]
    monkeypatch.setenv("FABRIC_BIN", built)
    monkeypatch.setenv("FABRIC_VERSION", "2.5.15")
    fabric = find_fabric()
    assert fabric.version_text == "2.5.15"
    with pytest.raises(FabricNotFoundError, match="bft needs Fabric 3"):
        check_version(fabric, "bft")
    monkeypatch.setenv("FABRIC_VERSION", "new")
    with pytest.raises(FabricNotFoundError, match="FABRIC_VERSION=new is not a release such as"):
        find_fabric()
    monkeypatch.setenv("FABRIC_VERSION", "3.1.5")
    for name in ("peer", "orderer"):
        (tmp_path / "fabric" / name).write_text("#!/bin/sh\necho something else\n")
    with pytest.raises(FabricNotFoundError, match="does not say which version"):
        find_fabric()


def test_what_the_default_network_lacks_is_exit_code_1(shell: Any) -> None:
    few = (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    result = subprocess.run(
        [shell.command, "doctor"],
        cwd=shell.folder,
        env=shell.environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, few),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1, result.stderr
    assert findings(result)["open files"] == ("✗", "512: raise it with `ulimit -n 4096`")


def test_a_network_and_a_damaged_one_are_told(shell: Any) -> None:
    shell.directory.mkdir()
    (shell.directory / "state.json").write_text("{")
    result = shell.run("doctor")
    assert result.returncode == 1, result.stderr
    mark, says = findings(result)["network folder"]
    assert (mark, str(shell.directory) in says) == ("✗", True)


@pytest.mark.long
def test_a_damaged_ledger_is_told_deep_and_at_start_and_comes_back(shell: Any) -> None:
    """One bit of one transaction's id in a peer's file: that peer alone would not find the transaction."""
    assert shell.up().returncode == 0
    assert "✓ ledgers            5 files hold what was written" in shell.run("doctor", "--deep").stdout
    shell.run("network", "down")
    file = shell.directory / "ledgers" / "peer0.grid" / "channels" / "newtown" / "ledger.sqlite"
    with closing(sqlite3.connect(file)) as database:
        (transaction,) = database.execute("select txid from transactions order by block desc").fetchone()
    content = bytearray(file.read_bytes())
    content[content.index(transaction.encode())] ^= 1
    file.write_bytes(content)
    deep, start = shell.run("doctor", "--deep"), shell.up()
    assert (deep.returncode, start.returncode) == (1, 1)
    for said in (deep.stdout, start.stderr):
        assert f"{file}: " in said
        assert "delete the file to let this peer fetch the channel anew" in said
    file.unlink()
    assert shell.up().returncode == 0
    assert shell.run("doctor", "--deep").returncode == 0
