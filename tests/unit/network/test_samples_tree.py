# SPDX-License-Identifier: Apache-2.0
"""The trees of certificates, keys and profiles where samples look for them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import yaml
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, settle
from commonwatt_network.model.topology import Topology, default_topology, load_topology
from commonwatt_network.samples_tree import write_tree
from commonwatt_network.trust.certificates import read_key_pair
from commonwatt_network.trust.identity import ensure_identities
from cryptography import x509

ORG1 = "peerOrganizations/org1.example.com"
ORDERER = "ordererOrganizations/example.com"


def made(topology: Topology, folder: Path) -> Nodes:
    nodes = settle(topology, Layout(folder / ".commonwatt"), 20_000)
    ensure_identities(nodes)
    return nodes


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    return made(load_topology("test-network-ca"), tmp_path)


def test_everything_is_where_applications_look(nodes: Nodes, tmp_path: Path) -> None:
    organizations = write_tree(nodes, tmp_path)
    assert organizations == tmp_path / "organizations"
    user = organizations / ORG1 / "users/User1@org1.example.com/msp"
    pair = read_key_pair(user / "signcerts/cert.pem", user / "keystore/priv_sk")
    assert load(user / "signcerts/User1@org1.example.com-cert.pem") == pair.certificate
    assert "CN=user1" in pair.certificate.subject.rfc4514_string()
    # Applications take the first that they find.
    assert [path.name for path in (user / "keystore").iterdir()] == ["priv_sk"]
    admin = organizations / ORG1 / "users/Admin@org1.example.com/msp"
    assert "OU=admin" in load(admin / "signcerts/cert.pem").subject.rfc4514_string()
    issuer = load(organizations / ORG1 / "ca/ca.org1.example.com-cert.pem")
    pair.certificate.verify_directly_issued_by(issuer)

    tls = organizations / ORG1 / "peers/peer0.org1.example.com/tls"
    load(tls / "server.crt").verify_directly_issued_by(load(tls / "ca.crt"))
    assert (tls / "ca.crt").read_bytes() == (
        organizations / ORG1 / "tlsca/tlsca.org1.example.com-cert.pem"
    ).read_bytes()
    names = load(tls / "server.crt").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"peer0.org1.example.com", "localhost"} <= set(names.get_values_for_type(x509.DNSName))
    orderer = organizations / ORDERER / "orderers/orderer.example.com"
    load(orderer / "tls/server.crt").verify_directly_issued_by(
        load(orderer / "msp/tlscacerts/tlsca.example.com-cert.pem")
    )
    authority = organizations / "fabric-ca/org1/ca-cert.pem"
    assert authority.read_bytes() == (tls / "ca.crt").read_bytes()


def test_keys_are_their_owners_alone_and_those_that_nobody_needs_stay(nodes: Nodes, tmp_path: Path) -> None:
    organizations = write_tree(nodes, tmp_path)
    files = [path for path in organizations.rglob("*") if path.is_file()]
    keys = {path for path in files if b"PRIVATE KEY" in path.read_bytes()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    assert {path.relative_to(organizations).parts[2] for path in keys} == {"users", "peers", "orderers"}
    # Of nodes, the TLS keys alone, which tutorials show to osnadmin.
    nodes_keys = {path for path in keys if "users" not in path.parts}
    assert {path.name for path in nodes_keys} == {"server.key"}


def test_the_profile_is_whole_without_the_networks_folder(nodes: Nodes, tmp_path: Path) -> None:
    folder = write_tree(nodes, tmp_path) / ORG1
    profile = json.loads((folder / "connection-org1.json").read_text())
    assert yaml.safe_load((folder / "connection-org1.yaml").read_text()) == profile
    assert str(nodes.layout.directory) not in json.dumps(profile)
    tls = (folder / "tlsca/tlsca.org1.example.com-cert.pem").read_text()
    peer = profile["peers"]["peer0.org1.example.com"]
    assert (peer["url"], peer["tlsCACerts"]) == ("grpcs://127.0.0.1:7051", {"pem": tls})
    assert profile["certificateAuthorities"]["ca.org1.example.com"] == {
        "url": "https://127.0.0.1:7054",
        "caName": "ca.org1.example.com",
        "tlsCACerts": {"pem": [tls]},
        "httpOptions": {"verify": True},
    }
    assert profile["organizations"]["org1.example.com"]["certificateAuthorities"] == ["ca.org1.example.com"]
    assert profile["channels"]["mychannel"]["peers"]["peer0.org2.example.com"]["discover"] is True


def test_written_again_it_has_what_there_is_now(nodes: Nodes, tmp_path: Path) -> None:
    organizations = write_tree(nodes, tmp_path)
    stale = organizations / ORG1 / "users/Gone@org1.example.com"
    stale.mkdir()
    # As for a user that was revoked.
    (nodes.layout.user("org2.example.com", "user1") / "certificate.pem").unlink()
    write_tree(nodes, tmp_path)
    assert not stale.exists()
    assert (organizations / ORG1 / "users/User1@org1.example.com").exists()
    users = organizations / "peerOrganizations/org2.example.com/users"
    assert [path.name for path in users.iterdir()] == ["Admin@org2.example.com"]
    assert {path.name for path in organizations.iterdir()} == {
        "peerOrganizations", "ordererOrganizations", "fabric-ca",
    }  # fmt: skip


def test_another_networks_tree_is_left_alone(nodes: Nodes, tmp_path: Path) -> None:
    theirs = tmp_path / "organizations/ordererOrganizations/example.com/key"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    with pytest.raises(UsageError, match="ordererOrganizations is another network's"):
        write_tree(nodes, tmp_path)
    assert theirs.read_text() == "theirs"
    assert [path.name for path in (tmp_path / "organizations").iterdir()] == ["ordererOrganizations"]


def test_a_failure_leaves_the_former_tree(nodes: Nodes, tmp_path: Path) -> None:
    organizations = write_tree(nodes, tmp_path)
    before = sorted(path for path in organizations.rglob("*"))
    (nodes.layout.user("org2.example.com", "admin") / "private_key.pem").unlink()
    with pytest.raises(UsageError, match="private_key.pem: No such file"):
        write_tree(nodes, tmp_path)
    assert sorted(path for path in organizations.rglob("*")) == before


def test_an_organisation_without_dots_has_its_tree_too(tmp_path: Path) -> None:
    nodes = made(default_topology(homes=1), tmp_path)
    organizations = write_tree(nodes, tmp_path)
    assert (organizations / "peerOrganizations/newtown/connection-newtown.json").exists()
    assert (organizations / "peerOrganizations/newtown/peers/peer0.newtown/tls/ca.crt").exists()
    assert (organizations / "ordererOrganizations/orderers/orderers/orderer0.orderers").exists()
    assert not (organizations / "fabric-ca").exists()


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())
