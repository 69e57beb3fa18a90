# SPDX-License-Identifier: Apache-2.0
"""Bidding strategies, the third interface of a HEMS. Prices are µAUD per kWh.

A strategy is made anew for each home and may keep what it learns. The contract refuses prices outside
[feed-in, ToU].
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from commonwatt_community.hems.draws import Draws


class PriceView(NamedTuple):
    """What a home sees when it names a price.

    `suggested` is p_S of the round for an ask (equation 5) and p_B for a bid (equation 6); `draw` names
    this decision for random draws.
    """

    feed_in: int
    tou: int
    suggested: int
    energy_wh: int
    draw: int


class Strategy(Protocol):
    """Names prices."""

    needs_suggested_bid: bool  # whether p_B must be asked for before bidding

    def ask(self, view: PriceView, draws: Draws) -> int:
        """The least a seller takes per kWh."""
        ...

    def bid(self, view: PriceView, draws: Draws) -> int:
        """The most a buyer pays per kWh."""
        ...

    def sold(self, offered_wh: int, sold_wh: int) -> None:
        """What became of the home's last offer."""
        ...


def clamp(price: int, view: PriceView) -> int:
    """The nearest price that the market accepts."""
    return max(view.feed_in, min(view.tou, price))


class Suggested:
    """The default: asks p_S within ±10 %, bids the ToU price ("never worse than the grid")."""

    needs_suggested_bid = False

    def ask(self, view: PriceView, draws: Draws) -> int:
        offset_ppm = draws.within(-100_000, 100_000, view.draw)
        return clamp(view.suggested + view.suggested * offset_ppm // 1_000_000, view)

    def bid(self, view: PriceView, draws: Draws) -> int:
        return view.tou

    def sold(self, offered_wh: int, sold_wh: int) -> None:
        pass


class ZeroIntelligence:
    """Any price the market accepts, each as likely (Gode and Sunder's constrained zero-intelligence
    trader).
    """

    needs_suggested_bid = False

    def ask(self, view: PriceView, draws: Draws) -> int:
        return draws.within(view.feed_in, view.tou, view.draw)

    def bid(self, view: PriceView, draws: Draws) -> int:
        return draws.within(view.feed_in, view.tou, view.draw)

    def sold(self, offered_wh: int, sold_wh: int) -> None:
        pass


class Shading:
    """Starts at the suggested price and learns a margin: dearer after a full sale, cheaper after none; bids
    p_B.
    """

    needs_suggested_bid = True
    STEP_PPM = 20_000
    BOUND_PPM = 400_000

    def __init__(self) -> None:
        self.margin_ppm = 0

    def ask(self, view: PriceView, draws: Draws) -> int:
        return clamp(view.suggested + view.suggested * self.margin_ppm // 1_000_000, view)

    def bid(self, view: PriceView, draws: Draws) -> int:
        return clamp(view.suggested, view)

    def sold(self, offered_wh: int, sold_wh: int) -> None:
        if sold_wh == offered_wh:
            self.margin_ppm = min(self.BOUND_PPM, self.margin_ppm + self.STEP_PPM)
        elif sold_wh == 0:
            self.margin_ppm = max(-self.BOUND_PPM, self.margin_ppm - self.STEP_PPM // 4)


STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "suggested": Suggested,
    "zero-intelligence": ZeroIntelligence,
    "shading": Shading,
}
