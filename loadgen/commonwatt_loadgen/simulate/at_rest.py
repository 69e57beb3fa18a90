# SPDX-License-Identifier: Apache-2.0
"""What moving loads changed: the same homes, days and seed traded once more in this process, with loads at rest."""

from collections.abc import Mapping, Sequence
from typing import Any

from commonwatt_chaincode.market.battery import Account
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.prices import PriceState
from commonwatt_community.hems.home import HomeSpec

from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.simulate.calls import OPERATOR, MarketCalls
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
        prices: PriceState | None = None,
    ) -> None:
        """`homes` are as drawn, before their loads were made to move."""
        accounts = accounts or {}
        self._agents = agents_of(options, homes, rules, accounts, seed)
        self._market = InProcessMarket(rules, prices=prices or PriceState())
        held_wh = {home: account.energy_wh for home, account in accounts.items()}
        self._tally = Tally(homes, rules, held_wh)

    def trade(self, day: int) -> None:
        """Trade the next day."""
        self._tally.add(self._market.run_day(self._agents, day))

    def summary(self) -> dict[str, Any]:
        """The figures of the days so far."""
        return self._tally.summary()


async def prices_left(calls: MarketCalls, last_round: int, redundancy_wh: int, window: int) -> PriceState:
    """The prices that rounds up to `last_round` left to the next one, read back from the rounds themselves."""
    sold: list[int] = []
    bought: list[int] = []
    number = last_round
    while number and len(sold) < window:
        found = await calls.evaluate(OPERATOR, "get_round", {"round": number})
        totals = found["result"]["totals"] if found["state"] == "CLEARED" else {}
        if totals.get("price_s_uaud_per_kwh") is not None:
            sold.insert(0, totals["price_s_uaud_per_kwh"])
            bought.insert(0, totals["price_b_uaud_per_kwh"])
        number -= 1
    return PriceState(tuple(sold), tuple(bought), redundancy_wh)
