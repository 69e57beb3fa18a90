# SPDX-License-Identifier: Apache-2.0
"""The same homes with the same equipment and no market: the baseline against which a saving is stated.

Own PV serves the home, its battery stores surplus for its own use, the rest is fed in at the feed-in price up to the
envelope. Energy that is missing comes from the grid.
"""

from collections.abc import Sequence
from typing import NamedTuple

from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_community.hems.forward.agent import ForwardAgent, PeriodRead
from commonwatt_community.hems.forward.connection_point import flow


class Without(NamedTuple):
    """A home's period without a market: its registers, and what it pays."""

    import_wh: int
    export_wh: int
    amount_naud: int


class WithoutMarket:
    """Homes' batteries without any trade, period after period."""

    def __init__(self, agents: Sequence[ForwardAgent], curtails: bool) -> None:
        self._stores = {agent.home: agent.store for agent in agents}
        self._curtails = curtails
        self.energy_wh = {agent.home: agent.energy_wh for agent in agents}

    def live(self, home: str, read: PeriodRead, prices: Prices, caps: Caps | None) -> Without:
        """Live a period with the use and generation that were metered with the market."""
        net_wh = read.use_wh - read.generation_wh
        import_wh, export_wh, self.energy_wh[home] = flow(self._stores[home], self.energy_wh[home], net_wh)
        tou, feed_in, _ = prices
        paid_wh = export_wh
        if caps is not None and caps.export_wh is not None and export_wh > caps.export_wh:
            paid_wh = caps.export_wh
            if self._curtails:
                export_wh -= min(export_wh - caps.export_wh, read.generation_wh)
        amount_naud = import_wh * tou - paid_wh * feed_in - (export_wh - paid_wh) * min(0, feed_in)
        return Without(import_wh, export_wh, amount_naud)
