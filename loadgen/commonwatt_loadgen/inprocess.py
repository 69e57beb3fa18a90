# SPDX-License-Identifier: Apache-2.0
"""A market day in this process, by the very rules that the chaincode runs: for sweeps, long runs, and as an
oracle.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from commonwatt_chaincode.market.clearing import clear, grid_alone
from commonwatt_chaincode.market.orders import Offer, Request, offer_id, own_round_id, request_id
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.prices import buy_price, sell_price
from commonwatt_chaincode.market.tariff import MINUTE_S, tou_by_minute
from commonwatt_community.hems.agent import HomeAgent, Settlement
from commonwatt_community.hems.energy import MINUTES_PER_DAY

from commonwatt_loadgen.past_prices import PastPrices
from commonwatt_loadgen.records import DayRecord, OfferMade, RoundRecord, bills_of
from commonwatt_loadgen.schedule import day_events, first_round


@dataclass
class InProcessMarket:
    """A community's market: its rules and its price history.

    ``midnight_s`` is 0:00 of the first simulated day in epoch seconds: rounds are named after it, as on a ledger.
    """

    rules: Parameters
    midnight_s: int = 0
    past: PastPrices = field(default_factory=PastPrices)

    def __post_init__(self) -> None:
        self._tou = tou_by_minute(self.rules.tou)
        self._suggested_by = self.past.prices
        self._suggested: dict[int, int] = {}  # by the grid's price

    def run_day(self, agents: list[HomeAgent], day: int) -> DayRecord:
        """Trade one day: each need becomes a round, in the order of market time."""
        settlements: list[Settlement] = []
        rounds: list[RoundRecord] = []
        sellers = Sellers(agents)
        number = first_round(self.midnight_s, day, self.rules)
        for event in day_events(agents, day):
            settled = event.agent.settle(event.interval)
            sellers.changed(event.agent)
            settlements.append(settled)
            if settled.need_wh:
                rounds.append(self._round(number + len(rounds), event.agent, sellers, settled))
        homes = [agent.home for agent in agents]
        bills = bills_of(homes, settlements, rounds, self.rules)
        return DayRecord(
            day, settlements, rounds, bills, {agent.home: agent.account.energy_wh for agent in agents}
        )

    def _round(self, number: int, buyer: HomeAgent, sellers: "Sellers", settled: Settlement) -> RoundRecord:
        rules = self.rules
        round_id = own_round_id(self.midnight_s + settled.start_min * MINUTE_S, buyer.home)
        minute = settled.start_min % MINUTES_PER_DAY
        tou = self._tou[minute]
        suggested = self._sell_price(minute, tou)
        p_b = (
            buy_price(rules, self.past.prices, settled.need_wh, minute)
            if buyer.strategy.needs_suggested_bid
            else tou
        )
        limit = buyer.limit(tou, p_b, settled.need_wh, number)
        request = Request(request_id(round_id, buyer.home), buyer.home, settled.need_wh, limit)
        holding = sellers.holding()
        if not holding and not self.past.prices.redundancy_wh:
            alone = grid_alone(request, tou)
            return RoundRecord(number, settled.end_min, minute, tou, suggested, limit, alone, (), ())
        offers: list[Offer] = []
        offering: dict[str, HomeAgent] = {}
        for seller in holding:
            if seller is buyer:
                continue
            ask = seller.ask(tou, suggested, number)
            if ask:
                offers.append(
                    Offer(offer_id(round_id, seller.home), seller.home, ask.energy_wh, ask.price_uaud_per_kwh)
                )
                offering[seller.home] = seller
        award = clear([request], offers, tou)
        self.past = self.past.after(rules, award.fills, {request.id: limit}, award.totals.redundancy_wh)
        price_of = {offer.home: offer.price_uaud_per_kwh for offer in offers}
        made = tuple(
            OfferMade(ended.home, ended.energy_wh, price_of[ended.home], ended.sold_wh, ended.revenue_naud)
            for ended in award.offers
        )
        for ended in award.offers:
            offering[ended.home].offer_ended(ended.energy_wh, ended.sold_wh)
            if ended.sold_wh:
                sellers.changed(offering[ended.home])
        return RoundRecord(
            number, settled.end_min, minute, tou, suggested, limit, award.requests[0], made, award.fills
        )

    def _sell_price(self, minute: int, tou: int) -> int:
        """p_S, which changes with the tariff and with what rounds leave behind alone."""
        if self._suggested_by is not self.past.prices:
            self._suggested_by, self._suggested = self.past.prices, {}
        if tou not in self._suggested:
            self._suggested[tou] = sell_price(self.rules, self.past.prices, minute)
        return self._suggested[tou]


class Sellers:
    """The prosumers of a day, and those whose batteries hold anything: few in most rounds, so nobody asks the rest."""

    def __init__(self, agents: Sequence[HomeAgent]) -> None:
        self._in_order: list[HomeAgent] | None = None
        self._sellers = [agent for agent in agents if agent.spec.prosumer]
        self._places = {agent.home: place for place, agent in enumerate(self._sellers)}
        self._holding = {place for place, agent in enumerate(self._sellers) if agent.holds_energy()}

    def changed(self, agent: HomeAgent) -> None:
        """Take note that a home's battery may hold more or less than before."""
        place = self._places.get(agent.home)
        if place is None:
            return
        if agent.holds_energy() == (place in self._holding):
            return
        self._holding ^= {place}
        self._in_order = None

    def holding(self) -> list[HomeAgent]:
        """Those that hold energy, in the order of the homes."""
        if self._in_order is None:
            self._in_order = [self._sellers[place] for place in sorted(self._holding)]
        return self._in_order
