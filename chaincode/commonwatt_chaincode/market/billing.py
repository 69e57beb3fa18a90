# SPDX-License-Identifier: Apache-2.0
"""A home's bill for a day (step 9) from its purchases, sales and meter readings."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Purchase(NamedTuple):
    """A request as it ended."""

    p2p_energy_wh: int
    grid_energy_wh: int
    p2p_amount_naud: int
    grid_amount_naud: int


class Sale(NamedTuple):
    """An offer as it ended."""

    sold_wh: int
    revenue_naud: int


class Metered(NamedTuple):
    """A settled interval with the grid's price at its start; the spill's price is 0 where spill is wasted."""

    use_wh: int
    generation_wh: int
    own_wh: int
    need_wh: int
    charged_wh: int
    spill_wh: int
    grid_charge_wh: int
    tou_uaud_per_kwh: int
    feed_in_uaud_per_kwh: int
    spill_price_uaud_per_kwh: int


@dataclass(frozen=True, slots=True)
class Bill:
    """A home's day: ``amount_naud`` is what it pays, negative if it receives.

    ``traditional_naud`` is what it would pay without the market: all use bought from the grid, all generation
    sold at the feed-in tariff.
    """

    requests: int
    sales: int
    use_wh: int
    generation_wh: int
    own_wh: int
    need_wh: int
    charged_wh: int
    spill_wh: int
    grid_charge_wh: int
    requested_wh: int
    bought_p2p_wh: int
    bought_grid_wh: int
    sold_wh: int
    p2p_amount_naud: int
    grid_amount_naud: int
    grid_charge_amount_naud: int
    revenue_naud: int
    spill_credit_naud: int
    amount_naud: int
    traditional_naud: int


def bill(purchases: Iterable[Purchase], sales: Iterable[Sale], readings: Iterable[Metered]) -> Bill:
    """Sum a day (step 9): purchases and grid charging, less sales and credited spill. Exact, without rounding."""
    purchases, sales, readings = tuple(purchases), tuple(sales), tuple(readings)
    p2p_naud = sum(purchase.p2p_amount_naud for purchase in purchases)
    grid_naud = sum(purchase.grid_amount_naud for purchase in purchases)
    charge_naud = sum(reading.grid_charge_wh * reading.tou_uaud_per_kwh for reading in readings)
    revenue_naud = sum(sale.revenue_naud for sale in sales)
    spill_naud = sum(reading.spill_wh * reading.spill_price_uaud_per_kwh for reading in readings)
    bought_p2p_wh = sum(purchase.p2p_energy_wh for purchase in purchases)
    bought_grid_wh = sum(purchase.grid_energy_wh for purchase in purchases)
    return Bill(
        requests=len(purchases),
        sales=len(sales),
        use_wh=sum(reading.use_wh for reading in readings),
        generation_wh=sum(reading.generation_wh for reading in readings),
        own_wh=sum(reading.own_wh for reading in readings),
        need_wh=sum(reading.need_wh for reading in readings),
        charged_wh=sum(reading.charged_wh for reading in readings),
        spill_wh=sum(reading.spill_wh for reading in readings),
        grid_charge_wh=sum(reading.grid_charge_wh for reading in readings),
        requested_wh=bought_p2p_wh + bought_grid_wh,
        bought_p2p_wh=bought_p2p_wh,
        bought_grid_wh=bought_grid_wh,
        sold_wh=sum(sale.sold_wh for sale in sales),
        p2p_amount_naud=p2p_naud,
        grid_amount_naud=grid_naud,
        grid_charge_amount_naud=charge_naud,
        revenue_naud=revenue_naud,
        spill_credit_naud=spill_naud,
        amount_naud=p2p_naud + grid_naud + charge_naud - revenue_naud - spill_naud,
        traditional_naud=sum(traditional_naud(reading) for reading in readings),
    )


def traditional_naud(reading: Metered) -> int:
    """The cost of an interval without the market: what the paper calls traditional (gross feed-in metering)."""
    return reading.use_wh * reading.tou_uaud_per_kwh - reading.generation_wh * reading.feed_in_uaud_per_kwh
