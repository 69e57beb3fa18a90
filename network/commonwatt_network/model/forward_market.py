# SPDX-License-Identifier: Apache-2.0
"""The forward market in a topology, and the exchange: the definitions that channels get, and what they must be.

Homes' messages stand in the collection `community`, at the peers of two organisations: the community and the grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from commonwatt_network.model.exchange_market import EXCHANGE, exchange_definition, exchange_mistakes
from commonwatt_network.model.topology_chaincode import Collection

if TYPE_CHECKING:
    from commonwatt_client.admin import ChaincodeDefinition
    from commonwatt_client.yaml_models import Location

    from commonwatt_network.model.topology_chaincode import Chaincode
    from commonwatt_network.model.topology_parts import Channel, TopologyFields

    Mistakes = Iterator[tuple[str, Location]]

MARKET = "market"
EX_POST, FORWARD = "ex_post", "forward"
COLLECTION = "community"
# Both organisations endorse, and each endorser keeps what it endorsed: two copies exist before a transaction counts,
# and further peers fetch theirs with the block. To require a third copy would stop trade with one peer's pause.
REQUIRED_PEERS = 0
# An endorser sends nobody a copy: the other one has it. With copies each peer of Fabric 3.1 used a sixth more processor
# time.
MAXIMUM_PEERS = 0


def forward_policy(community: str, grid: str) -> str:
    """Who endorses, by the MSP ids of the two organisations: a peer of each."""
    return f"AND('{community}.peer', '{grid}.peer')"


def forward_collection(community: str, grid: str) -> Collection:
    """The collection of homes' messages, by the MSP ids of the two organisations that hold it."""
    return Collection(
        name=COLLECTION,
        policy=f"OR('{community}.member', '{grid}.member')",
        required_peer_count=REQUIRED_PEERS,
        max_peer_count=MAXIMUM_PEERS,
        block_to_live=0,
        member_only_read=True,
        member_only_write=True,
        endorsement_policy=forward_policy(community, grid),
    )


def forward_definition(community: str, grid: str) -> dict[str, Any]:
    """What a forward market's definition says, by the MSP ids of the two organisations: fields of `Chaincode`."""
    return {
        "endorsement_policy": forward_policy(community, grid),
        "collections": [forward_collection(community, grid)],
    }


def chaincode_on(topology: TopologyFields, channel: str, name: str) -> Chaincode:
    """One of the topology's chaincodes as the channel has it: markets with generated definitions have theirs."""
    chaincode, settings = topology.chaincodes[name], topology.channels[channel]
    if name != MARKET or settings.market == EX_POST:
        return chaincode
    first, *others = map(topology.mspid, settings.organizations)
    if settings.market == EXCHANGE:
        return chaincode.model_copy(update=exchange_definition(first, others))
    return chaincode.model_copy(update=forward_definition(first, *others))


def market_of(definition: ChaincodeDefinition) -> str:
    """Which market a definition of `market` is for: one with the collection of homes' messages, the forward one."""
    return FORWARD if any(entry.name == COLLECTION for entry in definition.collections) else EX_POST


def forward_mistakes(topology: TopologyFields) -> Mistakes:
    """Channels that cannot have their market, and a policy or collections in place of those that the kit writes."""
    forward = [name for name, channel in topology.channels.items() if channel.market != EX_POST]
    for name in forward:
        channel = topology.channels[name]
        kind, mistakes = (
            ("the exchange", exchange_mistakes)
            if channel.market == EXCHANGE
            else ("the forward market", _parties)
        )
        for words, location in (*_common(channel), *mistakes(topology, channel)):
            yield f"channel {name} has {kind}: {words}", ("channels", name, *location)
    if forward and MARKET in topology.chaincodes:
        for field in ("endorsement_policy", "collections"):
            if getattr(topology.chaincodes[MARKET], field) is not None:
                yield (
                    f"chaincode {MARKET}: the kit writes the {field.replace('_', ' ')} of a forward market, as on "
                    f"channel {forward[0]}; leave {field} out",
                    ("chaincodes", MARKET, field),
                )


def _common(channel: Channel) -> Mistakes:
    if MARKET not in channel.chaincodes:
        yield f"its chaincode is `{MARKET}`; name it among the chaincodes", ("market",)
    if channel.readers != "operators":
        yield (
            "`readers: members` would let each home read the messages of all others, for its organisation holds them; "
            "leave `readers` out",
            ("readers",),
        )


def _parties(topology: TopologyFields, channel: Channel) -> Mistakes:
    community, *others = channel.organizations
    if not others:
        yield (
            f"{community} is alone; name its grid organisation after it, which endorses and holds the messages too",
            ("organizations",),
        )
    for number, stranger in enumerate(others[1:], start=2):
        yield (
            f"{stranger} is a third organisation; homes' messages go to two, the community and the grid",
            ("organizations", number),
        )
    if topology.has_grid(community):
        yield (
            f"{community}, its first organisation, is the community, and has a user of role grid; the grid is to "
            "confirm what the community proposes",
            ("organizations", 0),
        )
    if others and not any(topology.has_grid(name) for name in others):
        yield (
            f"{others[0]} has no user of role grid, without whom no home is confirmed; give it one: "
            "users: {operator: {role: grid}}",
            ("organizations", 1),
        )
