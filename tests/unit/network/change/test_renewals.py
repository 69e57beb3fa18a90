# SPDX-License-Identifier: Apache-2.0
"""Whose certificates are due."""

from __future__ import annotations

from pathlib import Path

import pytest
from commonwatt_network.change.renewals import due
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, settle
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.trust.certificates import read_key_pair, reissue
from commonwatt_network.trust.identity import ensure_identities
from commonwatt_network.trust.issued import note_revoked, read_record
from cryptography import x509


def short_lived(orderers: int, days: int) -> Topology:
    content = default_topology(homes=3).model_dump(mode="json")
    content["orderers"]["organizations"]["orderers"] |= {"nodes": orderers, "days_valid": days}
    return Topology.model_validate(content)


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    """Three orderers whose certificates expire in twenty days; those of the community's in ten years."""
    nodes = settle(short_lived(3, 20), Layout(tmp_path), 12_900)
    ensure_identities(nodes)
    return nodes


def test_a_node_that_is_about_to_go_is_left_alone(nodes: Nodes) -> None:
    owners = [renewal.owner for renewal in due(nodes, short_lived(3, 3000))]
    assert owners == ["orderer0", "orderer1", "orderer2", "orderers's administrator"]
    owners = [renewal.owner for renewal in due(nodes, short_lived(1, 3000))]
    assert owners == ["orderer0", "orderers's administrator"]


def test_of_users_only_those_whose_time_has_come_are_renewed(nodes: Nodes) -> None:
    layout = nodes.layout
    authority = read_key_pair(
        *(layout.organization("newtown") / "ca" / name for name in ("ca.crt", "ca.key"))
    )
    for home in ("home001", "home002"):
        path = layout.user("newtown", home) / "msp" / "signcerts" / "cert.pem"
        old = x509.load_pem_x509_certificate(path.read_bytes())
        key = read_key_pair(path, path.parent.parent / "keystore" / "key.pem").key
        path.write_bytes(reissue(authority, old, key, 5).certificate_pem)
    note_revoked(layout, "newtown", "home001")
    [renewal] = [each for each in due(nodes, nodes.topology) if each.organization == "newtown"]
    assert [pair.certificate.parents[2].name for pair in renewal.pairs] == ["home002"]
    assert renewal.words == (
        "renew the certificates of newtown's 4 users and homes with the keys they have: 1 of them, 4 days left; "
        "left out, for good: home001 (revoked)"
    )


def test_everything_issued_is_on_record(nodes: Nodes) -> None:
    layout = nodes.layout
    serials = read_record(layout, "newtown").serials
    path = layout.user("newtown", "home003") / "certificate.pem"
    assert serials["home003"] == (x509.load_pem_x509_certificate(path.read_bytes()).serial_number,)
    assert {"admin", "operator", "home001", "home002", "peer0.newtown"} <= serials.keys()
    ensure_identities(nodes)
    assert read_record(layout, "newtown").serials == serials
    with (layout.organization("newtown") / "ca" / "issued").open("a") as file:
        file.write("issued home0")  # cut off
    assert read_record(layout, "newtown").serials == serials


def test_who_is_revoked_is_issued_nothing_and_stops_nobody(nodes: Nodes) -> None:
    """Neither when its files are gone nor when they are damaged."""
    layout = nodes.layout
    for home in ("home001", "home002"):
        note_revoked(layout, "newtown", home)
    lost = layout.user("newtown", "home001") / "msp" / "signcerts" / "cert.pem"
    lost.unlink()
    (layout.user("newtown", "home002") / "msp" / "signcerts" / "cert.pem").write_text("nothing")
    ensure_identities(nodes)
    assert not lost.exists()
