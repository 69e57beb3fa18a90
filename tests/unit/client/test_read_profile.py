# SPDX-License-Identifier: Apache-2.0
"""Connection profiles in the forms that SDKs have had, and what is not one."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from commonwatt_client import ConfigurationError
from commonwatt_client.profile import network_file_peers, read_profile


def written(folder: Path, content: Any, name: str = "profile.yaml") -> Path:
    path = folder / name
    path.write_text(json.dumps(content) if name.endswith(".json") else yaml.safe_dump(content))
    return path


COMMON = {
    "name": "test-network-org1",
    "client": {"organization": "Org1"},
    "organizations": {
        "Org1": {"mspid": "Org1MSP", "peers": ["peer0.org1.example.com"], "certificateAuthorities": ["ca"]},
        "Org2": {"mspid": "Org2MSP", "peers": []},
        "OrdererOrg": None,
    },
    "orderers": {
        "_default": {"grpcOptions": {}},
        "orderer.example.com": {"url": "grpcs://localhost:7050", "tlsCACerts": {"pem": "PEM"}},
    },
    "peers": {
        "peer0.org1.example.com": {
            "url": "grpcs://localhost:7051",
            "tlsCACerts": {"pem": "-----BEGIN CERTIFICATE-----\n"},
            "grpcOptions": {"ssl-target-name-override": "peer0.org1.example.com"},
        }
    },
}


@pytest.mark.parametrize("name", ["profile.yaml", "profile.json"])
def test_the_common_profile(tmp_path: Path, name: str) -> None:
    profile = read_profile(written(tmp_path, COMMON, name))
    assert (profile.name, profile.client_organization) == ("test-network-org1", "Org1")
    assert {name: each.mspid for name, each in profile.organizations.items()} == {
        "Org1": "Org1MSP",
        "Org2": "Org2MSP",
    }
    [peer] = profile.organizations["Org1"].peers
    assert (peer.address, peer.tls_server_name) == ("localhost:7051", "peer0.org1.example.com")
    assert [each.address for each in profile.orderers] == ["localhost:7050"]


def test_the_form_of_nodes_sdk_1_0(tmp_path: Path) -> None:
    content = {
        "network-config": {
            "orderer": {
                "url": "grpcs://localhost:7050",
                "server-hostname": "orderer.example.com",
                "tls_cacerts": "o.pem",
            },
            "org1": {
                "name": "peerOrg1",
                "mspid": "Org1MSP",
                "ca": "https://localhost:7054",
                "peers": {
                    "peer1": {
                        "requests": "grpcs://localhost:7051",
                        "events": "grpcs://localhost:7053",
                        "server-hostname": "peer0.org1.example.com",
                        "tls_cacerts": "org1.pem",
                    },
                    "peer2": {"requests": "grpcs://localhost:8051", "tls_cacerts": "org1.pem"},
                },
            },
        }
    }
    profile = read_profile(written(tmp_path, content, "network-config.json"))
    first, second = profile.organizations["org1"].peers
    assert (first.name, first.address, first.tls_server_name) == (
        "peer0.org1.example.com",
        "localhost:7051",
        "peer0.org1.example.com",
    )
    assert (second.name, second.tls_server_name) == ("peer2.org1", None)
    assert first.tls_ca_cert == tmp_path / "org1.pem"
    assert [each.tls_server_name for each in profile.orderers] == ["orderer.example.com"]


def test_the_form_of_gos_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses without a scheme, and paths with variables."""
    monkeypatch.setenv("CRYPTO", str(tmp_path / "crypto"))
    content = {
        "client": {"organization": "org1"},
        "organizations": {"org1": {"mspid": "Org1MSP", "peers": ["p"]}},
        "peers": {"p": {"url": "peer0.org1.example.com:7051", "tlsCACerts": {"path": "${CRYPTO}/ca.pem"}}},
    }
    [peer] = read_profile(written(tmp_path, content)).organizations["org1"].peers
    assert (peer.address, peer.tls_ca_cert) == ("peer0.org1.example.com:7051", tmp_path / "crypto" / "ca.pem")


def test_a_path_may_be_meant_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crypto").mkdir()
    (tmp_path / "crypto" / "ca.pem").write_text("PEM")
    (tmp_path / "profiles").mkdir()
    monkeypatch.chdir(tmp_path)
    content = {
        "organizations": {"org1": {"mspid": "Org1MSP", "peers": ["p"]}},
        "peers": {"p": {"url": "grpcs://p:7051", "tlsCACerts": {"path": "crypto/ca.pem"}}},
    }
    [peer] = read_profile(written(tmp_path / "profiles", content)).organizations["org1"].peers
    assert Path(str(peer.tls_ca_cert)).read_text() == "PEM"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "line 1"),
        ("- a\n", "it holds no mapping"),
        ("network-config: [1]", "wrong type"),
        ("organizations: 5", "wrong type"),
        ("organizations: {o: {mspid: M, peers: [p]}}", "'p'|'peers'"),
        ("organizations: {o: {mspid: M, peers: [p]}}\npeers: {p: {}}", "'url' is missing"),
        (
            "organizations: {o: {mspid: M, peers: [p]}}\npeers: {p: {url: http://p:1}}",
            "must start with grpcs",
        ),
    ],
)
def test_what_is_no_profile_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=said) as raised:
        read_profile(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["profile.yaml", "profile.json"])
def test_a_huge_file_is_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ConfigurationError, match="larger than 4 MiB"):
        read_profile(path)


def test_a_network_file_may_have_peers_without_tls(tmp_path: Path) -> None:
    peer = {"name": "p", "address": "127.0.0.1:7051", "tls_ca_cert": None, "plaintext": True}
    path = written(tmp_path, {"organizations": {"o": {"peers": [peer]}}}, "network.json")
    [read] = network_file_peers(path, "o")
    assert read.plaintext
    assert read.tls_ca_cert is None
