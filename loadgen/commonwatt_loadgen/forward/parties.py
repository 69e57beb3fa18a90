# SPDX-License-Identifier: Apache-2.0
"""Who acts on a channel of the forward market when a program plays all parts: operator, grid and carriers."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_client import Connection, connect
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import MARKET, Community, NetworkFile
from commonwatt_client.profile import network_file_peers, network_file_user
from commonwatt_community.market.forward import FORWARD, ForwardMarket, organizations_of
from commonwatt_community.market.refused import DATA_NOT_HERE

GRID = "grid"

PASSING = frozenset(
    {
        DATA_NOT_HERE,
        "not_configured",
        "unknown_home",
        "no_key",
        "not_taking_bids",
        "too_early",
        "gate_open",
        "not_frozen",
        "not_settled",
        "day_not_over",
    }
)
"""What an organisation's peer answers while it is a block behind the one that reported the commit."""

Told = Callable[[str, float, int], None]
"""Of a committed transaction: its name, seconds from its proposal on, and tries."""


@dataclass(frozen=True)
class Parties:
    """The market as its operator and as the grid call it; each over its own organisation's peer."""

    operator: ForwardMarket
    grid: ForwardMarket


def grid_user(network: NetworkFile, community: Community) -> tuple[str, str]:
    """Organisation and user of the channel's grid; UsageError where the network file names none."""
    for organization in network.content["channels"][community.channel]["organizations"]:
        if organization == community.organization:
            continue
        user = _with_role(network.content["organizations"][organization]["users"], GRID)
        if user is not None:
            return organization, user
    raise UsageError(
        f"{network.path} names no user of role `grid` on channel {community.channel}, who confirms homes; "
        "this command plays all parts, so it runs where the network was started"
    )


@asynccontextmanager
async def parties_of(
    network: NetworkFile, community: Community, told: Told | None = None
) -> AsyncIterator[Parties]:
    """Operator and grid, connected."""
    organizations = organizations_of(network.content, network.path, community.channel)
    async with AsyncExitStack() as stack:

        async def market(organization: str, user: str) -> ForwardMarket:
            connection = Connection(network_file_peers(network.path, organization))
            await stack.enter_async_context(connection)
            identity, signer = network_file_user(network.path, organization, user)
            gateway = connect(connection, identity=identity, signer=signer)
            contract = gateway.get_network(community.channel).get_contract(MARKET, FORWARD)
            return ForwardMarket(contract, organizations, told=told, passing=PASSING)

        yield Parties(
            await market(community.organization, community.operator),
            await market(*grid_user(network, community)),
        )


def key_file(network: NetworkFile, community: Community, home: str) -> Path:
    """Where the key stands with which a home signs messages: beside the key of its user's certificate."""
    user = community.homes[home]
    described = network.content["organizations"][community.organization]["users"][user]
    if "private_key" not in described:
        raise UsageError(
            f"{network.path} names no private key file of user {user}: nowhere to keep the key of its messages"
        )
    return Path(described["private_key"]).with_name("message_key.pem")


def _with_role(users: Mapping[str, Any], role: str) -> str | None:
    return next((name for name, about in users.items() if about["attributes"].get("role") == role), None)
