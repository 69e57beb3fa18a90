# SPDX-License-Identifier: Apache-2.0
"""A forward market in this process, by the very functions that the chaincode runs."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from commonwatt_chaincode.market.exchange.awards import awards_of
from commonwatt_chaincode.market.exchange.residual import pools_of, residual
from commonwatt_chaincode.market.forward.bids import Bid, Connection, Order, judge
from commonwatt_chaincode.market.forward.bills import Bill, CarbonLine, Settled, ends_month, month_of
from commonwatt_chaincode.market.forward.carbon import carbon_day, g_per_kwh, settle_carbon
from commonwatt_chaincode.market.forward.clearing import Clearing, clear
from commonwatt_chaincode.market.forward.day_bills import Day, MonthlyDemand, billable, day_bill
from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.gates import gate_s
from commonwatt_chaincode.market.forward.outside import NOTHING
from commonwatt_chaincode.market.forward.period_settlement import FrozenPeriod, settle_homes
from commonwatt_chaincode.market.forward.periods import Period, Registration
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.readings import HOME, Reading, refusal
from commonwatt_chaincode.market.forward.settlement import Terms
from commonwatt_chaincode.market.tariff import local_day
from commonwatt_client.exit_codes import UsageError
from commonwatt_community import plugins
from commonwatt_community.mechanisms import MECHANISMS, Mechanism, UnlawfulClearingError, cleared

from commonwatt_loadgen.forward.exchange import InProcessExchange
from commonwatt_loadgen.forward.market import Award, Cleared
from commonwatt_loadgen.forward.rules import ForwardRules


class InProcessForwardMarket:
    """One community's market, whose homes are registered from the start of time on.

    With an exchange it brings what its clearing leaves over to a round of all communities, under its own name.
    It remembers a day's lines until the day is billed, and a month's where the tariff has a demand charge.
    """

    def __init__(
        self,
        rules: ForwardRules,
        connections: Mapping[str, Connection],
        name: str = "",
        exchange: InProcessExchange | None = None,
    ) -> None:
        """PluginError: the rules' mechanism comes from a package that cannot be used."""
        self._rules = rules
        self._name = name
        self._exchange = exchange
        self._connections = connections
        self._mechanism: Mechanism = plugins.choose("mechanisms", rules.pricing)
        self._cleared: dict[int, Cleared] = {}
        self._days: dict[int, list[Mapping[str, Settled]]] = {}

    async def period(self, period: Period, bids: Sequence[Bid]) -> Cleared:
        """Judge and clear a period's bids."""
        prices = self._rules.tariff(period).prices
        judged = judge(bids, period, prices, self._connections, self._caps(period))
        clearing = self._clear(judged.requests, judged.offers, prices)
        awards = {one.home: Award(clearing.bought_wh[one.id]) for one in judged.requests}
        awards |= {one.home: Award(sold_wh=clearing.sold_wh[one.id]) for one in judged.offers}
        for order_id, code in judged.refused.items():
            awards[order_id.split("-", 2)[2]] = Award(code=code)
        if self._exchange is not None:
            pools = pools_of(judged, clearing)
            result = await self._exchange.trade(period.id, residual(self._name, pools))
            own = [one for one in result.trades if self._name in (one.seller, one.buyer)]
            for home, outside in awards_of(self._name, pools, own).items():
                awards[home] = awards[home]._replace(outside=outside)
        cleared = Cleared(clearing.price_uaud_per_kwh, awards)
        self._cleared[period.id] = cleared
        return cleared

    async def settle(self, period: Period, readings: Sequence[Reading]) -> Mapping[str, Settled]:
        """Settle a period by the readings that the contract would take."""
        rules = self._rules
        cleared = self._cleared.pop(period.id, Cleared())
        band, prices, _ = rules.tariff(period)
        frozen = FrozenPeriod(
            period,
            version=1,
            final_version=None,
            terms=Terms(prices, cleared.price_uaud_per_kwh, rules.sharing, band.sharing_price),
            gate_s=gate_s(period, rules.times),
            offsets=rules.offsets,
            estimate_w=rules.estimate_w,
            connections=self._connections,
            awarded_wh={home: (one.bought_wh, one.sold_wh) for home, one in cleared.awards.items()},
            readings={
                one.home: (one,)
                for one in readings
                if not refusal(one, period, self._connections[one.home], HOME)
            },
            envelopes=rules.envelopes_of(period),
            keys_ppm=rules.keys_ppm,
            outside={home: one.outside for home, one in cleared.awards.items() if one.outside != NOTHING},
        )
        missing = self._connections.keys() - frozen.readings.keys()
        if missing:
            raise ValueError(f"{min(missing)}: its reading of period {period.id} is impossible")
        lines = settle_homes(frozen, tuple(self._connections), {}, {}, {})
        settled = {one.home: billable(period, band.name, prices, one, final=False) for one in lines}
        self._days.setdefault(local_day(period.start_s, rules.offsets), []).append(settled)
        return settled

    async def bill(self, day: int) -> Mapping[str, Bill]:
        """Bill every home's day."""
        periods = self._days[day]
        first = next(iter(periods[0].values())).period
        last = next(iter(periods[-1].values())).period
        tariff = self._rules.tariff(first).version
        demand = None
        if tariff.demand and ends_month(day):
            demand = MonthlyDemand(tariff.demand, (), self._rules.offsets)
        billed = Day(day, first, last.id + last.length_min, tariff, demand)
        month = list(
            chain.from_iterable(self._days[one] for one in self._days if month_of(one) == month_of(day))
        )
        carbon = self._carbon(periods)
        bills = {
            home: day_bill(
                Registration(home, 0),
                billed,
                [one[home] for one in periods],
                month=_of(home, month) if demand else (),
                carbon=carbon.get(home),
            )
            for home in self._connections
        }
        for one in [one for one in self._days if not tariff.demand or month_of(one) != month_of(day + 1)]:
            del self._days[one]
        return {home: one for home, one in bills.items() if one is not None}

    def _carbon(self, lines: Sequence[Mapping[str, Settled]]) -> Mapping[str, CarbonLine]:
        """Every home's carbon of a day, where it has a quota."""
        rule, offsets = self._rules.carbon, self._rules.offsets
        if rule is None:
            return {}
        periods = [next(iter(one.values())).period for one in lines]
        grams = {one.id: g_per_kwh(one, rule, offsets, {}) for one in periods}
        days = [carbon_day(home, periods, [one[home] for one in lines], grams) for home in self._connections]
        return settle_carbon(days, rule).lines

    def _clear(self, requests: Sequence[Order], offers: Sequence[Order], prices: Prices) -> Clearing:
        if self._rules.pricing in MECHANISMS:
            return clear(requests, offers, prices, self._rules.pricing)
        try:
            return cleared(self._mechanism, requests, offers, prices)
        except UnlawfulClearingError as error:
            raise UsageError(
                f"--pricing {self._rules.pricing}: the mechanism breaks a law: {error}"
            ) from error

    def _caps(self, period: Period) -> dict[str, Caps]:
        """Each home's envelope; empty where the grid published none."""
        if not self._rules.envelopes_of(period):
            return {}
        return {home: self._rules.caps(home, period) for home in self._connections}


def _of(home: str, periods: Iterable[Mapping[str, Settled]]) -> Iterable[Settled]:
    return (one[home] for one in periods)
