# SPDX-License-Identifier: Apache-2.0
"""The strategy `patient`: it waits for a good price early on, and comes down after offers that nobody took."""

from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.strategy import PriceView, clamp

HIGHEST_PPM, STEP_PPM = 1_300_000, 50_000


class Patient:
    """Asks for more than the suggested price, as long as it sells; prices are in µAUD per kWh, one object per home."""

    needs_suggested_bid = True
    """A bid follows `view.suggested`, so that the kit asks the ledger for it first."""

    def __init__(self) -> None:
        self.asks_ppm = HIGHEST_PPM

    def ask(self, view: PriceView, draws: Draws) -> int:
        """The least that the home sells for."""
        return clamp(view.suggested * self.asks_ppm // 1_000_000, view)

    def bid(self, view: PriceView, draws: Draws) -> int:
        """The most that the home buys for."""
        return clamp(view.suggested, view)

    def sold(self, offered_wh: int, sold_wh: int) -> None:
        """Go up after a full sale, down after none; never below the suggested price."""
        if sold_wh == offered_wh:
            self.asks_ppm = min(HIGHEST_PPM, self.asks_ppm + STEP_PPM)
        elif sold_wh == 0:
            self.asks_ppm = max(1_000_000, self.asks_ppm - STEP_PPM)
