# SPDX-License-Identifier: Apache-2.0
"""A network by its name, its file or its folder."""

import json
from pathlib import Path

import pytest
from commonwatt_client import NoNetworkError
from commonwatt_client.network_file import CONNECTED, find_network, networks_folder, read_network_file


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the network `energy`, kept in the user's configuration folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.delenv("COMMONWATT_DIRECTORY", raising=False)
    file = tmp_path / "configuration" / "commonwatt" / "networks" / "energy" / "network.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    return file


def test_by_its_name_its_file_or_its_folder(kept: Path, tmp_path: Path) -> None:
    assert find_network("energy") == kept
    assert find_network(str(kept)) == find_network(kept.parent) == kept
    assert find_network(None) == find_network("") == Path(".commonwatt/network.json")
    (tmp_path / "elsewhere").mkdir()
    assert find_network("elsewhere") == Path("elsewhere/network.json")
    assert find_network("nowhere.json") == Path(
        "nowhere.json"
    )  # whoever reads it says that it does not exist


@pytest.mark.usefixtures("kept")
def test_a_name_that_no_network_has_is_said_with_those_that_there_are() -> None:
    with pytest.raises(NoNetworkError, match=r"no network is called enregy; there are: energy; .*connect"):
        find_network("enregy")


def test_a_configuration_folder_that_is_not_absolute_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert networks_folder() == Path.home() / ".config" / "commonwatt" / "networks"


def test_who_operates_the_market_and_who_reads_its_blocks(kept: Path) -> None:
    def user(**attributes: str) -> dict[str, object]:
        return {"attributes": {name.replace("_", "."): value for name, value in attributes.items()}}

    home = user(role="home", home_id="h1", meter_id="m1")
    content = {
        "name": "energy",
        "backend": CONNECTED,
        "identity": {"organization": "Org1", "user": "Admin"},
        "organizations": {
            "Org1": {"users": {"Admin": user(), "trader7": user(role="operator"), "h1": home}},
            "Org2": {"users": {}},
        },
        "channels": {
            "trades": {"organizations": ["Org2", "Org1"], "chaincodes": {"market": {}}},
            "others": {"organizations": ["Org2"], "chaincodes": {"market": {}}},
            "papers": {"organizations": ["Org1"], "chaincodes": {}},
        },
    }
    kept.write_text(json.dumps(content))
    network = read_network_file(kept)
    assert [(one.channel, one.organization, one.operator) for one in network.communities] == [
        ("trades", "Org1", "trader7")
    ]
    assert network.readers() == {"trades": ("Org1", "Admin")}
    content["organizations"]["Org1"]["users"].pop("h1")
    kept.write_text(json.dumps(content))
    assert read_network_file(kept, homes=False).readers() == {"trades": ("Org1", "Admin")}
    with pytest.raises(ValueError, match="connect --users FOLDER"):
        read_network_file(kept)
    # Of a network of our own the operator reads, also where homes have no certificates.
    ours = {name: value for name, value in content.items() if name != "identity"}
    kept.write_text(json.dumps(ours))
    assert read_network_file(kept, homes=False).readers() == {"trades": ("Org1", "trader7")}
