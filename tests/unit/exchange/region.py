# SPDX-License-Identifier: Apache-2.0
"""An exchange on an in-memory channel, and three communities: one that settles, two that state what they left over."""

from __future__ import annotations

import re
from copy import copy
from typing import Any

from commonwatt_chaincode.exchange import Exchange
from commonwatt_chaincode.shim import Contract, Stub, evaluate
from commonwatt_chaincode.shim.results import EPOCH
from commonwatt_chaincode.shim.testing import Invocation, MemoryLedger, caller
from commonwatt_chaincode.shim.testing.state import Place

from ..settling.neighbourhood import HALF_HOUR_MIN, Neighbourhood

CHANNEL = "exchange"
GRID = "GridMSP"
COMMUNITIES = {"newtown": "NewtownMSP", "enmore": "EnmoreMSP", "glebe": "GlebeMSP"}
PERIOD = 29_400_000
BEGINS_S = PERIOD * 60
HEADER = "ab" * 32


class Leftovers(Contract):
    """What the exchange asks of a community's contract in a round; ``answers`` are residuals by channel."""

    name = "forward"
    answers: dict[str, Any] = {}  # noqa: RUF012 - one for all channels

    @evaluate
    async def get_residual(self, stub: Stub, argument: dict[str, int]) -> dict[str, Any]:
        """The residual that the test states."""
        found: dict[str, Any] = self.answers[stub.channel_id]
        return {"community": stub.channel_id, **found} if isinstance(found, dict) else found


class Region:
    """The exchange as its members use it. ``now_s`` is every transaction's timestamp."""

    def __init__(self) -> None:
        self.newtown = Neighbourhood()
        self.ledger = MemoryLedger(Exchange(), CHANNEL, name="region")
        Leftovers.answers = {}
        self.ledger.channels = {
            "newtown": self.newtown.ledger,
            **{name: MemoryLedger(Leftovers(), name, name="market") for name in ("enmore", "glebe")},
        }
        self.now_s = BEGINS_S - 3_600
        self.callers = {
            "grid": caller("grid", GRID, role="grid"),
            "carrier": caller("carrier", GRID, role="carrier"),
            "stranger": caller("stranger", GRID),
            "grid of newtown": caller("grid", "NewtownMSP", role="grid"),
            "home": caller("h1", "NewtownMSP", {"role": "home", "home.id": "h1"}),
            **{name: caller("operator", mspid, role="operator") for name, mspid in COMMUNITIES.items()},
        }

    async def begin(self) -> Region:
        """Found the exchange and register all communities."""
        await self.do("grid", "found", {})
        for channel, mspid in COMMUNITIES.items():
            await self.do(
                "grid", "register_community", {"channel": channel, "mspid": mspid, "chaincode": "market"}
            )
        return self

    async def submit(self, who: str, name: str, argument: Any) -> Invocation:
        """Submit as someone; what happened."""
        return await self.ledger.submit(name, argument, creator=self.callers[who], timestamp=self.now_s)

    async def endorse(self, who: str, name: str, argument: Any) -> Invocation:
        """What a transaction would do, committed by nobody yet."""
        return await self.ledger.evaluate(name, argument, creator=self.callers[who], timestamp=self.now_s)

    async def do(self, who: str, name: str, argument: Any) -> Any:
        """Submit what must succeed; its result."""
        return (await self.submit(who, name, argument)).json()

    async def ask(self, who: str, name: str, argument: Any) -> Any:
        """Evaluate what must succeed; its result."""
        done = await self.endorse(who, name, argument)
        assert not done.writes
        return done.json()

    async def refused(self, who: str, name: str, argument: Any) -> str:
        """Submit what must be refused without writing anything; the code."""
        before = copy(self.ledger.state.values)
        done = await self.submit(who, name, argument)
        assert done.status == 400, done
        assert not done.writes
        assert done.event is None
        assert self.ledger.state.values == before
        code, _, sentence = done.message.partition(": ")
        assert sentence, "a refusal says why"
        assert not re.search(r"\bNone\b", sentence), sentence
        return code

    async def settle(self, *periods: int) -> None:
        """Newtown's homes: found once, then settle these periods without trade."""
        if not self.newtown.net:
            self.newtown.now_s = BEGINS_S - 86_400
            await self.newtown.found()
            await self.newtown.add("a", "b", "c", pv_w=5_000)
        for period in periods:
            self.newtown.now_s = max(self.newtown.now_s, (period + HALF_HOUR_MIN) * 60)
            await self.newtown.read(
                period, [self.newtown.reading(home, period, 100 + place) for place, home in enumerate("abc")]
            )
            await self.newtown.settle(period)

    def forge(self, key: str, value: bytes | None) -> None:
        """Newtown rewrites a record of its own ledger."""
        self.newtown.ledger.state.write(Place("market", "", key), value, (1, 0), "forged", EPOCH)
