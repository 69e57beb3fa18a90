# SPDX-License-Identifier: Apache-2.0
"""A client that trades through a change as homes do, so that the next node restarts only when they are back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from commonwatt_client import ClientError, Contract, RetryPolicy, connect_network_file

from commonwatt_network.channels.first_transaction import MARKET_MODULE, operator_of
from commonwatt_network.errors import NetworkError
from commonwatt_network.model.nodes import Nodes

PATIENCE_S = 30.0
PAUSE_S = 0.2  # between transactions
POLL_S = 0.05
CALL_TIMEOUT_S = 5.0


class TradeStoppedError(NetworkError):
    """Transactions went through before a restart, and not after it."""


@asynccontextmanager
async def trading(nodes: Nodes) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Submit on every channel of the market meanwhile. Yields what waits until each had one more committed.

    Its clients are connected, and have transactions under way, when a node goes. A transaction that was lost with the
    node is sent again after the SDK's own patience.
    """
    committed: dict[str, int] = {}

    async def submit(channel: str, contract: Contract) -> None:
        while True:
            try:
                await contract.submit(
                    "get_parameters",
                    arguments=["{}"],
                    endorse_timeout_s=CALL_TIMEOUT_S,
                    submit_timeout_s=CALL_TIMEOUT_S,
                    commit_timeout_s=PATIENCE_S,
                    retry=RetryPolicy(longest_pause_s=0.5),
                )
                committed[channel] += 1
            except ClientError:
                pass  # asked again below; who waits is told when it does not end
            await asyncio.sleep(PAUSE_S)

    async def back() -> None:
        before = dict(committed)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while any(committed[channel] == count for channel, count in before.items()):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            stuck = [channel for channel, count in before.items() if committed[channel] == count]
            raise TradeStoppedError(
                f"no transaction on channel {', '.join(stuck)} for {PATIENCE_S:.0f} s; look into {nodes.layout.logs}, "
                "then run the same command again"
            ) from None

    tasks = []
    async with AsyncExitStack() as stack:
        for channel, settings in nodes.topology.channels.items():
            community = settings.organizations[0]
            for chaincode in settings.chaincodes:
                if nodes.topology.chaincodes[chaincode].module != MARKET_MODULE:
                    continue
                user = operator_of(nodes, community)
                gateway = await stack.enter_async_context(
                    connect_network_file(nodes.layout.network_file, community, user)
                )
                committed[channel] = 0
                contract = gateway.get_network(channel).get_contract(chaincode)
                tasks.append(asyncio.create_task(submit(channel, contract)))
        try:
            yield back
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
