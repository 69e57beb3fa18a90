# SPDX-License-Identifier: Apache-2.0
"""How nodes that a network tells of are dialled and named."""

from __future__ import annotations

import pytest
from commonwatt_client import Peer
from commonwatt_client.admin import DiscoveredPeer, Organization
from commonwatt_network.connected.survey import (
    LONGEST_NOTE,
    MOST_NODES,
    FoundNode,
    _Finding,
    _take_peers,
    dialled,
    name_of,
    unique_names,
)
from commonwatt_network.trust.certificates import create_authority, issue_enrolment


@pytest.mark.parametrize(
    ("endpoint", "local", "address", "server_name", "name"),
    [
        ("peer0.org2.example.com:9051", False, "peer0.org2.example.com:9051", None, "peer0.org2.example.com"),
        (
            "peer0.org2.example.com:9051",
            True,
            "localhost:9051",
            "peer0.org2.example.com",
            "peer0.org2.example.com",
        ),
        ("localhost:9051", True, "localhost:9051", None, "peer0.org2"),
        ("127.0.0.1:9051", False, "127.0.0.1:9051", None, "peer0.org2"),
    ],
)
def test_a_node_as_it_is_dialled_from_here(
    endpoint: str, local: bool, address: str, server_name: str | None, name: str
) -> None:
    """Tutorials' networks in containers publish names that resolve among containers alone."""
    node = dialled(endpoint, b"PEM", local, "peer0.org2")
    assert (node.address, node.tls_server_name, node.name) == (address, server_name, name)


def test_a_peer_of_the_profile_is_not_taken_twice() -> None:
    finding = _Finding(local=True)
    finding.take_peer(
        "Org1MSP", Peer("localhost:7051", tls_server_name="peer0.org1.example.com", name="peer0")
    )
    for endpoint in ("peer0.org1.example.com:7051", "localhost:7051"):
        finding.take_peer("Org1MSP", dialled(endpoint, b"PEM", True))
    assert [node.endpoint.name for node in finding.peers.values()] == ["peer0"]
    finding.take_peer("Org2MSP", dialled("peer0.org2.example.com:9051", b"PEM", True))
    assert len(finding.peers) == 2


def test_two_nodes_of_one_name_are_told_by_their_ports() -> None:
    nodes = [
        FoundNode("M", Peer(f"127.0.0.1:{port}", name=name)) for port, name in ((1, "a"), (2, "a"), (3, "b"))
    ]
    assert unique_names(nodes) == ["a:1", "a:2", "b"]
    assert name_of(nodes[0].endpoint) == "a at 127.0.0.1:1"
    assert name_of(Peer("127.0.0.1:1")) == "127.0.0.1:1"


def found(*endpoints: str, common_name: str = "peer0.org2.example.com") -> list[DiscoveredPeer]:
    certificate = issue_enrolment(
        create_authority("ca", "org2"), common_name, "peer", None, 30
    ).certificate_pem
    return [DiscoveredPeer("Org2MSP", endpoint, 1, {}, certificate) for endpoint in endpoints]


def member(*anchors: str, mspid: str = "Org2MSP") -> Organization:
    return Organization(mspid, mspid, (), (), (b"PEM",), (), (), anchors)


def test_what_other_organisations_say_of_themselves_is_bounded() -> None:
    """Endpoints and certificates' names are what a member of the channel likes them to be."""
    finding = _Finding(local=False)
    bad = ("", "nowhere", "a/b:7051", "host:port", "x" * 300 + ":1", "[::1]:7051 ", "\x1b[2J:7051")
    _take_peers(
        "trades", {"Org2MSP": member()}, found(*bad, "localhost:7051", common_name="\x1b[2J"), finding
    )
    assert [node.endpoint.name for node in finding.peers.values()] == ["localhost:7051"]
    assert finding.notes == ["6 endpoints of Org2MSP are not host:port, so they are left out"]
    _take_peers(
        "trades", {"Org2MSP": member()}, found(*(f"host{n}:7051" for n in range(2 * MOST_NODES))), finding
    )
    assert len(finding.peers) == MOST_NODES
    finding.note("\x1b[2J" + "x" * 10_000)
    assert len(finding.notes[-1]) == LONGEST_NOTE
    assert finding.notes[-1].isprintable()


def test_anchor_peers_stand_for_an_organisation_that_nobody_has_met() -> None:
    finding = _Finding(local=False)
    members = {
        "Org2MSP": member("anchor.org2:7051"),
        "Org3MSP": member(mspid="Org3MSP"),
        "Org4MSP": member("anchor.org4:7051", mspid="Org4MSP"),
    }
    _take_peers("trades", members, found("localhost:7051"), finding)
    assert {node.endpoint.name for node in finding.peers.values()} == {
        "peer0.org2.example.com",
        "anchor.org4",
    }
    assert ["Org3MSP" in note and "none is known" in note for note in finding.notes] == [True, False]
    assert "only its anchor peers are known of the peers of Org4MSP" in finding.notes[1]
