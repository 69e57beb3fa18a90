# SPDX-License-Identifier: Apache-2.0
"""The exchange between communities in a topology: the definition that its channel gets, and what it must be.

The grid comes first, then the communities. Keys of a community ask for its own peer and the grid's; all else asks for
the grid and a majority of the communities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from commonwatt_client.yaml_models import Location

    from commonwatt_network.model.topology_parts import Channel, TopologyFields

    Mistakes = Iterator[tuple[str, Location]]

EXCHANGE = "exchange"
FEWEST_COMMUNITIES = 2


def exchange_policy(grid: str, communities: Sequence[str]) -> str:
    """Who endorses, by MSP ids: a peer of the grid, and peers of more than half of the communities."""
    majority = len(communities) // 2 + 1
    peers = ", ".join(f"'{mspid}.peer'" for mspid in communities)
    return f"AND('{grid}.peer', OutOf({majority}, {peers}))"


def exchange_definition(grid: str, communities: Sequence[str]) -> dict[str, Any]:
    """What an exchange's definition says, by MSP ids: fields of `Chaincode`. It has no private data."""
    return {"endorsement_policy": exchange_policy(grid, communities)}


def exchange_mistakes(topology: TopologyFields, channel: Channel) -> Mistakes:
    """Why a channel cannot be that of an exchange: words, and where in the channel."""
    grid, *communities = channel.organizations
    if not topology.has_grid(grid):
        yield (
            f"{grid}, its first organisation, is the grid, and has no user of role grid; give it one: "
            "users: {operator: {role: grid}}",
            ("organizations", 0),
        )
    if len(communities) < FEWEST_COMMUNITIES:
        yield "name two communities or more after the grid; one alone trades with nobody", ("organizations",)
    for number, name in enumerate(communities, start=1):
        if topology.has_grid(name):
            yield f"{name} is a community, and has a user of role grid", ("organizations", number)
        elif not _has_market_with(topology, grid, name):
            yield (
                f"no channel has the forward market of {name} and {grid}; the exchange rests on what such a channel "
                "settles",
                ("organizations", number),
            )


def _has_market_with(topology: TopologyFields, grid: str, community: str) -> bool:
    return any(
        channel.market == "forward" and channel.organizations == [community, grid]
        for channel in topology.channels.values()
    )
