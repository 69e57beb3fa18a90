# SPDX-License-Identifier: Apache-2.0
"""A market day on the ledger, in the order of market time.

A round whose sellers might sell is run alone: its opening, request, offers and closing each wait for the one before.
While no home but the buyer has anything to sell, rounds are *quiet*: they change neither prices nor accounts, so the
next may open while they close. Openings always follow one another, since each takes the next round number; meter
readings follow one another home by home. So the order in which a network commits what overlaps cannot change a
result.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from commonwatt_chaincode.market.billing import Bill
from commonwatt_chaincode.market.clearing import Fill, RequestResult
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_client.exit_codes import CommandError
from commonwatt_community.hems.agent import Ask, HomeAgent, Settlement
from commonwatt_community.hems.energy import MINUTES_PER_DAY

from commonwatt_loadgen.records import DayRecord, OfferMade, RoundRecord
from commonwatt_loadgen.schedule import Event, day_events
from commonwatt_loadgen.simulate.calls import OPERATOR, MarketCalls, Refused, Result

MINUTE_S = 60
_BILL_FIELDS = tuple(Bill.__dataclass_fields__)


class Disagreement(CommandError):
    """The ledger's account of a home differs from what its HEMS holds."""


@dataclass
class OnLedgerMarket:
    """A community's market on its channel; `midnight_s` is 0:00 of the first simulated day in epoch seconds."""

    calls: MarketCalls
    rules: Parameters
    midnight_s: int
    overlap: int = 48
    redundancy_wh: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run_day(
        self, agents: list[HomeAgent], day: int, advance: Callable[[int], None] = lambda _: None
    ) -> DayRecord:
        """Trade one day and settle it; `advance` is told the minutes of the day that have passed."""
        run = _Day(self, agents, day, advance)
        try:
            return await run.trade()
        finally:
            await run.abandon()

    def epoch_s(self, minute: int) -> int:
        """The market time of a minute of the simulation."""
        return self.midnight_s + minute * MINUTE_S


class _Day:
    """One day's trading in flight."""

    def __init__(
        self, market: OnLedgerMarket, agents: list[HomeAgent], day: int, advance: Callable[[int], None]
    ) -> None:
        self.market = market
        self.calls = market.calls
        self.agents = agents
        self.day = day
        self.advance = advance
        self.sellers = {agent.home: agent for agent in agents if agent.spec.prosumer}
        self.settlements: list[Settlement] = []
        self.rounds: dict[int, RoundRecord] = {}
        self._readings: dict[str, asyncio.Task[None]] = {}
        self._quiet: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(market.overlap)

    async def trade(self) -> DayRecord:
        for event in day_events(self.agents, self.day):
            settled = event.agent.settle(event.interval)
            self.settlements.append(settled)
            await self._report(settled)
            if settled.need_wh:
                await self._round(event, settled)
            self.advance(settled.end_min - self.day * MINUTES_PER_DAY)
        await self._drain(self._quiet)
        await self._drain(set(self._readings.values()))
        end_s = self.market.epoch_s((self.day + 1) * MINUTES_PER_DAY)
        await self.calls.submit(OPERATOR, "advance_clock", {"at": end_s})
        bills = await self._settle()
        rounds = [self.rounds[number] for number in sorted(self.rounds)]
        battery = {agent.home: agent.account.energy_wh for agent in self.agents}
        return DayRecord(self.day, self.settlements, rounds, bills, battery)

    async def abandon(self) -> None:
        """Stop what is still in flight after a failure."""
        left = [task for task in (*self._quiet, *self._readings.values()) if not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _report(self, settled: Settlement) -> None:
        """Start a home's reading as soon as its last one is committed."""
        before = self._readings.get(settled.home)
        if before is not None:
            await before
        self._readings[settled.home] = await self._start(self._reading(settled))

    async def _reading(self, settled: Settlement) -> None:
        epoch_s = self.market.epoch_s
        argument = {
            "home": settled.home,
            "interval_start": epoch_s(settled.start_min),
            "interval_end": epoch_s(settled.end_min),
            "use_wh": settled.use_wh,
            "generation_wh": settled.generation_wh,
        }
        if settled.grid_charge_wh:
            argument["grid_charge_wh"] = settled.grid_charge_wh
        result = await self.calls.submit(settled.home, "report_reading", argument)
        if not result:
            return  # committed before an interruption
        held = (result["need_wh"], result["own_wh"], result["charged_wh"], result["battery_wh"])
        if held != (settled.need_wh, settled.own_wh, settled.charged_wh, settled.battery_wh):
            raise Disagreement(
                f"{settled.home}, interval ending {settled.end_min // 60}:{settled.end_min % 60:02d}: need, own use, "
                f"charge, battery are {held} Wh on the ledger, the home's HEMS expects "
                f"{(settled.need_wh, settled.own_wh, settled.charged_wh, settled.battery_wh)} Wh"
            )

    async def _round(self, event: Event, settled: Settlement) -> None:
        others = [seller for home, seller in self.sellers.items() if home != settled.home]
        quiet = self.market.redundancy_wh == 0 and not any(seller.sellable_wh() for seller in others)
        if not quiet:
            await self._drain(self._quiet)
        opened = await self.calls.submit(
            OPERATOR,
            "open_round",
            {"minute": settled.start_min % MINUTES_PER_DAY, "at": self.market.epoch_s(settled.end_min)},
        )
        if quiet:
            self._quiet.add(await self._start(self._finish(event, settled, opened, [])))
            self._quiet = {task for task in self._quiet if not task.done() or task.exception()}
        else:
            await self._finish(event, settled, opened, others)

    async def _finish(
        self, event: Event, settled: Settlement, opened: Result, sellers: list[HomeAgent]
    ) -> None:
        """From the request to the closing of an open round."""
        number, tou, suggested = (
            opened["round"],
            opened["tou_uaud_per_kwh"],
            opened["sell_price_uaud_per_kwh"],
        )
        limit = await self._limit(event.agent, settled, opened)
        request = {
            "round": number,
            "home": settled.home,
            "energy_wh": settled.need_wh,
            "limit_uaud_per_kwh": limit,
            "interval_start": self.market.epoch_s(settled.start_min),
        }
        await self.calls.submit(settled.home, "submit_request", request)
        asks = {
            seller.home: ask for seller in sellers if (ask := seller.ask(tou, suggested, number)) is not None
        }
        await _all(self._offer(number, home, ask) for home, ask in asks.items())
        cleared = await self.calls.submit(
            OPERATOR, "close_round", {"round": number, "at": opened["closes_at"]}
        )
        self.market.redundancy_wh = cleared["totals"]["redundancy_wh"]
        for ended in cleared["offers"]:
            self.sellers[ended["home"]].offer_ended(ended["energy_wh"], ended["sold_wh"])
        self.rounds[number] = _record(opened, cleared, limit, settled.end_min, asks)

    async def _limit(self, buyer: HomeAgent, settled: Settlement, opened: Result) -> int:
        suggested = tou = opened["tou_uaud_per_kwh"]
        if buyer.strategy.needs_suggested_bid:
            argument = {"round": opened["round"], "energy_wh": settled.need_wh}
            prices = await self.calls.evaluate(settled.home, "suggested_price", argument)
            suggested = prices["buy_price_uaud_per_kwh"]
        return buyer.limit(tou, suggested, settled.need_wh, opened["round"])

    async def _offer(self, number: int, home: str, ask: Ask) -> None:
        reading = self._readings.get(home)
        if reading is not None:
            await asyncio.shield(reading)  # what it charged is what it sells
        argument = {
            "round": number,
            "home": home,
            "energy_wh": ask.energy_wh,
            "price_uaud_per_kwh": ask.price_uaud_per_kwh,
        }
        await self.calls.submit(home, "submit_offer", argument)

    async def _settle(self) -> dict[str, Bill]:
        first = self.market.epoch_s(self.day * MINUTES_PER_DAY) + self.market.rules.utc_offset_min * MINUTE_S
        argument = {"day": first // (MINUTES_PER_DAY * MINUTE_S)}
        result = await self.calls.submit(OPERATOR, "settle_day", argument)
        bills = {one["home"]: Bill(**{name: one[name] for name in _BILL_FIELDS}) for one in result["bills"]}
        return {agent.home: bills[agent.home] for agent in self.agents}

    async def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something alongside, once fewer than `overlap` things are in flight."""
        await self._slots.acquire()
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._slots.release())
        return task

    @staticmethod
    async def _drain(tasks: set[asyncio.Task[None]]) -> None:
        for task in tuple(tasks):
            await task
        tasks.clear()


async def _all(work: Any) -> None:
    """Await all of `work` at once; the first failure is raised after the rest has ended."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _record(
    opened: Result, cleared: Result, limit: int, opened_min: int, asks: dict[str, Ask]
) -> RoundRecord:
    request = {name: cleared["requests"][0][name] for name in RequestResult._fields}
    offers = tuple(
        OfferMade(
            one["home"],
            one["energy_wh"],
            asks[one["home"]].price_uaud_per_kwh,
            one["sold_wh"],
            one["revenue_naud"],
        )
        for one in cleared["offers"]
    )
    fills = tuple(Fill(**{name: one[name] for name in Fill._fields}) for one in cleared["fills"])
    return RoundRecord(
        number=opened["round"],
        opened_min=opened_min,
        minute=opened["minute"],
        tou=opened["tou_uaud_per_kwh"],
        sell_price=opened["sell_price_uaud_per_kwh"],
        limit=limit,
        request=RequestResult(**request),
        offers=offers,
        fills=fills,
    )


__all__ = ["Disagreement", "OnLedgerMarket", "Refused"]
