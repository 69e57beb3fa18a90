# SPDX-License-Identifier: Apache-2.0
"""A home that sells as events come: its HEMS on a live channel, for as long as it runs.

It offers when a request is opened and learns from the award what it sold. What it may offer is the ledger's account of
its battery, read when it starts and after each award that concerns it, less what it has offered since; so neither a
missed nor a repeated event makes it offer energy that it does not have.
"""

import json
from collections.abc import AsyncIterable
from typing import Any, Protocol

from commonwatt_chaincode.market.battery import Account, reserve

from commonwatt_community.hems.agent import HomeAgent


class ChaincodeEvent(Protocol):
    """An event of the market's contract."""

    @property
    def event_name(self) -> str: ...

    @property
    def payload(self) -> bytes: ...


class HomeCalls(Protocol):
    """Transactions as one home; `submit` returns None where the contract refuses."""

    async def submit(self, transaction: str, argument: dict[str, Any]) -> dict[str, Any] | None: ...

    async def evaluate(self, transaction: str, argument: dict[str, Any]) -> dict[str, Any]: ...


class LiveHome:
    """One prosumer's agent between the event stream and the contract."""

    def __init__(self, agent: HomeAgent, calls: HomeCalls) -> None:
        self._agent = agent
        self._calls = calls
        self._offered: set[str] = set()

    async def follow(self, events: AsyncIterable[ChaincodeEvent]) -> None:
        """React to events until their stream ends; call it again on a new stream after it was lost."""
        await self._read_account()
        async for event in events:
            payload = json.loads(event.payload) if event.payload else {}
            opened = event.event_name == "round_opened" and payload["auction"] == "per_request"
            if opened or event.event_name == "request_submitted":
                await self._offer(payload["round"])
            elif event.event_name == "round_cleared":
                await self._cleared(payload["round"])

    async def _offer(self, name: str) -> None:
        agent = self._agent
        if name in self._offered:
            return
        terms = await self._calls.evaluate("get_round", {"round": name})
        if terms["state"] in ("CLEARED", "VOID"):
            return  # an event from before a reconnection
        ask = agent.ask(terms["tou_uaud_per_kwh"], terms["sell_price_uaud_per_kwh"], terms["opened_at"] // 60)
        if ask is None:
            return
        self._offered.add(name)
        agent.account = reserve(
            agent.battery, agent.account, ask.energy_wh
        )  # before anything else can offer it
        argument = {
            "round": name,
            "home": agent.home,
            "energy_wh": ask.energy_wh,
            "price_uaud_per_kwh": ask.price_uaud_per_kwh,
        }
        if await self._calls.submit("submit_offer", argument) is None:
            await self._read_account()

    async def _cleared(self, name: str) -> None:
        """Ask what became of the own offer: the event names no homes."""
        if name not in self._offered:
            return
        self._offered.discard(name)
        ended = await self._calls.evaluate("get_round", {"round": name})
        for offer in ended["result"]["offers"]:
            if offer["home"] == self._agent.home:
                self._agent.strategy.sold(offer["energy_wh"], offer["sold_wh"])
        await self._read_account()

    async def _read_account(self) -> None:
        held = await self._calls.evaluate("get_battery", {"home": self._agent.home})
        self._agent.account = Account(held["battery_wh"], held["reserved_wh"], held["sold_wh"])
