# SPDX-License-Identifier: Apache-2.0
"""A network is up when a transaction has gone through every organisation's own peer and been committed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

from commonwatt_client import Contract, GatewayError, connect_network_file

from commonwatt_network.errors import NetworkError
from commonwatt_network.model.forward_market import EX_POST
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.roster import ADMIN
from commonwatt_network.model.topology_parts import Chaincode

MARKET_MODULE = Chaincode().module
PATIENCE_S = 30.0
POLL_S = 0.1
CALL_TIMEOUT_S = 10.0
METADATA = "org.hyperledger.fabric:GetMetadata"

T = TypeVar("T")


class FirstTransactionError(NetworkError):
    """No transaction could be committed; the message says through whom and what the network answered."""


async def first_transactions(nodes: Nodes) -> None:
    """On every channel: the community sets the market's clock, then every member has a transaction committed.

    A forward market begins with a tariff, which its operator gives later, and the grid founds an exchange: there
    members have the chaincode describe itself.
    """
    channels = nodes.topology.channels
    await asyncio.gather(
        *(
            _first_on_channel(nodes, channel, chaincode)
            for channel, settings in channels.items()
            for chaincode in settings.chaincodes
            if nodes.topology.chaincodes[chaincode].module == MARKET_MODULE
        )
    )


async def _first_on_channel(nodes: Nodes, channel: str, chaincode: str) -> None:
    settings = nodes.topology.channels[channel]
    community = settings.organizations[0]
    founded = settings.market == EX_POST
    if founded:
        await _as_member(
            nodes, channel, chaincode, community, lambda contract: _configure(contract, settings.clock)
        )
    action = _transact if founded else _describe
    await asyncio.gather(
        *(_as_member(nodes, channel, chaincode, member, action) for member in settings.organizations)
    )


async def _configure(contract: Contract, clock: str) -> None:
    """Found the community with its clock; one that is founded already stays as it is."""
    try:
        await contract.evaluate("get_parameters", arguments=["{}"], timeout_s=CALL_TIMEOUT_S)
    except GatewayError as error:
        if not _unconfigured(error):
            raise
        await contract.submit("configure", arguments=[json.dumps({"clock": clock})])


async def _transact(contract: Contract) -> None:
    await contract.submit("get_parameters", arguments=["{}"], endorse_timeout_s=CALL_TIMEOUT_S)


async def _describe(contract: Contract) -> None:
    await contract.submit(METADATA, endorse_timeout_s=CALL_TIMEOUT_S)


async def _as_member(
    nodes: Nodes, channel: str, chaincode: str, organization: str, action: Callable[[Contract], Awaitable[T]]
) -> T:
    """Do `action` as the organisation's operator, again and again while the network is not ready for it."""
    path = nodes.layout.network_file
    user = operator_of(nodes, organization)
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    async with connect_network_file(path, organization, user) as gateway:
        contract = gateway.get_network(channel).get_contract(chaincode)
        while True:
            try:
                return await action(contract)
            except GatewayError as error:
                late = asyncio.get_running_loop().time() > deadline
                # A peer that is still a block behind does not know yet that the channel is configured.
                if late or not (_unconfigured(error) or error.chaincode_response is None):
                    raise FirstTransactionError(
                        f"the first transaction of {organization} on channel {channel} failed: {error}; "
                        f"look into {nodes.layout.logs}"
                    ) from error
            await asyncio.sleep(POLL_S)


def _unconfigured(error: GatewayError) -> bool:
    """Whether the contract refused because the channel's community has not been founded: `code: sentence`."""
    refusal = error.chaincode_response
    return refusal is not None and refusal.message.partition(": ")[0] == "not_configured"


def operator_of(nodes: Nodes, organization: str) -> str:
    """The user who speaks for the organisation: its operator, or its administrator."""
    users = nodes.topology.organizations[organization].users
    return next((name for name, user in users.items() if user.role in ("operator", "grid")), ADMIN)
