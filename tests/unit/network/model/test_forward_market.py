# SPDX-License-Identifier: Apache-2.0
"""The forward market in a topology: which channels can have it, and the definition that the kit writes for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from commonwatt_chaincode.forward import keys
from commonwatt_network.change.refusals import RefusedChangeError
from commonwatt_network.channels.deploy import definition_of
from commonwatt_network.cli.change import apply, plan
from commonwatt_network.model.forward_market import COLLECTION, chaincode_on
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.network_file import describe
from commonwatt_network.model.nodes import settle
from commonwatt_network.model.roster import Roster
from commonwatt_network.model.state import State, write_state
from commonwatt_network.model.topology import (
    TopologyError,
    default_topology,
    load_topology,
    parse_topology,
    sample_topologies,
)

FORWARD = sample_topologies()["forward"]
CARRIED = "      carrier: {role: carrier}\n"
GRID = "  grid:\n    users:\n      operator: {role: grid}\n"


def test_a_forward_market_gets_its_collection_and_both_organisations_endorse() -> None:
    topology = load_topology("forward")
    definition, kept = definition_of("market", chaincode_on(topology, "newtown", "market"))
    both = "AND('NewtownMSP.peer', 'GridMSP.peer')"
    assert definition.endorsement_policy == both
    [collection] = definition.collections
    assert collection.name == COLLECTION == keys.COLLECTION
    assert collection.member_policy == "OR('NewtownMSP.member', 'GridMSP.member')"
    assert collection.endorsement_policy == both
    assert (collection.member_only_read, collection.member_only_write) == (True, True)
    assert (collection.required_peer_count, collection.maximum_peer_count) == (0, 0)
    assert collection.blocks_to_live == 0
    assert not {"endorsement_policy", "collections"} & kept


def test_other_markets_and_other_chaincodes_stay_as_they_are_described() -> None:
    other = default_topology()
    assert chaincode_on(other, "newtown", "market") == other.chaincodes["market"]
    text = FORWARD.replace("chaincodes: [market]", "chaincodes: [market, notes]").replace(
        "  market: {}", "  market: {}\n  notes: {module: notes}"
    )
    beside = parse_topology(text)
    assert chaincode_on(beside, "newtown", "notes") == beside.chaincodes["notes"]


def test_one_chaincode_serves_channels_of_both_markets() -> None:
    text = FORWARD.replace(
        "    market: forward\n",
        "    market: forward\n  trials:\n    organizations: [newtown, grid]\n    chaincodes: [market]\n",
    )
    topology = parse_topology(text)
    assert chaincode_on(topology, "newtown", "market").collections
    assert chaincode_on(topology, "trials", "market").collections is None
    assert topology.channels["trials"].market == "ex_post"
    assert (
        parse_topology(text.replace("    market: forward\n", "    clock: live\n")).channels["newtown"].market
        == "ex_post"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("  newtown:\n    organizations: [newtown, grid]", "  newtown:\n    organizations: [newtown]"),
         "t.yaml:17: channel newtown has the forward market: newtown is alone"),
        (("[newtown, grid]", "[newtown, grid, other]", "  grid:\n", "  other: {}\n  grid:\n"),
         "t.yaml:18: channel newtown has the forward market: other is a third organisation"),
        (("operator: {role: grid}", "operator: {role: operator}"),
         "t.yaml:17: channel newtown has the forward market: grid has no user of role grid"),
        (("[newtown, grid]", "[grid, newtown]"),
         "t.yaml:17: channel newtown has the forward market: grid, its first organisation, is the community"),
        (("    chaincodes: [market]", "    chaincodes: []"),
         "t.yaml:19: channel newtown has the forward market: its chaincode is `market`"),
        (("  market: {}", "  market:\n    collections:\n      - {name: own, policy: \"OR('NewtownMSP.member')\"}"),
         "t.yaml:22: chaincode market: the kit writes the collections of a forward market"),
        (("  market: {}", "  market:\n    endorsement_policy: OR('NewtownMSP.peer')"),
         "t.yaml:22: chaincode market: the kit writes the endorsement policy of a forward market"),
        (("market: forward", "market: forward\n    readers: members"),
         "t.yaml:20: channel newtown has the forward market: `readers: members` would let each home read"),
        (("market: forward", "market: barter"),
         "t.yaml:19: channels.newtown.market: takes 'ex_post', 'forward' or 'exchange'"),
        (("{role: carrier}", "{role: courier}"), "takes 'operator', 'grid', 'home', 'meter' or 'carrier'"),
    ],
)  # fmt: skip
def test_what_a_forward_channel_cannot_be_is_said_with_its_place(
    change: tuple[str, ...], message: str
) -> None:
    text = FORWARD
    for old, new in zip(change[::2], change[1::2], strict=True):
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(TopologyError) as refused:
        parse_topology(text, "t.yaml")
    assert message in str(refused.value)


def test_a_grid_is_known_by_its_attribute_too() -> None:
    parse_topology(FORWARD.replace("{role: grid}", "{attributes: {role: grid}}"))


def test_the_network_file_says_each_channels_market(tmp_path: Path) -> None:
    topology = load_topology("forward")
    nodes = settle(topology, Layout(tmp_path), 13_500)
    content = describe(nodes, "embedded", Roster({name: {} for name in topology.organizations}), {})
    assert content["channels"]["newtown"]["market"] == "forward"


@pytest.mark.parametrize(
    ("running", "wanted", "line"),
    [
        (FORWARD, FORWARD.replace("market: forward", "market: ex_post"), 19),
        (FORWARD, FORWARD.replace("    market: forward\n", ""), 16),
        (FORWARD.replace("    market: forward\n", ""), FORWARD, 19),
    ],
)
def test_a_channel_keeps_its_market_and_the_plan_names_the_line(
    tmp_path: Path, running: str, wanted: str, line: int
) -> None:
    write_state(Layout(tmp_path / "network"), State(parse_topology(running), "embedded", 12_000))
    (tmp_path / "network/network.json").write_text("{}")  # it was up
    file = tmp_path / "wanted.yaml"
    file.write_text(wanted)
    kept = "forward" if "market: forward" in running else "ex_post"
    for verb in (plan, apply):
        with pytest.raises(RefusedChangeError) as refused:
            verb(str(file), directory=tmp_path / "network")
        assert str(refused.value).splitlines() == [
            "nothing was changed:",
            f"  {file}:{line}: channel newtown: its market is {kept} for good; another market is another channel",
        ]
