# SPDX-License-Identifier: Apache-2.0
"""The verbs of founding and operating: what is wrong is one line and an exit code, before anything is done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import certifi
import pytest
import typer
import yaml
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.network_file import NetworkFile
from commonwatt_community.founding import cli as founding
from commonwatt_community.founding.folder import open_folder
from commonwatt_community.messages.signing_key import make_key
from commonwatt_community.operating import cli as operating
from commonwatt_community.operating.service_access import LogsInAlone, service_of

from ....support.command_line import Ended, invoke
from ....support.living_town import TARIFF, TIMES

NETWORK = {
    "name": "test",
    "backend": "embedded",
    "channels": {"newtown": {"organizations": ["newtown", "grid"], "chaincodes": ["market"]}},
    "organizations": {
        "newtown": {"mspid": "NewtownMSP", "users": {}},
        "grid": {"mspid": "GridMSP", "users": {}},
    },
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMMONWATT_NETWORK", raising=False)
    monkeypatch.delenv("COMMONWATT_DIRECTORY", raising=False)
    community = {
        "name": "newtown",
        "channel": "newtown",
        "organization": "newtown",
        "utc_offset_min": 600,
        "times": TIMES,
        "tariff": TARIFF,
    }
    (tmp_path / "community.yaml").write_text(yaml.safe_dump(community))
    (tmp_path / "homes.csv").write_text("class\nconsumer\n")
    return tmp_path


def ended(words: str) -> Ended:
    app = typer.Typer()
    founding.register(app)
    operating.register(app)
    return invoke(app, words.split())


def test_without_a_network(folder: Path) -> None:
    for words in ("community new community.yaml", "community confirm", "community status"):
        assert ended(words).exit_code == 3, words
    for words in ("operate", "homes add homes.csv", "operate nowhere", "community new nowhere.yaml"):
        assert ended(words).exit_code in (2, 3), words
    assert sorted(file.name for file in folder.iterdir()) == ["community.yaml", "homes.csv"]


def test_mistakes_come_before_any_network(folder: Path) -> None:
    (folder / "homes.csv").write_text("class\nprosumr\n")
    wrong = ended("homes add homes.csv")
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        "homes.csv:2: class 'prosumr' is unknown; did you mean prosumer?\n",
    )
    (folder / "community.yaml").write_text("name: newtown\n")
    wrong = ended("operate")
    assert wrong.exit_code == 2
    assert "community.yaml:1: channel: is missing" in wrong.stderr
    assert ended("community readings nowhere.csv").exit_code == 2
    assert '"title": "CommunityFile"' in ended("community schema").stdout


def test_a_network_that_is_another_one(folder: Path) -> None:
    network = folder / "network.json"
    network.write_text(json.dumps(NETWORK))
    for change, said in (
        ({"organization": "glebe"}, "has no organisation glebe"),
        ({"channel": "glebe"}, "names no channel glebe"),
    ):
        community = yaml.safe_load((folder / "community.yaml").read_text())
        (folder / "community.yaml").write_text(yaml.safe_dump({**community, **change}))
        wrong = ended(f"community status --network {network}")
        assert (wrong.exit_code, said in wrong.stderr) == (2, True), wrong.stderr
        (folder / "community.yaml").write_text(yaml.safe_dump(community))
    wrong = ended(f"community confirm --network {network}")
    assert "no identity of the grid is named" in wrong.stderr
    wrong = ended(f"community confirm --grid nobody --network {network}")
    assert "name USER@ORGANISATION" in wrong.stderr
    wrong = ended(f"operate --network {network}")
    assert "codes.key does not exist; `commonwatt community new" in wrong.stderr


async def test_the_operator_logs_in_with_its_key_and_says_nothing_else(folder: Path) -> None:
    network = NetworkFile(folder / "network.json", "test", "embedded", (), NETWORK)
    assert service_of(open_folder(folder), network, "net") is None
    community = yaml.safe_load((folder / "community.yaml").read_text())
    service = {"url": "https://localhost:8443", "certificate": "service.pem"}
    (folder / "community.yaml").write_text(yaml.safe_dump({**community, "service": service}))
    make_key(folder / "operator.pem")
    with pytest.raises(ConfigurationError, match=r"service\.pem cannot be read"):
        service_of(open_folder(folder), network, "net")
    shutil.copy(certifi.where(), folder / "service.pem")
    found = service_of(open_folder(folder), network, "net")
    assert found is not None
    await found.close()
    silent = LogsInAlone()
    assert silent.highest_seq("net", "newtown", "h1", 1, "bid") == 0
    with pytest.raises(ConfigurationError, match="says nothing else"):
        silent.write(b"")
