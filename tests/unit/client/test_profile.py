# SPDX-License-Identifier: Apache-2.0
"""Connecting from files: what is understood, and one clear line for what is not."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from commonwatt_client import (
    ClientCertificate,
    ConfigurationError,
    Peer,
    connect_network_file,
    connect_profile,
)
from commonwatt_client.profile import network_file_peers, network_file_user, profile_peers

from .conftest import Keyed


@pytest.fixture
def network_file(tmp_path: Path, keyed: Keyed) -> Path:
    (tmp_path / "certificate.pem").write_bytes(keyed.identity.certificate_pem)
    (tmp_path / "private_key.pem").write_bytes(keyed.key_pem)
    peer = {
        "name": "peer0",
        "address": "127.0.0.1:7051",
        "tls_ca_cert": "/ca.crt",
        "tls_server_name": "peer0.newtown",
    }
    user = {
        "certificate": str(tmp_path / "certificate.pem"),
        "private_key": str(tmp_path / "private_key.pem"),
    }
    content = {
        "organizations": {"newtown": {"mspid": "NewtownMSP", "peers": [peer], "users": {"operator": user}}}
    }
    file = tmp_path / "network.json"
    file.write_text(json.dumps(content))
    return file


def altered(file: Path, change: Any) -> Path:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    return file


def test_network_file(network_file: Path, keyed: Keyed) -> None:
    identity, signer = network_file_user(network_file, "newtown", "operator")
    assert identity == keyed.identity
    assert signer.sign(bytes(32))
    assert network_file_peers(network_file, "newtown") == (
        Peer("127.0.0.1:7051", Path("/ca.crt"), "peer0.newtown", "peer0"),
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("organizations"), "no organisation newtown; it has none"),
        (lambda content: content["organizations"].update(newtown=7), "no organisation newtown"),
        (lambda content: content["organizations"]["newtown"].pop("mspid"), "field 'mspid' is missing"),
        (lambda content: content["organizations"]["newtown"].update(peers=[7]), "wrong type"),
        (lambda content: content["organizations"]["newtown"].update(peers=[]), "no peer to connect to"),
        (lambda content: content["organizations"]["newtown"]["users"].clear(), "no user operator"),
        (
            lambda content: content["organizations"]["newtown"]["peers"][0].update(address="nonsense"),
            "not host:port",
        ),
    ],
)
def test_flawed_network_files(network_file: Path, change: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        connect_network_file(altered(network_file, change), "newtown", "operator")


def test_no_network_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make network-up"):
        connect_network_file(tmp_path / "network.json")


PROFILE: dict[str, Any] = {
    "client": {"organization": "Org1"},
    "organizations": {"Org1": {"mspid": "Org1MSP", "peers": ["peer0.org1.example.com"]}},
    "peers": {
        "peer0.org1.example.com": {
            "url": "grpcs://localhost:7051",
            "tlsCACerts": {"pem": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"},
            "grpcOptions": {
                "ssl-target-name-override": "peer0.org1.example.com",
                "hostnameOverride": "other",
            },
        }
    },
}


@pytest.mark.parametrize("name", ["profile.yaml", "profile.json"])
def test_the_samples_profile(tmp_path: Path, name: str) -> None:
    """The shape that fabric-samples' test network writes."""
    file = tmp_path / name
    file.write_text(json.dumps(PROFILE) if name.endswith("json") else yaml.safe_dump(PROFILE))
    (peer,) = profile_peers(file)
    assert (peer.address, peer.tls_server_name) == ("localhost:7051", "peer0.org1.example.com")
    assert peer.tls_ca_cert == PROFILE["peers"][peer.name]["tlsCACerts"]["pem"].encode()
    assert not peer.plaintext


def test_profile_paths_are_relative_to_it(tmp_path: Path) -> None:
    peer = {"url": "grpcs://localhost:7051", "tlsCACerts": {"path": "tls/ca.crt"}}
    content = {**PROFILE, "peers": {"peer0.org1.example.com": peer}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(content))
    assert profile_peers(tmp_path / "p.yaml")[0].tls_ca_cert == tmp_path / "tls" / "ca.crt"


def test_a_profiles_client_certificate(tmp_path: Path, keyed: Keyed) -> None:
    """For peers that demand mutual TLS, as fabric-samples and other tools write it."""
    pair = {"cert": {"path": "client.crt"}, "key": {"pem": keyed.key_pem.decode()}}
    content = {**PROFILE, "client": {"organization": "Org1", "tlsCerts": {"client": pair}}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(content))
    (peer,) = profile_peers(tmp_path / "p.yaml")
    assert peer.client_certificate == ClientCertificate(tmp_path / "client.crt", keyed.key_pem)
    pair["key"] = {}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError, match="needs cert and key"):
        profile_peers(tmp_path / "p.yaml")


def without(content: Any, path: tuple[str, ...], leave: bool) -> Any:
    """The content with one of its sections null, or left out altogether."""
    first, *rest = path
    if rest:
        return {**content, first: without(content[first], tuple(rest), leave)}
    if leave:
        return {key: value for key, value in content.items() if key != first}
    return {**content, first: None}


PEER = "peer0.org1.example.com"
FULL_PROFILE: dict[str, Any] = {
    **PROFILE,
    "client": {
        "organization": "Org1",
        "tlsCerts": {"client": {"cert": {"pem": "c", "path": "c"}, "key": {"pem": "k", "path": "k"}}},
    },
}
SECTIONS = [
    ("client",),
    ("client", "organization"),
    ("client", "tlsCerts"),
    ("client", "tlsCerts", "client"),
    ("client", "tlsCerts", "client", "cert"),
    ("client", "tlsCerts", "client", "cert", "pem"),
    ("client", "tlsCerts", "client", "cert", "path"),
    ("client", "tlsCerts", "client", "key"),
    ("organizations",),
    ("organizations", "Org1"),
    ("organizations", "Org1", "mspid"),
    ("organizations", "Org1", "peers"),
    ("peers", PEER, "tlsCACerts"),
    ("peers", PEER, "tlsCACerts", "pem"),
    ("peers", PEER, "grpcOptions"),
    ("peers", PEER, "grpcOptions", "ssl-target-name-override"),
]


@pytest.mark.parametrize("name", ["p.yaml", "p.json"])
@pytest.mark.parametrize("section", SECTIONS, ids=".".join)
def test_a_null_section_of_a_profile_is_none(tmp_path: Path, section: tuple[str, ...], name: str) -> None:
    """As templates leave them, and as YAML reads a key with nothing after it."""
    outcomes = []
    for leave in (True, False):
        content = without(FULL_PROFILE, section, leave)
        (tmp_path / name).write_text(
            json.dumps(content) if name.endswith("json") else yaml.safe_dump(content)
        )
        try:
            outcomes.append(str(profile_peers(tmp_path / name)))
        except ConfigurationError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("section", [("peers",), ("peers", PEER), ("peers", PEER, "url")], ids=".".join)
def test_a_null_section_that_is_needed_is_told(tmp_path: Path, section: tuple[str, ...]) -> None:
    (tmp_path / "p.json").write_text(json.dumps(without(FULL_PROFILE, section, False)))
    with pytest.raises(ConfigurationError, match=r"p\.json: a field has the wrong type"):
        profile_peers(tmp_path / "p.json")


@pytest.mark.parametrize("name", ["peers", "users", "mspid"])
def test_null_sections_of_a_network_file(network_file: Path, name: str) -> None:
    file = altered(network_file, lambda content: content["organizations"]["newtown"].update({name: None}))
    with pytest.raises(ConfigurationError, match="no peer to connect|has no user operator|MSP id"):
        connect_network_file(file, "newtown", "operator")


def test_files_with_a_byte_order_mark(tmp_path: Path, network_file: Path) -> None:
    network_file.write_bytes(b"\xef\xbb\xbf" + network_file.read_bytes())
    assert network_file_peers(network_file, "newtown")
    for name in ("p.yaml", "p.json"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + json.dumps(PROFILE).encode())
        assert profile_peers(tmp_path / name)


def test_profile_without_a_client_organization(tmp_path: Path, keyed: Keyed) -> None:
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({**PROFILE, "client": {}}))
    with pytest.raises(ConfigurationError, match=r"names no client\.organization"):
        connect_profile(tmp_path / "p.yaml", identity=keyed.identity)
    assert profile_peers(tmp_path / "p.yaml", "Org1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a: &a0 [x]\n"
            + "".join(f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
            "50000 entries",
        ),
        ("[" * 100_000, "nested deeper than 50 levels"),
        ("a: 2024-13-45", "'2024-13-45' is no timestamp"),
        ("a: \0", "the character U+0000"),
    ],
)
def test_a_profile_that_grows_or_nests_without_end_is_refused_in_one_line(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "profile.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        profile_peers(file, "newtown")
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
