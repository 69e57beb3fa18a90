# SPDX-License-Identifier: Apache-2.0
"""Nodes named and placed as a topology says: names with dots, orderers' hostnames, fixed ports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.change.difference import difference
from commonwatt_network.change.placing import place
from commonwatt_network.change.refusals import RefusedChangeError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.node_names import fixed_ports, ports_of_nodes
from commonwatt_network.model.nodes import ports_needed, settle
from commonwatt_network.model.topology import (
    Topology,
    TopologyError,
    load_topology,
    parse_topology,
    sample_topologies,
)
from commonwatt_network.trust.fabric_authorities import administrator_id

SAMPLE = sample_topologies()["test-network-ca"]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def changed(**parts: Any) -> Topology:
    """The sample with some of its parts merged."""
    return Topology.model_validate(load_topology("test-network").model_dump(mode="json") | parts)


def test_the_test_network_has_the_names_and_ports_that_tutorials_name(layout: Layout) -> None:
    nodes = settle(load_topology("test-network-ca"), layout, 20_000)
    [orderer] = nodes.orderers
    assert (orderer.name, orderer.mspid, orderer.port, orderer.admin_port) == (
        "orderer.example.com", "OrdererMSP", 7050, 7053,
    )  # fmt: skip
    assert [(peer.name, peer.mspid, peer.port) for peer in nodes.peers] == [
        ("peer0.org1.example.com", "Org1MSP", 7051),
        ("peer0.org2.example.com", "Org2MSP", 9051),
    ]
    assert {server.name: server.port for server in nodes.authorities} == {
        "ca.org1.example.com": 7054, "ca.org2.example.com": 8054, "ca.example.com": 9054,
    }  # fmt: skip
    assert nodes.ports() == fixed_ports(nodes.topology)


def test_ports_that_are_not_fixed_come_from_the_block_around_those_that_are(layout: Layout) -> None:
    ports = {"first": 20_000, "nodes": {"orderer.example.com": {"port": 20_001, "operations": 7000}}}
    topology = changed(ports=ports)
    nodes = settle(topology, layout, 20_000)
    [orderer] = nodes.orderers
    assert (orderer.port, orderer.admin_port, orderer.operations_port) == (20_001, 20_000, 7000)
    assert [(peer.port, peer.operations_port) for peer in nodes.peers] == [(20_002, 20_003), (20_004, 20_005)]
    assert max(nodes.ports()) < 20_000 + ports_needed(topology)
    assert len(nodes.ports()) == sum(map(len, ports_of_nodes(topology).values()))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("peer0.org2.example.com: {port: 9051", "peer1.org2.example.com: {port: 9051",
         "t.yaml:27: no node is named peer1.org2.example.com; there are: orderer.example.com, peer0.org1"),
        ("{port: 7054}", "{operations: 7054}", "t.yaml:28: ca.org1.example.com has no operations port"),
        ("{port: 7054}", "{port: 7050}",
         "t.yaml:28: orderer.example.com and ca.org1.example.com cannot both listen on port 7050"),
        ("{port: 7054}", "{port: 80}", "t.yaml:28: ports.nodes.ca.org1.example.com.port: is 1024 or more"),
        ("hostname: orderer", "hostname: ca", "t.yaml:17: ca is the name of the organisation's Fabric CA"),
        ("hostname: orderer", "hostname: " + "o" * 60, "hostname and organisation have 61 characters at most"),
        ("name: test-network\nca: fabric-ca", "name: test-network", "the kit's own authority registers nobody"),
        ("user1: {}", "admin: {}", "every organisation has a user admin of its own"),
        ("name: admin, secret: adminpw", "name: user1, secret: adminpw",
         "user1 is who registers at the organisation's Fabric CA server"),
        ("name: admin, secret: adminpw", "name: home001, secret: adminpw}\n    homes: 1\n    #",
         "home001 is one of the organisation's 1 homes"),
        ("secret: adminpw", "secret: ''", "organizations.org1.example.com.registrar.secret"),
        ("  org1.example.com:\n    mspid", "  org1..example.com:\n    mspid", "dots between them"),
        ("  org1.example.com:\n    mspid", "  org1.example.com.:\n    mspid", "dots between them"),
    ],
)  # fmt: skip
def test_mistakes_are_told_where_they_stand(old: str, new: str, message: str) -> None:
    assert old in SAMPLE
    with pytest.raises(TopologyError) as refused:
        parse_topology(SAMPLE.replace(old, new, 1), "t.yaml")
    assert message in str(refused.value)


def test_an_msp_id_that_nobody_chose_is_made_of_the_names_words() -> None:
    topology = parse_topology(SAMPLE.replace("    mspid: Org1MSP\n", ""))
    assert topology.mspid("org1.example.com") == "Org1ExampleComMSP"


def test_orderers_that_come_are_named_after_the_first(layout: Layout) -> None:
    """As the samples call them: orderer, orderer2, orderer3."""
    running = load_topology("test-network")
    entry = running.orderers.organizations["example.com"].model_dump(mode="json")
    wanted = changed(orderers={"organizations": {"example.com": entry | {"nodes": 3}}})
    before = settle(running, layout, 20_000)
    placement = place(before, wanted, layout)
    after = settle(wanted, layout, 20_000, placement)
    assert [(orderer.name, orderer.port) for orderer in after.orderers][:1] == [("orderer.example.com", 7050)]
    assert [orderer.name for orderer in after.orderers] == [
        f"orderer{number}.example.com" for number in ("", 2, 3)
    ]
    assert after == settle(wanted, layout, 0, placement)
    assert {orderer.name for orderer in settle(wanted, layout, 20_000).orderers} == set(
        placement.orderers["example.com"]
    )


def test_a_node_that_comes_takes_its_fixed_port_and_those_that_run_keep_theirs(layout: Layout) -> None:
    running = load_topology("test-network")
    before = settle(running, layout, 20_000)
    organizations = running.model_dump(mode="json")["organizations"]
    organizations["org1.example.com"]["peers"] = 2
    ports = running.ports.model_dump(mode="json")
    ports["nodes"]["peer1.org1.example.com"] = {"port": 18_051}
    wanted = changed(organizations=organizations, ports=ports)
    steps = difference(running, wanted)
    assert "fixed ports of peer1.org1.example.com" in steps[0].words
    assert steps[-1].after == wanted
    peer = settle(wanted, layout, 0, place(before, wanted, layout)).peers[1]
    assert (peer.name, peer.port) == ("peer1.org1.example.com", 18_051)
    assert peer.operations_port not in {*before.ports(), 18_051}

    # A node that goes takes its entry with it.
    assert difference(wanted, running)[-1].after == running

    ports["nodes"]["peer0.org1.example.com"] = {"port": 18_052}
    with pytest.raises(RefusedChangeError, match=r"peer0\.org1\.example\.com runs, and keeps its ports"):
        difference(running, changed(organizations=organizations, ports=ports))


@pytest.mark.parametrize("part", ["hostname", "registrar"])
def test_names_that_certificates_carry_stay(part: str) -> None:
    text = sample_topologies()["test-network-ca"]
    other = text.replace("hostname: orderer", "hostname: sorter") if part == "hostname" else text.replace(
        "secret: adminpw", "secret: another", 1
    )  # fmt: skip
    if part == "hostname":
        other = other.replace("    orderer.example.com:", "    sorter.example.com:")
    with pytest.raises(RefusedChangeError) as refused:
        difference(parse_topology(text), parse_topology(other))
    assert "another" not in str(refused.value)


def test_the_administrator_has_another_name_at_the_server_where_the_registrar_is_called_admin() -> None:
    topology = load_topology("test-network-ca")
    assert administrator_id(topology, "org1.example.com") == "org1admin"
    assert administrator_id(topology, "example.com") == "admin"
