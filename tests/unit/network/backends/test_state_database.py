# SPDX-License-Identifier: Apache-2.0
"""Where peers keep their state: CouchDB by a topology's word, its password in a peer's environment alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from commonwatt_network.backends import native
from commonwatt_network.backends.backend import refuse_couchdb
from commonwatt_network.change.refusals import RefusedChangeError, refuse_impossible
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import settle
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.model.topology_parts import CouchDB
from commonwatt_network.programs.fabric import FabricPrograms

SERVERS = {"peer0.newtown": "http://127.0.0.1:5984/", "peer0.grid": "http://couch.example:5985"}


def topology(state: Any) -> Topology:
    return default_topology(homes=1).model_copy(update={"state": state})


def programs(directory: Path, state: Any) -> dict[str, Any]:
    nodes = settle(topology(state), Layout(directory), 10_000)
    fabric = FabricPrograms(Path("/peer"), Path("/orderer"), (3, 1, 5))
    return {program.name: program for program in native.node_programs(nodes, fabric)}


def core(directory: Path, peer: str) -> Any:
    return yaml.safe_load((Layout(directory).configuration / peer / "core.yaml").read_text())["ledger"][
        "state"
    ]


@pytest.mark.parametrize("state", [None, "leveldb"])
def test_leveldb_is_where_state_is_if_nothing_else_is_said(tmp_path: Path, state: Any) -> None:
    programs(tmp_path, state)
    assert core(tmp_path, "peer0.newtown") == {"stateDatabase": "goleveldb", "totalQueryLimit": 100_000}


def test_each_peer_has_its_couchdb_and_the_password_is_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.COUCHDB_USER, "admin")
    monkeypatch.setenv(native.COUCHDB_PASSWORD, "Tops3cret")
    found = programs(tmp_path, CouchDB(couchdb=SERVERS))
    assert core(tmp_path, "peer0.newtown")["couchDBConfig"]["couchDBAddress"] == "127.0.0.1:5984"
    assert core(tmp_path, "peer0.grid")["couchDBConfig"]["couchDBAddress"] == "couch.example:5985"
    environment = found["peer0.grid"].environment
    assert environment["CORE_LEDGER_STATE_COUCHDBCONFIG_USERNAME"] == "admin"
    assert environment["CORE_LEDGER_STATE_COUCHDBCONFIG_PASSWORD"] == "Tops3cret"
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any("Tops3cret" in text for text in files)


def test_the_password_comes_from_a_file_or_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (native.COUCHDB_USER, native.COUCHDB_PASSWORD, native.COUCHDB_PASSWORD_FILE):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match=f"set {native.COUCHDB_USER}, and {native.COUCHDB_PASSWORD} or"):
        native.couchdb_environment()
    monkeypatch.setenv(native.COUCHDB_USER, "admin")
    monkeypatch.setenv(native.COUCHDB_PASSWORD_FILE, str(tmp_path / "secret"))
    with pytest.raises(UsageError, match="cannot be read"):
        native.couchdb_environment()
    (tmp_path / "secret").write_text("Tops3cret\n")
    assert native.couchdb_environment()["CORE_LEDGER_STATE_COUCHDBCONFIG_PASSWORD"] == "Tops3cret"


def test_a_running_network_keeps_its_state_database() -> None:
    with pytest.raises(RefusedChangeError, match="peers keep the state database that they began with"):
        refuse_impossible(topology("leveldb"), topology(CouchDB(couchdb=SERVERS)))


def test_containers_have_no_couchdb() -> None:
    refuse_couchdb(topology("leveldb"))
    with pytest.raises(UsageError, match="needs the native or the embedded network"):
        refuse_couchdb(topology(CouchDB(couchdb=SERVERS)))
