# SPDX-License-Identifier: Apache-2.0
"""A market day on the ledger, in the order of market time.

A round whose sellers might sell runs alone: its reading (which opens it), offers and closing each wait for the one
before. While no home but the buyer offers anything, rounds are *quiet*: they change neither prices nor accounts, so
many of them run at once. The readings of a home follow one another. So the order in which a network commits what
overlaps cannot change a result.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from commonwatt_chaincode.market.billing import Bill
from commonwatt_chaincode.market.clearing import Fill, RequestResult
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.prices import buy_price, sell_price
from commonwatt_chaincode.market.tariff import tou_at
from commonwatt_client.exit_codes import CommandError
from commonwatt_community.hems.agent import Ask, HomeAgent, Settlement
from commonwatt_community.hems.energy import MINUTES_PER_DAY

from commonwatt_loadgen.past_prices import PastPrices
from commonwatt_loadgen.records import DayRecord, OfferMade, RoundRecord
from commonwatt_loadgen.schedule import day_events, first_round
from commonwatt_loadgen.simulate.calls import OPERATOR, MarketCalls, Refused, Result

MINUTE_S = 60
_BILL_FIELDS = tuple(Bill.__dataclass_fields__)


class Disagreement(CommandError):
    """The ledger's account of a home differs from what its HEMS holds."""


@dataclass
class OnLedgerMarket:
    """A community's market on its channel; `midnight_s` is 0:00 of the first simulated day in epoch seconds.

    `past` is what earlier rounds left to the suggested prices. It is kept beside the ledger's, and must agree with it.
    """

    calls: MarketCalls
    rules: Parameters
    midnight_s: int
    past: PastPrices = field(default_factory=PastPrices)
    overlap: int = 48
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
        self._number = first_round(market.midnight_s, day, market.rules)
        self._readings: dict[str, asyncio.Task[Any]] = {}
        self._quiet: set[asyncio.Task[Any]] = set()
        self._slots = asyncio.Semaphore(market.overlap)

    async def trade(self) -> DayRecord:
        for event in day_events(self.agents, self.day):
            settled = event.agent.settle(event.interval)
            self.settlements.append(settled)
            if settled.need_wh:
                await self._round(event.agent, settled)
            else:
                await self._read(settled.home, partial(self._report, settled, {"bid": False}))
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
        started = (*self._quiet, *self._readings.values())
        for task in started:
            task.cancel()
        await asyncio.gather(*started, return_exceptions=True)

    async def _round(self, buyer: HomeAgent, settled: Settlement) -> None:
        others = [seller for home, seller in self.sellers.items() if home != settled.home]
        quiet = self.market.past.prices.redundancy_wh == 0 and not any(
            seller.offerable_wh() for seller in others
        )
        number, self._number = self._number, self._number + 1
        if quiet:
            opening = await self._read(settled.home, partial(self._open, buyer, settled, number))
            self._quiet.add(await self._start(self._close_quiet(opening, settled, number)))
            self._quiet = {task for task in self._quiet if not task.done() or task.exception()}
            return
        await self._drain(self._quiet)
        opening = await self._read(settled.home, partial(self._open, buyer, settled, number))
        opened, limit = await opening
        asks = {
            seller.home: ask
            for seller in others
            if (ask := seller.ask(opened["tou_uaud_per_kwh"], opened["sell_price_uaud_per_kwh"], number))
        }
        await _all(self._offer(opened["round"], home, ask) for home, ask in asks.items())
        await self._close(opened, limit, settled, number, asks)

    async def _close_quiet(
        self, opening: asyncio.Task[tuple[Result, int]], settled: Settlement, number: int
    ) -> None:
        opened, limit = await opening
        await self._close(opened, limit, settled, number, {})

    async def _open(self, buyer: HomeAgent, settled: Settlement, number: int) -> tuple[Result, int]:
        """Report an interval and bid for its need; returns the open round and the buyer's limit."""
        limit = self._limit(buyer, settled, number)
        opened = await self._report(settled, {"bid": True, "limit_uaud_per_kwh": limit})
        if opened["round"] is None:
            raise Disagreement(
                f"{settled.home}, interval ending {_clock(settled.end_min)}: the ledger opened no round for its need"
            )
        expected = sell_price(self.market.rules, self.market.past.prices, settled.start_min % MINUTES_PER_DAY)
        if opened["sell_price_uaud_per_kwh"] != expected:
            raise Disagreement(
                f"round {opened['round']}: the ledger suggests {opened['sell_price_uaud_per_kwh']} µAUD per kWh to "
                f"sellers; by the rounds before it {expected} are due"
            )
        return opened, limit

    async def _close(
        self, opened: Result, limit: int, settled: Settlement, number: int, asks: dict[str, Ask]
    ) -> None:
        argument = {"round": opened["round"], "at": opened["closes_at"]}
        cleared = await self.calls.submit(OPERATOR, "close_round", argument)
        record = _record(number, opened, cleared, limit, settled.end_min, asks)
        self.market.past = self.market.past.after(
            self.market.rules,
            record.fills,
            {record.request.request: limit},
            cleared["totals"]["redundancy_wh"],
        )
        for ended in cleared["offers"]:
            self.sellers[ended["home"]].offer_ended(ended["energy_wh"], ended["sold_wh"])
        self.rounds[number] = record

    async def _read(self, home: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        """Start what reports a home's interval as soon as its last one is committed."""
        before = self._readings.get(home)
        if before is not None:
            await asyncio.shield(before)
        self._readings[home] = await self._start(work())
        return self._readings[home]

    async def _report(self, settled: Settlement, bid: Mapping[str, Any]) -> Result:
        epoch_s = self.market.epoch_s
        argument = {
            "home": settled.home,
            "interval_start": epoch_s(settled.start_min),
            "interval_end": epoch_s(settled.end_min),
            "use_wh": settled.use_wh,
            "generation_wh": settled.generation_wh,
            **bid,
        }
        if settled.grid_charge_wh:
            argument["grid_charge_wh"] = settled.grid_charge_wh
        result = await self.calls.submit(settled.home, "settle_interval", argument)
        if "need_wh" not in result:
            return result  # committed before an interruption
        held = (result["need_wh"], result["own_wh"], result["charged_wh"], result["battery_wh"])
        expected = (settled.need_wh, settled.own_wh, settled.charged_wh, settled.battery_wh)
        if held != expected:
            raise Disagreement(
                f"{settled.home}, interval ending {_clock(settled.end_min)}: need, own use, charge, battery are {held} "
                f"Wh on the ledger, the home's HEMS expects {expected} Wh"
            )
        return result

    def _limit(self, buyer: HomeAgent, settled: Settlement, number: int) -> int:
        rules, minute = self.market.rules, settled.start_min % MINUTES_PER_DAY
        suggested = tou = tou_at(rules.tou, minute)
        if buyer.strategy.needs_suggested_bid:
            suggested = buy_price(rules, self.market.past.prices, settled.need_wh, minute)
        return buyer.limit(tou, suggested, settled.need_wh, number)

    async def _offer(self, round_id: str, home: str, ask: Ask) -> None:
        reading = self._readings.get(home)
        if reading is not None:
            await asyncio.shield(reading)  # what it charged is what it sells
        argument = {
            "round": round_id,
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

    async def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something alongside, once fewer than `overlap` things are in flight."""
        await self._slots.acquire()
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._slots.release())
        return task

    @staticmethod
    async def _drain(tasks: set[asyncio.Task[Any]]) -> None:
        for task in tuple(tasks):
            await task
        tasks.clear()


async def _all(work: Any) -> None:
    """Await all of `work` at once; the first failure is raised after the rest has ended."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _clock(minute: int) -> str:
    return f"{minute // 60}:{minute % 60:02d}"


def _record(
    number: int, opened: Result, cleared: Result, limit: int, opened_min: int, asks: dict[str, Ask]
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
        number=number,
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
