# SPDX-License-Identifier: Apache-2.0
"""What clients and other tools read, and the ports a network keeps."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import yaml
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.network_file import describe
from commonwatt_network.model.nodes import Nodes, ports_needed, settle
from commonwatt_network.model.profiles import write_profiles
from commonwatt_network.model.topology import load_topology
from commonwatt_network.programs.ports import (
    FIRST,
    LAST,
    RANGE,
    PortInUseError,
    choose_first_port,
    require_free,
)
from commonwatt_network.trust.identity import ensure_identities


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    nodes = settle(load_topology("three-orderers"), Layout(tmp_path), 13_500)
    ensure_identities(nodes)
    return nodes


def files_in(value: object) -> list[str]:
    if isinstance(value, dict):
        return [found for entry in value.values() for found in files_in(entry)]
    if isinstance(value, list):
        return [found for entry in value for found in files_in(entry)]
    return [value] if isinstance(value, str) and value.startswith("/") else []


def test_the_network_file_names_files_that_exist(nodes: Nodes) -> None:
    roster = ensure_identities(nodes)
    content = json.loads(
        json.dumps(describe(nodes, "native", roster, {"newtown": {"market": {"version": "1.0"}}}))
    )
    assert content["backend"] == "native"
    assert content["organizations"]["newtown"]["mspid"] == "NewtownMSP"
    assert len(content["orderers"]) == 3
    assert content["channels"]["newtown"]["organizations"] == ["newtown", "grid"]
    paths = files_in(content)
    assert len(paths) > 200
    assert all(Path(path).is_file() for path in paths)
    assert len(content["organizations"]["newtown"]["users"]) == 62


def test_a_profile_holds_the_organisations_own_channels_alone(nodes: Nodes) -> None:
    write_profiles(nodes)
    profile = yaml.safe_load((nodes.layout.profiles / "newtown.yaml").read_text())
    assert set(profile["channels"]) == {"newtown"}
    assert set(profile["peers"]) == {"peer0.newtown", "peer0.grid"}
    assert profile["organizations"]["newtown"]["peers"] == ["peer0.newtown"]
    for endpoint in (*profile["peers"].values(), *profile["orderers"].values()):
        assert endpoint["url"].startswith("grpcs://127.0.0.1:")
        assert Path(endpoint["tlsCACerts"]["path"]).is_file()
    grid = yaml.safe_load((nodes.layout.profiles / "grid.yaml").read_text())
    assert set(grid["channels"]) == {"newtown", "glebe"}
    dialect = json.loads((nodes.layout.profiles / "newtown.fabric-sdk-py.json").read_text())
    assert "://" not in dialect["peers"]["peer0.newtown"]["url"]


def test_a_network_needs_each_of_its_ports_once(nodes: Nodes) -> None:
    ports = nodes.ports()
    assert len(ports) == ports_needed(nodes.topology)
    assert sorted(ports) == list(range(13_500, 13_500 + len(ports)))


def test_ports_are_free_and_below_the_ephemeral_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(RANGE, raising=False)
    first = choose_first_port(20, tmp_path)
    assert FIRST <= first <= LAST - 20
    assert choose_first_port(20, tmp_path) == first
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first + 7))
        taken.listen()
        assert choose_first_port(20, tmp_path) != first
        with pytest.raises(PortInUseError, match=f"port {first + 7}, which peer0 listens on, is in use by"):
            require_free({first: "orderer0", first + 7: "peer0"})


def test_ports_come_from_a_range_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for lowest in (15_000, 15_200):
        monkeypatch.setenv(RANGE, f"{lowest}-{lowest + 199}")
        found = {choose_first_port(20, tmp_path / str(number)) for number in range(30)}
        assert len(found) > 1
        assert all(lowest <= first <= lowest + 179 for first in found)
    monkeypatch.setenv(RANGE, "15000-15010")
    with pytest.raises(PortInUseError, match="no 20 consecutive free ports between 15000 and 15010"):
        choose_first_port(20, tmp_path)


@pytest.mark.parametrize("text", ["15000", "80-99", "15000-14000", "20000-40000", "all"])
def test_what_is_no_range_of_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(RANGE, text)
    with pytest.raises(UsageError, match=f"COMMONWATT_PORTS={text}: give a range"):
        choose_first_port(20, tmp_path)
