# SPDX-License-Identifier: Apache-2.0
"""Communities with a channel each, and a channel on which their residuals are traded by the market's own rules.

The round here takes no anchors and asks nobody's word: it is as much of the exchange as imports rest on.
"""

from __future__ import annotations

import json
from typing import Any

from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.market.exchange.clearing import VOID, Link, clear_round
from commonwatt_chaincode.market.exchange.residual import Level, Residual
from commonwatt_chaincode.shim import Contract, Refusal, Stub, evaluate, transaction
from commonwatt_chaincode.shim.testing import MemoryLedger

from .neighbourhood import NOON, Neighbourhood, both_markets

EXCHANGE = {"channel": "exchange", "chaincode": "market", "void_after_s": 3_600}
ASK = {"period": NOON}


class Round(Contract):
    """One round of all communities at once, each result written once."""

    name = "exchange"

    @transaction
    async def clear_round(self, stub: Stub, arguments: dict[str, Any]) -> dict[str, Any]:
        """Fetch the residuals of communities from their own channels and trade them."""
        period, result = arguments["period"], VOID
        if not arguments.get("void"):
            brought = [await self._residual(stub, name, period) for name in arguments["communities"]]
            result = clear_round(period, brought, [Link(*one) for one in arguments["links"]])
        for name in arguments["communities"]:
            own = [one for one in result.trades if name in (one.seller, one.buyer)]
            names = ("seller", "buyer", "offered", "limit", "wh", "price", "fee")
            said = {
                "period": period,
                "channel": name,
                "state": "void" if arguments.get("void") else "cleared",
                "trades": [dict(zip(names, one, strict=True)) for one in own],
                "account_naud": result.account_naud(name),
            }
            await stub.put_state(f"{name}/{period}", json.dumps(said | arguments.get("lies", {})).encode())
        return {"trades": len(result.trades)}

    async def _residual(self, stub: Stub, name: str, period: int) -> Residual:
        asked = json.dumps({"period": period})
        said = json.loads(await stub.invoke_chaincode("market", ["forward:get_residual", asked], name))
        return Residual(
            said["community"],
            tuple(Level(one["limit"], one["wh"]) for one in said["requests"]),
            tuple(Level(one["price"], one["wh"]) for one in said["offers"]),
        )

    @evaluate
    async def get_round(self, stub: Stub, arguments: dict[str, Any]) -> dict[str, Any]:
        """What a round came to for one community."""
        value = await stub.get_state(f"{arguments['channel']}/{arguments['period']}")
        if value is None:
            raise Refusal("round_open", "the round has no result yet")
        return dict(json.loads(value))


class Region:
    """Two communities, the one in want, the other with too much sun, and the exchange."""

    def __init__(self) -> None:
        self.exchange = MemoryLedger(Round(), EXCHANGE["channel"], name="market")
        self.towns = {
            name: Neighbourhood(
                MemoryLedger(both_markets, name, name="market", collections=[keys.COLLECTION])
            )
            for name in ("newtown", "sunnytown")
        }
        for name, town in self.towns.items():
            town.ledger.channels["exchange"] = self.exchange
            self.exchange.channels[name] = town.ledger

    @property
    def newtown(self) -> Neighbourhood:
        return self.towns["newtown"]

    @property
    def sunnytown(self) -> Neighbourhood:
        return self.towns["sunnytown"]

    async def clear_round(self, period: int = NOON, **more: Any) -> None:
        """The round of both, with a link of a fee between them."""
        argument = {
            "period": period,
            "communities": list(self.towns),
            "links": [["sunnytown", "newtown", 100_000, 7_001]],
            **more,
        }
        by = {"creator": self.newtown.callers["grid"], "timestamp": self.newtown.now}
        (await self.exchange.submit("clear_round", argument, **by)).json()

    async def until_the_round(self, period: int = NOON, **clearing: Any) -> None:
        """Bids of both communities, which trade nothing within, and their clearings."""
        wanted, offered = self.towns.values()
        for town in (wanted, offered):
            town.in_window(period)
        requests = [
            wanted.request(home, period, wh, limit)
            for home, wh, limit in (("h1", 300, 270_000), ("h2", 401, 260_000), ("h3", 302, 250_000))
        ]
        assert await wanted.bids(period, *requests) == ["written"] * 3
        offers = [
            offered.offer(home, period, wh, price)
            for home, wh, price in (("p1", 202, 61_000), ("p2", 307, 70_000), ("p3", 201, 80_000))
        ]
        assert await offered.bids(period, *offers) == ["written"] * 3
        for town in (wanted, offered):
            await town.close(period)
            await town.do("operator", "clear_period", {"period": period, **clearing})


async def region(made: Region | None = None) -> Region:
    """Both communities on the exchange, with three homes each."""
    made = made or Region()
    for town, names, equipment in (
        (made.newtown, ("h1", "h2", "h3"), {}),
        (made.sunnytown, ("p1", "p2", "p3"), {"pv_w": 6_000, "battery_w": 3_000}),
    ):
        await town.found(period_min=60, trust_homes=True, exchange=EXCHANGE)
        await town.add(*names, **equipment)
    return made
