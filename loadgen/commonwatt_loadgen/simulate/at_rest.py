# SPDX-License-Identifier: Apache-2.0
"""What moving loads changed: the same homes, days and seed traded once more in this process, with loads at rest."""

from collections.abc import Mapping, Sequence
from typing import Any

from commonwatt_chaincode.market.battery import Account
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_community.hems.home import HomeSpec

from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.past_prices import PastPrices
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import agents_of
from commonwatt_loadgen.simulate.summary import Tally


class MarketAtRest:
    """A community's days without its consumers' flexibility, from the accounts and prices that they began with."""

    def __init__(
        self,
        options: SimulationOptions,
        homes: Sequence[HomeSpec],
        rules: Parameters,
        seed: int,
        accounts: Mapping[str, Account] | None = None,
        midnight_s: int = 0,
        past: PastPrices | None = None,
    ) -> None:
        """`homes` are as drawn, before their loads were made to move."""
        accounts = accounts or {}
        self._agents = agents_of(options, homes, rules, accounts, seed)
        self._market = InProcessMarket(rules, midnight_s, past or PastPrices())
        held_wh = {home: account.energy_wh for home, account in accounts.items()}
        self._tally = Tally(homes, rules, held_wh)

    def trade(self, day: int) -> None:
        """Trade the next day."""
        self._tally.add(self._market.run_day(self._agents, day))

    def summary(self) -> dict[str, Any]:
        """The figures of the days so far."""
        return self._tally.summary()
