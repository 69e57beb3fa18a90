# SPDX-License-Identifier: Apache-2.0
"""A battery that a community shares: it buys from neighbours where energy is cheap, and sells to them where it is dear.

It takes part in the forward market like a home, and takes and gives just what its contracts say: the grid sells it
nothing. The linear program says what to trade in each period at the prices that are expected, for the most gain.
"""

from collections.abc import Sequence

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.battery import Battery
from commonwatt_chaincode.market.forward.bids import OFFER, REQUEST, Bid
from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.prices import Prices

from commonwatt_community.hems.energy import MINUTES_PER_DAY, Silent
from commonwatt_community.hems.forward.agent import NO_CAPS, Decision, ForwardAgent, PeriodRead
from commonwatt_community.hems.forward.plan import Plan
from commonwatt_community.hems.home import HomeSpec
from commonwatt_community.planning.battery_program import cheapest_path

HOME = "community-battery"
"""What it is called among the homes."""

_HOURS_TO_FILL = 3
_ETA_PPM = 950_000


class CommunityBattery(ForwardAgent):
    """The agent of a shared battery; `wear_uaud_per_kwh` is what a delivered kWh costs by ageing."""

    def __init__(self, capacity_wh: int, period_min: int, wear_uaud_per_kwh: int = 20_000) -> None:
        power_w = max(1, capacity_wh // _HOURS_TO_FILL)
        spec = HomeSpec(HOME, True, "", "", Silent(), Silent(), 0, capacity_wh, "")
        battery = Battery(capacity_wh, _ETA_PPM, _ETA_PPM, 0, PPM, 0, power_w)
        super().__init__(spec, battery, period_min, connection_w=max(100, power_w))
        self._wear = wear_uaud_per_kwh
        self._trades: dict[int, tuple[int, int]] = {}  # by place: bought and sold, not yet lived

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
        """See `ForwardAgent`: its content when the period begins is certain, since it keeps its contracts."""
        energy_wh = self.energy_wh
        for running in range(self.first_place, place):
            energy_wh = self._after(energy_wh, *self._trades.get(running, (0, 0)))
        count = min(len(middles), MINUTES_PER_DAY // self.period_min)
        rates = [self.store.rate_wh] * count
        fees = [one.local_fee for one in tariffs[:count]] or [0] * count
        path = cheapest_path(
            self.store,
            energy_wh,
            rates,
            [-rate_wh for rate_wh in rates],
            middles[:count],
            [0] * count,
            self._wear,
            0,
            buying_fees=fees,
        )
        bought_wh = sold_wh = 0
        if path is not None:
            traded_wh = round(float(path.charged[0] - path.sold[0]))
            bought_wh = self._within(max(0, traded_wh), self._room_wh(energy_wh), caps.import_wh)
            sold_wh = self._within(max(0, -traded_wh), self._held_wh(energy_wh), caps.export_wh)
        bid = None
        if bought_wh:
            bid = Bid(self.home, seq, REQUEST, bought_wh, min(middles[0], prices.ceiling))
        elif sold_wh:
            bid = Bid(self.home, seq, OFFER, sold_wh, max(middles[0], prices.feed_in))
        return Decision(bid, Plan(bought_wh, sold_wh, sold_wh), 0, energy_wh)

    def awarded(self, place: int, sold_wh: int, bought_wh: int = 0) -> None:
        """Take note of what it traded in a period that it has not lived yet."""
        self._trades[place] = bought_wh, sold_wh

    def live(self, minute: int, caps: Caps = NO_CAPS) -> PeriodRead:
        """Take and give what the contracts of the next period say."""
        bought_wh, sold_wh = self._trades.pop(self.first_place, (0, 0))
        self.energy_wh = self._after(self.energy_wh, bought_wh, sold_wh)
        self._place += 1
        return PeriodRead(minute, 0, 0, bought_wh, sold_wh, self.energy_wh, 0)

    def _after(self, energy_wh: int, bought_wh: int, sold_wh: int) -> int:
        charged_wh = bought_wh * self.store.eta_c_ppm // PPM
        return energy_wh + charged_wh + -sold_wh * PPM // self.store.eta_d_ppm

    def _room_wh(self, energy_wh: int) -> int:
        return min(self.store.rate_wh, (self.store.full_wh - energy_wh) * PPM // self.store.eta_c_ppm)

    def _held_wh(self, energy_wh: int) -> int:
        return min(self.store.rate_wh, (energy_wh - self.store.floor_wh) * self.store.eta_d_ppm // PPM)

    @staticmethod
    def _within(energy_wh: int, possible_wh: int, allowed_wh: int | None) -> int:
        return min(energy_wh, possible_wh, energy_wh if allowed_wh is None else allowed_wh)
