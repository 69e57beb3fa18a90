# SPDX-License-Identifier: Apache-2.0
"""A market contract in memory that a simulation can trade on, with transactions that overlap."""

import asyncio
import json
import random
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from commonwatt_chaincode.contract import Market
from commonwatt_chaincode.shim.testing import Invocation, MemoryLedger, caller
from commonwatt_loadgen.simulate.calls import OPERATOR, Refused


class MemoryCalls:
    """`MarketCalls` on an in-memory ledger whose commits come late and in an order drawn from `seed`.

    A transaction that another one made invalid fails the test: the simulation must never let that happen.
    """

    def __init__(self, homes: Iterable[str], seed: int = 0) -> None:
        self.ledger = MemoryLedger(Market(), "newtown", name="market")
        self.committed: dict[str, int] = {}
        self.most_in_flight = 0
        self._in_flight = 0
        self._random = random.Random(seed)
        self._creators = {
            home: caller(home, "NewtownMSP", {"role": "home", "home.id": home}) for home in homes
        }
        self._creators[OPERATOR] = caller(OPERATOR, "NewtownMSP", {"role": "operator"})

    async def submit(self, user: str, transaction: str, argument: Mapping[str, Any]) -> dict[str, Any]:
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        await self._while()
        done = await self._run(user, transaction, argument)
        await self._while()
        code = self.ledger.commit(done)
        assert code == "VALID", f"{transaction} of {user}: {code}"
        await self._while()
        self._in_flight -= 1
        self.committed[transaction] = self.committed.get(transaction, 0) + 1
        return dict(done.json())

    async def evaluate(self, user: str, transaction: str, argument: Mapping[str, Any]) -> dict[str, Any]:
        return dict((await self._run(user, transaction, argument)).json())

    async def _run(self, user: str, transaction: str, argument: Mapping[str, Any]) -> Invocation:
        done = await self.ledger.evaluate(transaction, json.dumps(argument), creator=self._creators[user])
        if done.status >= 400:
            code, _, sentence = done.message.partition(": ")
            raise Refused(code, sentence, transaction, user)
        return done

    async def _while(self) -> None:
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(0)


@pytest.fixture
def memory_calls() -> type[MemoryCalls]:
    return MemoryCalls
