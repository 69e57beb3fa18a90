# SPDX-License-Identifier: Apache-2.0
"""A forward market in this process, by the very rules that the chaincode runs."""

from collections.abc import Mapping, Sequence

from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bids import Bid, Connection, judge
from commonwatt_chaincode.market.forward.bills import Bill, Settled, bill, supply_due_naud
from commonwatt_chaincode.market.forward.clearing import clear
from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.periods import Period, Registration
from commonwatt_chaincode.market.forward.readings import Reading
from commonwatt_chaincode.market.forward.settlement import Terms, settle
from commonwatt_chaincode.market.tariff import local_day

from commonwatt_loadgen.forward.market import Award, Cleared
from commonwatt_loadgen.forward.rules import ForwardRules

_NOTHING = Award()


class InProcessForwardMarket:
    """One community's market, its homes registered from the first day on; what is billed is forgotten."""

    def __init__(self, rules: ForwardRules, connections: Mapping[str, Connection]) -> None:
        self._rules = rules
        self._connections = connections
        self._cleared: dict[int, Cleared] = {}
        self._settled: dict[int, list[Mapping[str, Settled]]] = {}
        self._registrations = [Registration(home, 0) for home in connections]

    async def period(self, period: Period, bids: Sequence[Bid]) -> Cleared:
        rules = self._rules
        prices = rules.tariff(period).prices
        envelopes = self._caps(period)
        judged = judge(bids, period, prices, self._connections, envelopes)
        clearing = clear(judged.requests, judged.offers, prices, rules.pricing)
        awards = {order.home: Award(bought_wh=clearing.bought_wh[order.id]) for order in judged.requests}
        for order in judged.offers:
            awards[order.home] = Award(sold_wh=clearing.sold_wh[order.id])
        for order_id, code in judged.refused.items():
            awards[order_id.split("-", 2)[2]] = Award(code=code)
        cleared = Cleared(clearing.price_uaud_per_kwh, awards)
        self._cleared[period.id] = cleared
        return cleared

    async def settle(self, period: Period, readings: Sequence[Reading]) -> Mapping[str, Settled]:
        rules = self._rules
        cleared = self._cleared.pop(period.id, Cleared())
        awards, keys, envelopes = cleared.awards, rules.keys_ppm, self._caps(period)
        metered = []
        for one in readings:
            award = awards.get(one.home, _NOTHING)
            cap_wh = envelopes[one.home].export_wh if envelopes else None
            metered.append(
                Metered(
                    one.home,
                    award.bought_wh,
                    award.sold_wh,
                    one.import_wh,
                    one.export_wh,
                    cap_wh,
                    keys.get(one.home, 0),
                )
            )
        tariff = rules.tariff(period)
        band, prices, _ = tariff
        terms = Terms(prices, cleared.price_uaud_per_kwh, rules.sharing, band.sharing_price)
        lines = settle(metered, terms).lines
        settled = {
            one.home: Settled(period, band.name, prices, one, lines[one.home], reading.quality, False)
            for one, reading in zip(metered, readings, strict=True)
        }
        self._settled.setdefault(local_day(period.start_s, rules.offsets), []).append(settled)
        return settled

    async def bill(self, day: int) -> Mapping[str, Bill]:
        periods = self._settled.pop(day)
        first = next(iter(periods[0].values())).period
        version = self._rules.tariff(first).version
        return {
            home: bill(
                home,
                day,
                [one[home] for one in periods],
                supply_due_naud(home, first, self._registrations, version)
                if version.supply_naud_per_day
                else 0,
            )
            for home in self._connections
        }

    def _caps(self, period: Period) -> dict[str, Caps]:
        """Each home's envelope; empty where the grid published none."""
        if not self._rules.envelopes:
            return {}
        return {home: self._rules.caps(home, period) for home in self._connections}
