"""Topologies: samples, defaults, the schema, and mistakes told with their line."""

from __future__ import annotations

import pytest
from commonwatt_network.topology import (
    TopologyError,
    default_topology,
    json_schema,
    load_topology,
    parse_topology,
    sample_topologies,
)

DEFAULT = sample_topologies()["default"]


@pytest.mark.parametrize("name", sample_topologies())
def test_every_sample_is_a_topology(name: str) -> None:
    topology = load_topology(name)
    assert topology.channels
    assert topology == parse_topology(sample_topologies()[name])


def test_the_default_sample_is_the_default() -> None:
    assert load_topology("default") == default_topology()
    assert default_topology().mspid("newtown") == "NewtownMSP"
    assert default_topology().mspid("orderers") == "OrdererMSP"


@pytest.mark.parametrize("communities", [1, 3, 12, 50])
def test_communities_share_the_retailer(communities: int) -> None:
    topology = default_topology(communities, homes=5)
    assert len(topology.channels) == communities
    assert all(channel.organizations[1] == "grid" for channel in topology.channels.values())
    assert len(topology.organizations) == communities + 1


def test_the_schema_refuses_unknown_keys_too() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert {"organizations", "orderers", "channels"} <= schema["properties"].keys()
    assert all(model.get("additionalProperties", False) is False for model in schema["$defs"].values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("homes", "hoomes"), "t.yaml:4: unknown key organizations.newtown.hoomes; did you mean homes?"),
        (
            ("homes: 60", "wind: 60"),
            "t.yaml:4: unknown key organizations.newtown.wind; allowed here: client_authentication",
        ),
        (("homes: 60", "homes: many"), "t.yaml:4: organizations.newtown.homes: "),
        (("{role: operator}", "{role: king}"), "t.yaml:6: organizations.newtown.users.operator.role: "),
        (("newtown, grid", "newtown, newtown"), "channel newtown names the organisation newtown twice"),
        (("[market]", "[bakery]"), "channel newtown names the chaincode bakery, which is not among: market"),
        (("mspid: OrdererMSP", "mspid: GridMSP"), "two organisations have the MSP id GridMSP"),
        (("mspid: OrdererMSP", "nodes: 2"), "raft takes 1, 3 or 5 orderers in all, not 2"),
        (("orderers:\n  org", "orderers:\n  consensus: bft\n  org"), "bft takes 4 orderers in all, not 1"),
        (
            ("  newtown:\n    homes", "  New Town:\n    homes"),
            "t.yaml:3: organizations.New Town: 'New Town' is not",
        ),
        (("  grid:\n", "  newtown:\n"), "t.yaml:7: key newtown was given already on line 3"),
        (("organizations:\n  newtown", "organizations: {\n  newtown"), "not YAML"),
    ],
)
def test_mistakes_are_told_with_their_place(change: tuple[str, str], message: str) -> None:
    with pytest.raises(TopologyError) as refused:
        parse_topology(DEFAULT.replace(*change, 1), "t.yaml")
    assert message in str(refused.value)
    assert str(refused.value).startswith("t.yaml:")


def test_several_mistakes_are_told_at_once() -> None:
    text = (
        DEFAULT.replace("homes: 60", "homes: -1")
        .replace("clock", "x")
        .replace("market: {}", "market: {workers: 0}")
    )
    with pytest.raises(TopologyError) as refused:
        parse_topology(text, "t.yaml")
    assert len(str(refused.value).splitlines()) == 2
