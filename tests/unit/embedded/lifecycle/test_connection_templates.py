# SPDX-License-Identifier: Apache-2.0
"""Packages as Fabric's own builder for chaincode as a service takes them: the type in any case, templates filled in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commonwatt_client.admin import read_package
from commonwatt_network.backends.configuration import builder_environment
from commonwatt_network.embedded.lifecycle.connection_templates import (
    VARIABLE,
    TemplateError,
    builder_values,
    fill_connection,
)
from commonwatt_network.embedded.lifecycle.package_store import PackageError, PackageStore, parse_package
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import settle
from commonwatt_network.model.topology import default_topology

from ..channels.test_parsing import package_of

TEMPLATED = {
    "address": "{{.peername}}_assets:{{ .ports.assets }}",
    "dial_timeout": "10s",
    "tls_required": True,
    "client_auth_required": True,
    "root_cert": "{{.root}}",
    "client_cert": "{{.cert}}",
    "client_key": "{{.key}}",
}
VALUES = {"ports": {"assets": 9999}, "root": "a CA", "cert": "a certificate", "key": "a key"}


def package(connection: object, kind: str = "ccaas") -> bytes:
    return package_of({"label": "assets_1", "type": kind}, json.dumps(connection).encode())


@pytest.mark.parametrize("kind", ["ccaas", "CCAAS", "CcaaS"])
def test_the_type_is_taken_in_any_case(kind: str) -> None:
    encoded = package({"address": "a:1"}, kind)
    assert parse_package(encoded).connection.address == "a:1"
    assert read_package(encoded)[1] == {"address": "a:1"}


def test_address_authority_and_keys_are_filled_in() -> None:
    connection = parse_package(
        package(TEMPLATED), builder_values("peer0.grid", json.dumps(VALUES))
    ).connection
    assert connection.address == "peer0.grid_assets:9999"
    assert (connection.root_cert, connection.client_cert, connection.client_key) == (
        "a CA",
        "a certificate",
        "a key",
    )


def test_the_peers_name_is_another_where_the_values_say_so() -> None:
    assert builder_values("peer0.grid", '{"peername": "org1peer1"}') == {"peername": "org1peer1"}
    assert builder_values("peer0.grid", None) == {"peername": "peer0.grid"}


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("{{.host}}:1", 'Failed to parse the Address field template: map has no entry for key "host"'),
        ("{{.ports.other}}:1", 'no entry for key "other"'),
        ("{{.ports}}:1", ".ports is no text or number"),
        ("{{if .x}}a{{end}}:1", "is more than {{.name}}, which is all that is taken"),
    ],
)
def test_a_template_without_a_value_is_refused_when_it_is_installed(
    address: str, said: str, tmp_path: Path
) -> None:
    store = PackageStore(tmp_path, lambda: VALUES)
    with pytest.raises(PackageError) as refused:
        store.install(package({"address": address}))
    assert said in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("setting", ["{", "[]", "[" * 100_000])
def test_values_that_are_no_object_are_named(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TemplateError, match=VARIABLE):
        builder_values("peer0.grid", setting)
    monkeypatch.setenv(VARIABLE, setting)
    [peer, *_] = settle(default_topology(homes=1), Layout(tmp_path), 12_000).peers
    with pytest.raises(UsageError, match=VARIABLE):
        builder_environment(peer)


def test_what_was_filled_in_stays_when_the_values_are_gone(tmp_path: Path) -> None:
    installed = PackageStore(tmp_path, lambda: {**VALUES, "peername": "p"}).install(package(TEMPLATED))
    kept = PackageStore(tmp_path, dict).installed[installed.package_id]
    assert kept.connection.address == "p_assets:9999"
    [values] = tmp_path.glob("*.values.json")
    assert values.stat().st_mode & 0o777 == 0o600, "keys may be among them"


def test_a_text_without_templates_stays_as_it_is() -> None:
    assert fill_connection({"address": "a}}:1", "tls_required": False}, {}) == {
        "address": "a}}:1",
        "tls_required": False,
    }


def test_real_peers_build_by_the_same_rules(tmp_path: Path) -> None:
    source, output = tmp_path / "source", tmp_path / "output"
    for folder in (source, output):
        folder.mkdir()
    (source / "connection.json").write_text(json.dumps(TEMPLATED))
    command = [
        sys.executable,
        "-m",
        "commonwatt_network.embedded.lifecycle.connection_templates",
        source,
        output,
    ]
    values = json.dumps({**VALUES, "peername": "p"})
    subprocess.run(command, env={VARIABLE: values}, check=True)
    assert json.loads((output / "connection.json").read_text())["address"] == "p_assets:9999"
    failed = subprocess.run(command, env={VARIABLE: "{}"}, capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr.startswith("::Error: Failed to parse the Address field template")
