# SPDX-License-Identifier: Apache-2.0
"""Where a network's file goes, and what it holds."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import ClientCertificate
from commonwatt_client.profile import ConnectionProfile, ProfileOrganization
from commonwatt_network.connected.connect import _Certificates, organization_names, own_organization, place_of
from commonwatt_network.connected.network import is_connected, read_connected
from commonwatt_network.connected.status import RUNNING, SILENT
from commonwatt_network.errors import UsageError
from commonwatt_network.trust.certificates import create_authority, issue_enrolment


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A network file with one peer and two users, one of them an administrator."""
    pair = issue_enrolment(create_authority("ca", "org1"), "user", "client", None, 30)
    (tmp_path / "cert.pem").write_bytes(pair.certificate_pem)
    (tmp_path / "key.pem").write_bytes(pair.key_pem)
    user = {
        "certificate": str(tmp_path / "cert.pem"),
        "private_key": str(tmp_path / "key.pem"),
        "attributes": {},
    }
    peer = {"name": "peer0", "mspid": "Org1MSP", "address": "localhost:7051", "tls_ca_cert": None}
    content = {
        "name": "energy",
        "backend": "connected",
        "identity": {"organization": "Org1", "user": "User1"},
        "organizations": {
            "Org1": {
                "mspid": "Org1MSP",
                "peers": [{**peer, "plaintext": True, "operations_address": "localhost:9444"}],
                "users": {"User1": {**user, "role": "client"}, "Admin": {**user, "role": "admin"}},
            },
            "Org2": {"mspid": "Org2MSP", "peers": [{**peer, "name": "peer1"}], "users": {}},
        },
        "orderers": [{**peer, "name": "orderer0", "mspid": "OrdererMSP"}],
        "channels": {"trades": {"organizations": ["Org1"], "chaincodes": {}}},
    }
    path = tmp_path / "network.json"
    path.write_text(json.dumps(content))
    return path


def test_what_a_file_tells(file: Path) -> None:
    network = read_connected(file)
    assert [(node.name, node.kind, node.mspid) for node in network.nodes] == [
        ("peer0", "peer", "Org1MSP"),
        ("peer1", "peer", "Org2MSP"),
        ("orderer0", "orderer", "OrdererMSP"),
    ]
    assert network.nodes[0].endpoint.plaintext
    assert network.nodes[0].operations_address == "localhost:9444"
    assert [node.name for node in network.peers(channel="trades")] == ["peer0"]
    assert [node.name for node in network.peers("Org2")] == ["peer1"]
    assert network.administrator() == "Admin"
    assert network.who()[0].mspid == network.mspid == "Org1MSP"
    assert {RUNNING, SILENT} == {"running", "silent"}


def without(*path: str) -> Callable[[dict[str, Any]], None]:
    def spoil(content: dict[str, Any]) -> None:
        for name in path[:-1]:
            content = content[name]
        del content[path[-1]]

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        without("identity"),
        without("identity", "user"),
        without("orderers"),
        without("organizations", "Org1"),
        without("organizations", "Org1", "users", "User1"),
        without("organizations", "Org2", "mspid"),
        lambda content: content.update(channels=None, organizations=[]),
        lambda content: content["orderers"].append(
            {"name": "x", "mspid": "M", "address": "none", "tls_ca_cert": None}
        ),
    ],
)
def test_a_damaged_file_is_said_in_one_line(file: Path, spoil: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(file.read_text())
    spoil(content)
    file.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="cannot be read .* `commonwatt connect`") as raised:
        read_connected(file)
    assert "\n" not in str(raised.value)


def test_only_a_file_that_says_so_is_of_others(file: Path, tmp_path: Path) -> None:
    assert is_connected(file)
    for text in ('{"backend": "native"}', "[]", "", "{"):
        (tmp_path / "other.json").write_text(text)
        assert not is_connected(tmp_path / "other.json")
    assert not is_connected(tmp_path / "nowhere.json")
    with (tmp_path / "huge.json").open("wb") as huge:
        huge.truncate(1 << 40)
    assert not is_connected(tmp_path / "huge.json")


def test_where_a_file_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    kept = place_of("energy", tmp_path, replace=False)
    assert kept == tmp_path / "commonwatt" / "networks" / "energy" / "network.json"
    assert place_of(None, tmp_path / "here", replace=False) == tmp_path / "here" / "network.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    with pytest.raises(UsageError, match="the name energy is taken"):
        place_of("energy", tmp_path, replace=False)
    assert place_of("energy", tmp_path, replace=True) == kept
    (kept.parent / "state.json").write_text("{}")
    with pytest.raises(UsageError, match="that this kit made"):
        place_of("energy", tmp_path, replace=True)


def profile(client: str = "", **mspids: str) -> ConnectionProfile:
    peer: Any = object()
    organizations = {name: ProfileOrganization(mspid, (peer,)) for name, mspid in mspids.items()}
    return ConnectionProfile("", client, organizations, ())


def test_whose_identity_it_is() -> None:
    path = Path("profile.yaml")
    both = profile(Org1="Org1MSP", Org2="Org2MSP")
    assert own_organization(path, both, "Org2MSP") == ("Org2", "Org2MSP")
    assert own_organization(path, profile("Org1", Org1="Org1MSP", Org2="Org2MSP"), "") == ("Org1", "Org1MSP")
    assert own_organization(path, profile("gone", Org1="Org1MSP"), "") == ("Org1", "Org1MSP")
    with pytest.raises(UsageError, match="--msp, one of Org1MSP, Org2MSP"):
        own_organization(path, both, "")
    with pytest.raises(UsageError, match="has Org1MSP, Org2MSP"):
        own_organization(path, both, "Org3MSP")
    with pytest.raises(UsageError, match="one of none"):
        own_organization(path, profile(), "")


def test_an_msp_id_is_what_its_organisation_likes(tmp_path: Path) -> None:
    """It leads neither out of the folder nor to the name of another organisation."""
    certificates = _Certificates(tmp_path / "energy")
    written = [
        certificates.authority(mspid, mspid.encode())
        for mspid in ("../../x", "/etc/x", "", ".._.._x", "a\0b")
    ]
    certificates.write()
    assert len(set(written)) == 5
    assert all(Path(path).parent == tmp_path / "energy" / "tls" for path in written)
    assert certificates.authority("../../x", b"../../x") == written[0]
    names = organization_names(["Org1", "Org1MSP", "Org2MSP"], {"Org1MSP": "Org1"})
    assert names == {"Org1": "Org1-msp", "Org1MSP": "Org1", "Org2MSP": "Org2MSP"}


def test_a_client_pair_of_a_profile_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    certificates = _Certificates(tmp_path)
    named = certificates.pair(ClientCertificate(tmp_path / "own.crt", tmp_path / "own.key"))
    assert named == {
        "tls_client_certificate": str(tmp_path / "own.crt"),
        "tls_client_key": str(tmp_path / "own.key"),
    }
    inside = certificates.pair(ClientCertificate(b"CERTIFICATE", b"KEY"))
    certificates.write()
    assert Path(inside["tls_client_key"]).read_bytes() == b"KEY"
    assert stat.S_IMODE(Path(inside["tls_client_key"]).stat().st_mode) == 0o600
