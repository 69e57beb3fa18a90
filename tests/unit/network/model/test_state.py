# SPDX-License-Identifier: Apache-2.0
"""What a network's folder says of it, and who reads the channels of one that was made before it said so."""

from __future__ import annotations

import json
from pathlib import Path

from commonwatt_network.change.difference import difference
from commonwatt_network.change.steps import ChangeReaders
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.roster import client_attributes, unit_of
from commonwatt_network.model.state import State, read_state, write_state
from commonwatt_network.model.topology import default_topology, parse_topology
from commonwatt_network.model.topology_parts import Channel, User


def test_a_market_is_read_by_operators_and_other_channels_by_members() -> None:
    assert default_topology().channels["newtown"].readers == "operators"
    assert Channel(organizations=["newtown"]).readers == "members"
    assert Channel(organizations=["newtown"], chaincodes=["basic"]).readers == "members"
    assert Channel(organizations=["newtown"], chaincodes=["basic", "market"]).readers == "operators"
    said = Channel(organizations=["newtown"], chaincodes=["market"], readers="members")
    assert said.readers == "members"


def test_who_reads_is_said_in_topologies() -> None:
    text = """
organizations: {newtown: {}}
orderers: {organizations: {orderers: {}}}
channels: {newtown: {organizations: [newtown], chaincodes: [market], readers: members}}
chaincodes: {market: {}}
"""
    assert parse_topology(text).channels["newtown"].readers == "members"


def test_channels_of_a_folder_that_does_not_say_are_read_by_members(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    write_state(layout, State(default_topology(), "embedded", 12000))
    content = json.loads(layout.state_file.read_bytes())
    del content["topology"]["channels"]["newtown"]["readers"]
    layout.state_file.write_text(json.dumps(content))
    state = read_state(layout)
    assert state is not None
    assert state.topology.channels["newtown"].readers == "members"
    [step] = difference(state.topology, default_topology())
    assert isinstance(step, ChangeReaders)
    write_state(layout, State(default_topology(), "embedded", 12000))
    again = read_state(layout)
    assert again is not None
    assert again.topology.channels["newtown"].readers == "operators"


def test_operators_of_community_and_grid_are_of_the_unit_that_reads() -> None:
    for role in ("operator", "grid"):
        assert client_attributes("someone", User(role=role))["hf.Affiliation"] == "operator"
        assert client_attributes("someone", User(attributes={"role": role}))["hf.Affiliation"] == "operator"
    others = [User(role=role) for role in ("meter", "home", "carrier")]
    for user in (User(), *others, User(attributes={"role": "auditor"})):
        assert client_attributes("someone", user)["hf.Affiliation"] == ""
    assert unit_of({}) == ""
