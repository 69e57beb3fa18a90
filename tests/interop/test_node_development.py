# SPDX-License-Identifier: Apache-2.0
"""`commonwatt chaincode dev` follows a chaincode on the official Node library, by its `command`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from commonwatt_network.down import down

from ..acceptance.conftest import Shell
from ..support.development import dev
from .node_chaincode.installed import node_chaincode

TOPOLOGY = """
organizations:
  north: {users: {alice: {}}}
  south: {users: {bob: {}}}
orderers: {organizations: {orderers: {mspid: OrdererMSP}}}
channels:
  shared: {organizations: [north, south], chaincodes: [probe]}
chaincodes:
  probe:
    command: node probe.mjs
    environment: {CORE_CHAINCODE_LOGGING_LEVEL: error}
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Shell]:
    """A folder with the Node chaincode and a topology that runs it by its command."""
    installed = node_chaincode().parent
    folder = tmp_path / "node"
    folder.mkdir()
    shutil.copy(installed / "probe.mjs", folder)
    shutil.copy(installed / "package.json", folder)
    (folder / "node_modules").symlink_to(installed / "node_modules")
    (folder / "topology.yaml").write_text(TOPOLOGY)
    try:
        yield Shell(folder)
    finally:
        down(folder / ".commonwatt")


@pytest.mark.timeout(180)
@pytest.mark.long
def test_each_save_of_a_node_chaincode_is_live(project: Shell) -> None:
    with dev(project) as session:
        session.says("end with Ctrl-C")
        done = project.run("submit", "shared", "probe", "increment", "counter", "--as", "alice")
        assert done.stdout == "1\n", done.stderr
        session.save("|| '0') + 1", "|| '0') + 100", "probe.mjs")
        session.says("probe.mjs changed: deploying probe")
        session.says(r"live: probe 1\.0, sequence 2 on shared, \d+\.\d s after the save")
        done = project.run("submit", "shared", "probe", "increment", "counter", "--as", "bob", "--json")
        assert json.loads(done.stdout)["result"] == 101, done.stderr
        session.save("const transactions = {", "const transactions = {{", "probe.mjs")
        said = session.says("the next save tries again")
        assert "SyntaxError" in said
        assert project.run("evaluate", "shared", "probe", "get", "counter").stdout == "101\n"
        assert session.ends()[0] == 0
