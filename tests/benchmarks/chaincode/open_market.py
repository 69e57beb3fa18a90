# SPDX-License-Identifier: Apache-2.0
"""The chaincode `market` without collections: its forward market writes homes' messages into the public state."""

from __future__ import annotations

import sys
from typing import Any

from commonwatt_chaincode.contract import Market
from commonwatt_chaincode.forward import ForwardMarket, batches
from commonwatt_chaincode.forward.arguments import Batch
from commonwatt_chaincode.shim import Stub, run_from_environment, transaction


class _Open:
    """A transaction's stub, for which what is private is public: under a key of its own beside the index."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stub, name)

    async def put_private_data(self, _: str, key: str, value: bytes) -> None:
        await self._stub.put_state(f"open/{key}", value)


class OpenMarket(ForwardMarket):
    """The forward market, whose batches everybody on the channel reads."""

    @transaction
    async def submit_messages(self, stub: Stub, arguments: Batch) -> dict[str, Any]:
        """Every role: write signed messages of one kind and period."""
        opened: Any = _Open(stub)
        return await batches.submit_messages(opened, arguments)


if __name__ == "__main__":
    sys.exit(run_from_environment(Market(), OpenMarket()))
