# SPDX-License-Identifier: Apache-2.0
"""A forward market of two organisations that each run their own part: both say so, and nobody comes to them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key
from commonwatt_network.programs.ports import choose_first_port

from ..behaviour.forward_network import CONFIGURATION
from ..support.fabric import require_backend

COMMONWATT = str(Path(sys.executable).with_name("commonwatt"))
OTHERS = {"newtown": "operator", "grid": "grid", "third": "operator"}
FORWARD = {"market": "forward", "clock_error_s": None}


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """The folder of each organisation, whose keys are made and whose bundle is in `exchange`."""
    require_backend("native")
    first = choose_first_port(20, tmp_path)
    folders = {}
    for number, (name, role) in enumerate(OTHERS.items()):
        folder = tmp_path / name
        folder.mkdir()
        port = first + 6 * number
        description: dict[str, Any] = {
            "name": name,
            "peers": [{"host": "localhost", "port": port, "operations_port": port + 1}],
            "chaincode": {"port": port + 2, **FORWARD},
            "users": {"operator": {"role": role}},
        }
        if name == "newtown":
            ports = {"port": port + 3, "admin_port": port + 4, "operations_port": port + 5}
            description["orderers"] = [{"host": "localhost", **ports}]
        (folder / "organization.yaml").write_text(yaml.safe_dump(description))
        run(folder, "org", "init", "organization.yaml")
        run(folder, "org", "export", str(tmp_path / "exchange"))
        folders[name] = folder
    try:
        yield folders
    finally:
        for folder in folders.values():
            subprocess.run([COMMONWATT, "org", "stop"], cwd=folder, capture_output=True, timeout=60)


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    ended = subprocess.run(
        [COMMONWATT, *arguments, "--directory", str(folder / ".commonwatt")]
        if arguments[0] == "org" or arguments[1] == "propose"
        else [COMMONWATT, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == code, f"{arguments}: {ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


@pytest.mark.long
def test_two_hosts_have_a_forward_market_and_take_in_no_third(hosts: dict[str, Path], tmp_path: Path) -> None:
    exchange = tmp_path / "exchange"
    block = str(exchange / "newtown.block")
    bundles = [str(exchange / f"{name}.json") for name in ("newtown", "grid")]
    run(tmp_path, "consortium", "create", "newtown", *bundles, "--out", block)
    two = {name: hosts[name] for name in ("newtown", "grid")}
    for folder in two.values():
        for step in (["start"], ["join", block], ["install"]):
            run(folder, "org", *step)
    assert "waiting for GridMSP" in run(hosts["newtown"], "org", "approve", "newtown", "--wait", "60")
    assert "is in force" in run(hosts["grid"], "org", "approve", "newtown", "--wait", "60")
    assert "is in force" in run(hosts["newtown"], "org", "approve", "newtown", "--wait", "60")
    for folder in two.values():
        standing = json.loads(run(folder, "org", "status", "--json"))["channels"]["newtown"]
        assert (standing["committed"], standing["waiting_for"]) == ("1.0", [])
    set_key_of_the_operator(hosts["newtown"], tmp_path)
    for folder in two.values():
        assert "holds all 1 private values that stand" in run(folder, "doctor", "--deep")
    third, update = str(exchange / "third.json"), exchange / "update"
    refused = run(hosts["grid"], "consortium", "propose", "newtown", third, "--out", str(update), code=2)
    assert "channel newtown has a forward market, whose messages go to the two organisations" in refused
    assert not update.exists()


def set_key_of_the_operator(host: Path, folder: Path) -> None:
    """Configure the market, and write to its collection what comes by `--transient`."""
    answer = run(host, "org", "submit", "newtown", "forward:configure", json.dumps(CONFIGURATION))
    net = json.loads(answer)["net"]
    key = make_key(folder / "operator.pem")
    with Journal(folder / "journal") as journal:
        possession = Author(key, journal, net, "newtown", "NewtownMSP").brings_key(key.public, 1, "operator")
    (folder / "possession").write_bytes(possession)
    of_the_operator = json.dumps({"author": "operator", "home": "NewtownMSP"})
    private = ("--transient", f"possession=@{folder / 'possession'}")
    kept = run(host, "org", "submit", "newtown", "forward:set_key", of_the_operator, *private)
    assert json.loads(kept)["kid"] == key.public.kid


@pytest.mark.long
@pytest.mark.parametrize(
    ("members", "options", "words"),
    [
        (("newtown", "grid", "third"), [], "a forward market has two, the community and the grid"),
        (("newtown", "grid"), ["--readers", "members"], "channel newtown is read by members"),
    ],
    ids=["three members", "open readers"],
)
def test_a_channel_that_cannot_have_it_gets_no_approval(
    hosts: dict[str, Path], tmp_path: Path, members: tuple[str, ...], options: list[str], words: str
) -> None:
    exchange = tmp_path / "exchange"
    block = str(exchange / "newtown.block")
    bundles = [str(exchange / f"{name}.json") for name in members]
    run(tmp_path, "consortium", "create", "newtown", *bundles, *options, "--out", block)
    for step in (["start"], ["join", block], ["install"]):
        run(hosts["newtown"], "org", *step)
    assert words in run(hosts["newtown"], "org", "approve", "newtown", code=2)
    assert words in run(hosts["newtown"], "org", "status")
