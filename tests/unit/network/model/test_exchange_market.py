# SPDX-License-Identifier: Apache-2.0
"""An exchange in a topology: the definition that the kit writes, and what its channel must be."""

from __future__ import annotations

import pytest
from commonwatt_network.errors import TopologyError
from commonwatt_network.model.exchange_market import exchange_policy
from commonwatt_network.model.forward_market import chaincode_on
from commonwatt_network.model.topology import load_topology, parse_topology, sample_topologies

MEMBERS = "organizations: [grid, newtown, enmore, glebe]"


def test_the_grid_and_a_majority_endorse() -> None:
    region = load_topology("region")
    policy = chaincode_on(region, "exchange", "market").endorsement_policy
    assert policy == "AND('GridMSP.peer', OutOf(2, 'NewtownMSP.peer', 'EnmoreMSP.peer', 'GlebeMSP.peer'))"
    assert chaincode_on(region, "exchange", "market").collections is None
    assert chaincode_on(region, "glebe", "market").collections
    assert "OutOf(2," in exchange_policy("G", ["A", "B"])
    assert "OutOf(3," in exchange_policy("G", ["A", "B", "C", "D"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            (MEMBERS, "organizations: [newtown, grid, enmore, glebe]"),
            "newtown, its first organisation, is the grid",
        ),
        ((MEMBERS, "organizations: [grid, newtown]"), "two communities or more"),
        (
            ("organizations: [glebe, grid]", "organizations: [enmore, grid]"),
            "no channel has the forward market of glebe",
        ),
        (("market: exchange", "market: exchange\n    readers: members"), "readers"),
        (
            ("  market: {}", "  market: {endorsement_policy: \"OR('GridMSP.peer')\"}"),
            "the kit writes the endorsement",
        ),
    ],
)
def test_channels_that_are_no_exchange(change: tuple[str, str], words: str) -> None:
    text = sample_topologies()["region"].replace(*change)
    with pytest.raises(TopologyError, match=words):
        parse_topology(text)
