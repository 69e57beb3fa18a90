# SPDX-License-Identifier: Apache-2.0
"""A home's bill for a day (step 9): the meter says what was needed, the market what of it neighbours sold."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .estimate import Estimate


class Sale(NamedTuple):
    """What was sold in a round."""

    sold_wh: int
    revenue_naud: int


class Metered(NamedTuple):
    """A settled interval, what was bought for it in rounds, and the grid's prices at its start.

    The spill's price is 0 where spill is wasted.
    """

    use_wh: int
    generation_wh: int
    own_wh: int
    need_wh: int
    charged_wh: int
    spill_wh: int
    grid_charge_wh: int
    bought_wh: int
    bought_naud: int
    tou_uaud_per_kwh: int
    feed_in_uaud_per_kwh: int
    spill_price_uaud_per_kwh: int

    @property
    def grid_wh(self) -> int:
        """What is left of the need: the grid delivered it, requested or not."""
        return max(0, self.need_wh - self.bought_wh)

    @property
    def over_wh(self) -> int:
        """What was bought beyond a need that a correction made smaller: fed into the grid."""
        return max(0, self.bought_wh - self.need_wh)


@dataclass(frozen=True, slots=True)
class Bill:
    """A home's day: ``amount_naud`` is what it pays, negative if it receives.

    ``unmetered_*`` are estimates for time without a reading. ``traditional_naud`` is what the home would pay without
    the market, as the paper has it: all use and estimates from the grid, all generation at the feed-in tariff.
    """

    intervals: int
    sales: int
    use_wh: int
    generation_wh: int
    own_wh: int
    need_wh: int
    charged_wh: int
    spill_wh: int
    grid_charge_wh: int
    bought_p2p_wh: int
    bought_grid_wh: int
    over_wh: int
    sold_wh: int
    unmetered_s: int
    unmetered_wh: int
    p2p_amount_naud: int
    grid_amount_naud: int
    grid_charge_amount_naud: int
    unmetered_amount_naud: int
    revenue_naud: int
    spill_credit_naud: int
    over_credit_naud: int
    amount_naud: int
    traditional_naud: int

    @property
    def grid_naud(self) -> int:
        """What the grid gets of this bill; over all homes of a day that is the sum of their amounts."""
        received = self.grid_amount_naud + self.grid_charge_amount_naud + self.unmetered_amount_naud
        return received - self.spill_credit_naud - self.over_credit_naud


def bill(intervals: Iterable[Metered], sales: Iterable[Sale], unmetered: Iterable[Estimate] = ()) -> Bill:
    """Sum a day (step 9): every metered need once, from neighbours or the grid. Exact, without rounding."""
    intervals, sales, unmetered = tuple(intervals), tuple(sales), tuple(unmetered)
    p2p_naud = sum(each.bought_naud for each in intervals)
    grid_naud = sum(each.grid_wh * each.tou_uaud_per_kwh for each in intervals)
    charge_naud = sum(each.grid_charge_wh * each.tou_uaud_per_kwh for each in intervals)
    unmetered_naud = sum(each.energy_wh * each.tou_uaud_per_kwh for each in unmetered)
    revenue_naud = sum(sale.revenue_naud for sale in sales)
    spill_naud = sum(each.spill_wh * each.spill_price_uaud_per_kwh for each in intervals)
    over_naud = sum(each.over_wh * each.feed_in_uaud_per_kwh for each in intervals)
    paid_naud = p2p_naud + grid_naud + charge_naud + unmetered_naud
    return Bill(
        intervals=len(intervals),
        sales=len(sales),
        use_wh=sum(each.use_wh for each in intervals),
        generation_wh=sum(each.generation_wh for each in intervals),
        own_wh=sum(each.own_wh for each in intervals),
        need_wh=sum(each.need_wh for each in intervals),
        charged_wh=sum(each.charged_wh for each in intervals),
        spill_wh=sum(each.spill_wh for each in intervals),
        grid_charge_wh=sum(each.grid_charge_wh for each in intervals),
        bought_p2p_wh=sum(each.bought_wh for each in intervals),
        bought_grid_wh=sum(each.grid_wh for each in intervals),
        over_wh=sum(each.over_wh for each in intervals),
        sold_wh=sum(sale.sold_wh for sale in sales),
        unmetered_s=sum(each.end_s - each.start_s for each in unmetered),
        unmetered_wh=sum(each.energy_wh for each in unmetered),
        p2p_amount_naud=p2p_naud,
        grid_amount_naud=grid_naud,
        grid_charge_amount_naud=charge_naud,
        unmetered_amount_naud=unmetered_naud,
        revenue_naud=revenue_naud,
        spill_credit_naud=spill_naud,
        over_credit_naud=over_naud,
        amount_naud=paid_naud - revenue_naud - spill_naud - over_naud,
        traditional_naud=unmetered_naud + sum(traditional_naud(each) for each in intervals),
    )


def traditional_naud(interval: Metered) -> int:
    """The cost of an interval without the market: what the paper calls traditional (gross feed-in metering)."""
    return (
        interval.use_wh * interval.tou_uaud_per_kwh - interval.generation_wh * interval.feed_in_uaud_per_kwh
    )
