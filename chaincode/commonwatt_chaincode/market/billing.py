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


_SUMMED = 9
"""So many of an interval's first members are sums of its day: energy, and what was paid to neighbours."""


def bill(intervals: Iterable[Metered], sales: Iterable[Sale], unmetered: Iterable[Estimate] = ()) -> Bill:
    """Sum a day (step 9): every metered need once, from neighbours or the grid. Exact, without rounding."""
    intervals, sales, unmetered = tuple(intervals), tuple(sales), tuple(unmetered)
    use_wh, generation_wh, own_wh, need_wh, charged_wh, spill_wh, grid_charge_wh, p2p_wh, p2p_naud = (
        map(sum, tuple(zip(*intervals, strict=True))[:_SUMMED]) if intervals else (0,) * _SUMMED
    )
    grid_wh = [each.grid_wh for each in intervals]
    over_wh = [each.over_wh for each in intervals]
    grid_naud = sum(wh * each.tou_uaud_per_kwh for wh, each in zip(grid_wh, intervals, strict=True))
    charge_naud = sum(each.grid_charge_wh * each.tou_uaud_per_kwh for each in intervals)
    unmetered_naud = sum(each.energy_wh * each.tou_uaud_per_kwh for each in unmetered)
    revenue_naud = sum(sale.revenue_naud for sale in sales)
    spill_naud = sum(each.spill_wh * each.spill_price_uaud_per_kwh for each in intervals)
    over_naud = sum(wh * each.feed_in_uaud_per_kwh for wh, each in zip(over_wh, intervals, strict=True))
    paid_naud = p2p_naud + grid_naud + charge_naud + unmetered_naud
    return Bill(
        intervals=len(intervals),
        sales=len(sales),
        use_wh=use_wh,
        generation_wh=generation_wh,
        own_wh=own_wh,
        need_wh=need_wh,
        charged_wh=charged_wh,
        spill_wh=spill_wh,
        grid_charge_wh=grid_charge_wh,
        bought_p2p_wh=p2p_wh,
        bought_grid_wh=sum(grid_wh),
        over_wh=sum(over_wh),
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
