# SPDX-License-Identifier: Apache-2.0
"""The first hour of a chaincode developer: the commands of docs/chaincode.md, and what goes wrong after them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commonwatt_network.down import down

from ..support.development import dev
from ..support.fabric import require_backend
from .conftest import COMMAND, Shell

PAGE = Path(__file__).parents[2] / "docs" / "chaincode.md"
LIVE = re.compile(r"live: assets 1\.0, sequence (\d+) on shared, (\d+\.\d) s after the save")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Shell]:
    """A new project `assets`; its network is stopped in the end."""
    assert Shell(tmp_path).run("chaincode", "new", "assets").returncode == 0
    shell = Shell(tmp_path / "assets")
    try:
        yield shell
    finally:
        down(shell.directory)


def commands_of_the_page() -> list[str]:
    """The lines of the page's first blocks, without what is said about them."""
    section = PAGE.read_text().split("## Your first chaincode")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("    ")]
    return [re.split(r" {2,}#", line)[0].strip() for line in lines]


@pytest.mark.timeout(240)
def test_the_pages_four_commands_in_an_empty_directory(tmp_path: Path) -> None:
    made, followed, *calls = commands_of_the_page()
    assert made == "commonwatt chaincode new assets && cd assets && make test"
    assert followed == "commonwatt chaincode dev"
    shell = Shell(tmp_path / "assets")
    environment = Shell(tmp_path).environment()
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    ran = subprocess.run(
        made,
        shell=True,
        cwd=tmp_path,
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout
    try:
        with dev(shell) as session:
            session.says("end with Ctrl-C")
            for call in calls:
                answered = shell.run(*shlex.split(call)[1:])
                assert json.loads(answered.stdout) == {"id": "a1", "owner": "NorthMSP/alice", "size": 5}, call
            code, words = session.ends()
            assert (code, "`commonwatt network down` stops it" in words) == (0, True)
        client = subprocess.run(
            [sys.executable, "client.py", "a2"], cwd=shell.folder, capture_output=True, text=True, timeout=60
        )
        assert "bob sees {'id': 'a2'" in client.stdout, client.stderr
    finally:
        down(shell.directory)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("backend", ["embedded", pytest.param("native", marks=pytest.mark.long)])
def test_each_save_is_live_and_what_cannot_start_leaves_the_old_code_live(
    project: Shell, backend: str
) -> None:
    require_backend(backend)
    with dev(project, COMMONWATT_BACKEND=backend) as session:
        session.says("live: assets 1.0, sequence 1 on shared\n")
        session.says("end with Ctrl-C")
        refused = project.run("submit", "shared", "assets", "create", "a1", "0")
        assert (refused.returncode, "bad_size: the size is above 0" in refused.stderr) == (1, True)

        saved_s = session.save("the size is above 0", "a size must be above 0")
        told = LIVE.search(session.says(LIVE.pattern))
        took_s = time.monotonic() - saved_s
        assert told is not None
        assert told[1] == "2"
        assert float(told[2]) <= took_s < 20
        refused = project.run("submit", "shared", "assets", "create", "a1", "0")
        assert "bad_size: a size must be above 0" in refused.stderr
        described = json.loads((project.directory / "network.json").read_text())
        assert described["channels"]["shared"]["chaincodes"]["assets"] == {"version": "1.0", "sequence": 2}

        session.save("async def get", "async deff get")
        said = session.says("the next save tries again")
        assert "SyntaxError" in said
        assert "the version that was live goes on" in said
        assert (
            "bad_size: a size must" in project.run("evaluate", "shared", "assets", "create", "a1", "0").stderr
        )
        session.save("async deff get", "async def get")
        session.says("assets is again as it is live")

        second = project.run("chaincode", "dev", COMMONWATT_BACKEND=backend)
        assert second.returncode == 2
        assert re.fullmatch(r"commonwatt: another `commonwatt chaincode dev` follows .*\n", second.stderr)

        session.save("make test", "make  test", "README.md")  # no code of it
        session.save("[north, south]", "[north,  south]", "topology.yaml")
        session.says("topology.yaml changed: `commonwatt apply FILE`")
        code, words = session.ends()
        assert (code, "deploying" in words) == (0, False)
    assert json.loads(project.run("network", "status", "--json").stdout)["state"] == "running"
    logged = project.run("network", "logs", "assets.north", "-n", "1")
    assert (logged.returncode, len(logged.stdout.splitlines())) == (0, 1)
    unknown = project.run("network", "logs", "assets.west")
    assert unknown.returncode == 2
    assert "has no assets.west; it has orderer0, peer0.north, peer0.south, assets.north" in unknown.stderr


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_contract_that_never_started_and_one_that_changed_meanwhile(project: Shell) -> None:
    contract = project.folder / "assets.py"
    good = contract.read_text()
    contract.write_text("import nothing_like_it\n")
    with dev(project) as session:
        said = session.says("the network is not up; the next save tries again")
        assert "No module named 'nothing_like_it'" in said
        contract.write_text(good)
        session.says("live: assets 1.0, sequence 1 on shared\n")
        session.says("end with Ctrl-C")
        session.ends()
    contract.write_text(good.replace("is above 0", "cannot be below 1"))
    refused = project.run("network", "up")
    assert (refused.returncode, "its code changed" in refused.stderr) == (2, True)
    with dev(project) as session:
        session.says("assets has changed since it was deployed")
        session.says("live: assets 1.0, sequence 2 on shared")
        session.says("end with Ctrl-C")
        refused = project.run("submit", "shared", "assets", "create", "a1", "0")
        assert "cannot be below 1" in refused.stderr

        server = project.processes()["assets.south"][0]
        server.kill()
        assert "the next save starts assets again" in session.says("network that was stopped")
        session.save("cannot be below 1", "is more than 0")
        session.says(r"sequence 3 on shared")
        assert project.run("network", "reset").returncode == 0
        assert session.process.wait(20) == 3
        assert "there is no network" in session.output.read_text()


def test_bad_inputs_get_one_line(
    tmp_path: Path, refused: Callable[[subprocess.CompletedProcess[str]], str]
) -> None:
    shell = Shell(tmp_path, COMMAND)
    assert "lower-case letters" in refused(shell.run("chaincode", "new", "Assets"))
    (tmp_path / "assets").mkdir()
    assert "exists already" in refused(shell.run("chaincode", "new", "assets"))
    assert "commonwatt chaincode new NAME" in refused(shell.run("chaincode", "dev"))
    assert "whose code is here" in refused(shell.run("chaincode", "dev", "--topology", "default"))
    assert "is not one of 'embedded', 'native'" in refused(
        shell.run("chaincode", "dev", "--topology", "default", COMMONWATT_BACKEND="compose")
    )
