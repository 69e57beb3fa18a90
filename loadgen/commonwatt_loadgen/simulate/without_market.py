# SPDX-License-Identifier: Apache-2.0
"""The same homes with the same equipment and no market: the baseline against which a saving is stated.

Own PV serves the home, its battery stores surplus for its own use, the rest is fed in at the feed-in tariff, and
what is missing comes from the grid. The battery lives through the same intervals and readings as with the market.
"""

from collections.abc import Mapping, Sequence

from commonwatt_chaincode.market.battery import Account, battery_of
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.settlement import settle_interval
from commonwatt_chaincode.market.tariff import tou_by_minute
from commonwatt_community.hems.agent import Settlement
from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.home import HomeSpec

_SUMMED = ("grid_wh", "fed_in_wh", "amount_naud")


class WithoutMarket:
    """Homes' batteries and bills without any trade, interval after interval."""

    def __init__(
        self, homes: Sequence[HomeSpec], rules: Parameters, begin_wh: Mapping[str, int] | None = None
    ) -> None:
        """`begin_wh` is what homes' batteries hold before the first interval; their floor by default."""
        self._rules = rules
        self._tou = tou_by_minute(rules.tou)
        self._batteries = {home.home: battery_of(rules, home.storage_wh) for home in homes}
        self.energy_wh = {home: battery.e_min_wh for home, battery in self._batteries.items()} | dict(
            begin_wh or {}
        )
        self.sums: dict[str, dict[str, int]] = {home.home: dict.fromkeys(_SUMMED, 0) for home in homes}

    def add(self, settled: Settlement) -> tuple[int, int]:
        """Live through an interval; each home's come in their order.

        Returns what the home buys from the grid and what it feeds in, in Wh.
        """
        home = settled.home
        battery = self._batteries[home]
        if battery.capacity_wh:
            outcome = settle_interval(
                battery,
                Account(self.energy_wh[home]),
                settled.end_min - settled.start_min,
                settled.use_wh,
                settled.generation_wh,
            )
            self.energy_wh[home] = outcome.account.energy_wh
            need_wh, spill_wh = outcome.need_wh, outcome.spill_wh
        else:
            net_wh = settled.use_wh - settled.generation_wh
            need_wh, spill_wh = (net_wh, 0) if net_wh > 0 else (0, -net_wh)
        sums = self.sums[home]
        tou = self._tou[settled.start_min % MINUTES_PER_DAY]
        sums["grid_wh"] += need_wh
        sums["fed_in_wh"] += spill_wh
        sums["amount_naud"] += need_wh * tou - spill_wh * self._rules.feed_in
        return need_wh, spill_wh
