# SPDX-License-Identifier: Apache-2.0
"""How nodes that a network tells of are dialled and named."""

from __future__ import annotations

import pytest
from commonwatt_client import Peer
from commonwatt_network.connected.survey import FoundNode, _Finding, dialled, name_of, unique_names


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
