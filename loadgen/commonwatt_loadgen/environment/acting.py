# SPDX-License-Identifier: Apache-2.0
"""A home whose battery and prices are somebody else's to decide, period by period."""

from collections.abc import Sequence
from typing import NamedTuple

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.battery import Battery
from commonwatt_chaincode.market.forward.bids import REQUEST
from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_community.hems.forward.agent import NO_CAPS, Decision, ForwardAgent
from commonwatt_community.hems.forward.connection_point import Store, flow
from commonwatt_community.hems.forward.forecast import PeriodForecast
from commonwatt_community.hems.forward.plan import Plan
from commonwatt_community.hems.home import HomeSpec


class Action(NamedTuple):
    """What to do in a period; both are within -1..1.

    `battery`: above 0 the home offers this share of what the battery could give in the period. Below 0 the battery
    keeps this share of its content from its own home. `reluctance`: -1 takes every price, 1 only the best one that can
    be.
    """

    battery: float = 0.0
    reluctance: float = -1.0


class ActingAgent(ForwardAgent):
    """Bids by `action`, which is set before it is asked."""

    def __init__(
        self,
        spec: HomeSpec,
        battery: Battery,
        period_min: int,
        forecast: PeriodForecast,
        highest_feed_in: int,
        curtails: bool,
    ) -> None:
        super().__init__(
            spec,
            battery,
            period_min,
            forecast=forecast,
            plan=self._acted,
            highest_feed_in=highest_feed_in,
            curtails=curtails,
        )
        self.action = Action()

    def decide(
        self,
        place: int,
        minutes: Sequence[int],
        prices: Prices,
        middles: Sequence[int],
        caps: Caps = NO_CAPS,
        seq: int = 1,
        tariffs: Sequence[Prices] = (),
    ) -> Decision:
        """See `ForwardAgent`; the price is the action's."""
        decision = super().decide(place, minutes, prices, middles, caps, seq, tariffs)
        if decision.bid is None:
            return decision
        within = round((self.action.reluctance + 1) / 2 * (prices.ceiling - prices.feed_in))
        price = prices.ceiling - within if decision.bid.kind == REQUEST else prices.feed_in + within
        return decision._replace(bid=decision.bid._replace(price_uaud_per_kwh=price))

    def _acted(self, store: Store, energy_wh: int, expected_wh: Sequence[int], prices: Sequence[int]) -> Plan:
        """The action as a battery plan."""
        net_wh, share = expected_wh[0], self.action.battery
        usual = flow(store, energy_wh, net_wh)
        if share < 0 and net_wh > 0:
            keep_wh = store.floor_wh + round(-share * (energy_wh - store.floor_wh))
            return Plan(flow(store, energy_wh, net_wh, keep_wh=keep_wh).import_wh, 0, 0, keep_wh)
        if usual.import_wh or share <= 0:
            return Plan(usual.import_wh, usual.export_wh, 0)
        most_wh = min((energy_wh - store.floor_wh) * store.eta_d_ppm // PPM, store.rate_wh) - net_wh
        given_wh = max(0, round(share * (most_wh - usual.export_wh)))
        return Plan(0, usual.export_wh + given_wh, given_wh)
