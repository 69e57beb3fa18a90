# SPDX-License-Identifier: Apache-2.0
"""A home whose certificate lacks what the market asks for is refused in one clear line, before anything is traded."""

import json

import pytest
import typer
from commonwatt_audit import cli as audit
from commonwatt_client import ConfigurationError
from commonwatt_client.network_file import read_network_file
from commonwatt_community import cli as community
from commonwatt_loadgen import cli as loadgen
from commonwatt_loadgen.simulate.command import simulate_command

from ...support.command_line import invoke


def network_file(folder, attributes):
    users = {"home001": {"attributes": {"role": "home", **attributes}}}
    content = {
        "name": "test",
        "backend": "embedded",
        "organizations": {"newtown": {"users": users}},
        "channels": {"newtown": {"organizations": ["newtown"], "chaincodes": {"market": {}}}},
    }
    path = folder / "network.json"
    path.write_text(json.dumps(content))
    return path


def test_a_home_without_an_id_is_named(tmp_path):
    path = network_file(tmp_path, {})
    with pytest.raises(ConfigurationError, match=r"home\.id"):
        read_network_file(path)
    app = typer.Typer()
    app.command()(simulate_command)
    out = str(tmp_path / "out")
    result = invoke(app, ["--network", str(path), "--out", out])
    assert result.exit_code == 2
    said = result.stderr.strip()
    assert len(said.splitlines()) == 1
    assert "home001" in said
    assert "no attribute `home.id`" in said
    assert not (tmp_path / "out").exists()


def test_a_home_is_found_by_its_id_and_by_its_user(tmp_path):
    community = read_network_file(network_file(tmp_path, {"home.id": "k3vq7m2xwa"})).communities[0]
    assert community.home_called("home001") == community.home_called("k3vq7m2xwa") == "k3vq7m2xwa"
    assert community.home_called("home002") is None


@pytest.mark.parametrize(
    "verb",
    [["verify"], ["simulate"], ["load"], ["load-max"], ["caliper"], ["home", "new", "--user", "home001"]],
    ids=lambda verb: verb[0],
)
def test_every_verb_looks_into_the_folder_that_the_environment_names(tmp_path, monkeypatch, verb):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMMONWATT_DIRECTORY", str(tmp_path / "elsewhere"))
    app = typer.Typer()
    for part in (audit, community, loadgen):
        part.register(app)
    result = invoke(app, verb)
    assert result.exit_code == 3
    assert str(tmp_path / "elsewhere" / "network.json") in result.stderr
