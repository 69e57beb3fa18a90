# SPDX-License-Identifier: Apache-2.0
"""How a generator hears what became of its transactions: from one stream of filtered blocks per community.

The community's operator reads them: homes may not read blocks, for these hold what others use.

That costs a generator a quarter less than to ask for each transaction's commit status. That would also be one more
signed request for the peer to answer, and a waiting call that counts towards its limit of concurrent calls.
"""

import asyncio
from types import TracebackType
from typing import Self

from commonwatt_client import ClientError, Network, ValidationCode


class BlockNotices:
    """The validation codes of one channel's transactions; within `async with` no block is missed."""

    def __init__(self, network: Network) -> None:
        self._blocks = network.filtered_block_events()
        self._expected: dict[str, asyncio.Future[ValidationCode]] = {}
        self._loop = asyncio.get_running_loop()
        self._lost: ClientError | None = None

    async def __aenter__(self) -> Self:
        await self._blocks.__aenter__()
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._blocks.close()
        self._following.cancel()
        await asyncio.wait({self._following})

    def expect(self, transaction_id: str) -> asyncio.Future[ValidationCode]:
        """What the block that holds this transaction will say of it; call it before the transaction is submitted."""
        noticed: asyncio.Future[ValidationCode] = self._loop.create_future()
        if self._lost is None:
            self._expected[transaction_id] = noticed
        else:
            _fail(noticed, self._lost)
        return noticed

    async def heard(self, noticed: asyncio.Future[ValidationCode], timeout_s: float) -> ValidationCode:
        """What was expected, once it is there.

        Raises:
            ClientError: no block will be heard of any more.
            TimeoutError: no block held the transaction in time.
        """
        # A timer on the future itself: `asyncio.timeout` costs several times as much.
        timer = self._loop.call_later(timeout_s, _fail, noticed, TimeoutError())
        try:
            return await noticed
        finally:
            timer.cancel()

    def forget(self, transaction_id: str) -> None:
        """Expect it no longer."""
        self._expected.pop(transaction_id, None)

    async def _follow(self) -> None:
        try:
            async for block in self._blocks:
                for transaction in block.transactions:
                    noticed = self._expected.pop(transaction.transaction_id, None)
                    if noticed is not None and not noticed.done():
                        noticed.set_result(transaction.validation_code)
        except ClientError as error:
            self._lost = error
            for noticed in self._expected.values():
                _fail(noticed, error)
            self._expected.clear()


def _fail(noticed: asyncio.Future[ValidationCode], error: Exception) -> None:
    if not noticed.done():
        noticed.set_exception(error)
        noticed.exception()  # nobody has to ask for it: the submit may have failed as well
