# SPDX-License-Identifier: Apache-2.0
"""Contracts in memory, called as the client's `Contract` is: commits come late, in a drawn order."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from commonwatt_chaincode.contract import Market
from commonwatt_chaincode.exchange import Exchange
from commonwatt_chaincode.forward import ForwardMarket as Program
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.shim import chaincode
from commonwatt_chaincode.shim.testing import Invocation, MemoryLedger, caller
from commonwatt_client import EndorseError, EvaluateError
from commonwatt_community.market.forward import ForwardMarket
from commonwatt_loadgen.forward.parties import Parties


class MemoryChannel:
    """A channel with all contracts; `conflicts` counts the transactions that a commit before them made invalid.

    `time_s` is what proposals are dated. While the channel is `away`, no call reaches it.
    """

    def __init__(self, name: str = "newtown", seed: int = 0) -> None:
        self.ledger = MemoryLedger(
            chaincode(Market(), Program(), Exchange()), name, name="market", collections=[keys.COLLECTION]
        )
        self.time_s = 0
        self.conflicts: Counter[str] = Counter()
        self.random = random.Random(seed)
        self.away = False

    def contract(self, mspid: str, role: str, *, of: str = "forward", **attributes: str) -> MemoryContract:
        """A contract as someone calls it."""
        return MemoryContract(self, caller(role, mspid, {"role": role, **attributes}), of)

    def market(self, mspid: str, role: str, **attributes: str) -> ForwardMarket:
        """The typed client of someone."""
        return ForwardMarket(self.contract(mspid, role, **attributes), ("NewtownMSP", "GridMSP"))  # type: ignore[arg-type]

    def parties(self) -> Parties:
        """Operator and grid."""
        return Parties(self.market("NewtownMSP", "operator"), self.market("GridMSP", "grid"))


class Done:
    """What the client's `Outcome` holds."""

    def __init__(self, invocation: Invocation, tries: int) -> None:
        self.result = invocation.payload
        self.transaction_id = invocation.transaction_id
        self.tries = tries


class MemoryContract:
    """`Contract` of one identity."""

    def __init__(self, channel: MemoryChannel, creator: bytes, contract: str) -> None:
        self._channel = channel
        self._creator = creator
        self._contract = contract

    async def submit(
        self,
        name: str,
        *,
        arguments: Sequence[str],
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: Sequence[str] = (),
        retry: object = None,
    ) -> Done:
        assert self._contract != "forward" or endorsing_organizations == ("NewtownMSP", "GridMSP")
        tries = 0
        while True:
            tries += 1
            done = await self._run(EndorseError, name, arguments, transient)
            await self._while()
            if self._channel.ledger.commit(done) == "VALID":
                return Done(done, tries)
            self._channel.conflicts[name] += 1

    async def evaluate(self, name: str, *, arguments: Sequence[str], retry: object = None) -> bytes:
        return (await self._run(EvaluateError, name, arguments, None)).payload

    async def _run(
        self,
        failure: type[EndorseError | EvaluateError],
        name: str,
        arguments: Sequence[str],
        transient: Mapping[str, bytes] | None,
    ) -> Invocation:
        await self._while()
        if self._channel.away:
            raise failure("no peer answers")
        done = await self._channel.ledger.evaluate(
            f"{self._contract}:{name}",
            *arguments,
            creator=self._creator,
            transient=transient,
            timestamp=self._channel.time_s,
        )
        if done.status >= 400:
            raise failure(f"chaincode response {done.status}, {done.message}")
        return done

    async def _while(self) -> None:
        for _ in range(self._channel.random.randrange(4)):
            await asyncio.sleep(0)
