# SPDX-License-Identifier: Apache-2.0
"""A home's bill of a local day, summed a second time."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from commonwatt_audit.world import Json

from .calendar import DAY_S, Calendar, Period
from .outside import as_member, summed
from .prices import Prices, counts_on
from .readings import ESTIMATED, MEASURED, SUBSTITUTED
from .settlement import Line, Metered

QUALITIES = (ESTIMATED, SUBSTITUTED, MEASURED)
_OF_METER = ("import_wh", "export_wh", "bought_wh", "sold_wh")
_OF_LINE = ("shared_in_wh", "shared_out_wh", "grid_in_wh", "grid_out_wh", "breach_wh")


class Settled(NamedTuple):
    """A home's settled period."""

    period: Period
    prices: Prices
    metered: Metered
    line: Line
    quality: str
    final: bool


def bill_of(
    home: str,
    day: int,
    periods: Sequence[Settled],
    supply_naud: int,
    adjustments: Sequence[Json],
    demand: Json | None,
    carbon: Json | None = None,
) -> Json:
    """The bill as the ledger holds it: `adjustments` as `adjustment_of` gives them, `demand` as `demand_of` does.

    `carbon` is the home's line, on a day with a quota.
    """
    groups: dict[tuple[str, int, int, int], list[Settled]] = {}
    for one in periods:
        prices = one.prices
        groups.setdefault((prices.band, prices.tou, prices.feed_in, prices.local_fee), []).append(one)
    bands = [_band(groups[key]) for key in sorted(groups)]
    demand_naud = demand["amount_naud"] if demand else 0
    taxable = supply_naud + demand_naud + sum(one["taxable_naud"] for one in adjustments)
    taxable += sum(band["grid_in_naud"] + band["fee_naud"] for band in bands)
    taxable += sum(one.metered.outside.fee_naud for one in periods)
    amount = supply_naud + demand_naud + sum(one["change"]["amount_naud"] for one in adjustments)
    amount += sum(one.line.amount_naud for one in periods)
    amount += carbon["amount_naud"] if carbon else 0
    return {
        **({"carbon": carbon} if carbon else {}),
        "home": home,
        "day": day,
        "bands": bands,
        "adjustments": list(adjustments),
        "supply_naud": supply_naud,
        "demand": demand,
        "qualities": [[name, sum(one.quality == name for one in periods)] for name in QUALITIES],
        "provisional": any(not one.final for one in periods),
        "taxable_naud": taxable,
        "amount_naud": amount,
    }


def _band(group: Sequence[Settled]) -> Json:
    prices = group[0].prices
    band: Json = {"band": prices.band, "prices": prices.as_json()}
    for name in _OF_METER:
        band[name] = sum(getattr(one.metered, name) for one in group)
    for name in _OF_LINE:
        band[name] = sum(getattr(one.line, name) for one in group)
    for name in ("contract_naud", "shared_naud", "fee_naud"):
        band[name] = sum(getattr(one.line, name) for one in group)
    band["grid_in_naud"] = band["grid_in_wh"] * prices.tou
    band["grid_out_naud"] = -band["grid_out_wh"] * prices.feed_in
    band["breach_naud"] = -band["breach_wh"] * min(prices.feed_in, 0)
    return {**band, **as_member(summed(one.metered.outside for one in group))}


def adjustment_of(period: int, prices: Prices, before: Line, after: Line, reason: str) -> Json:
    """What another settlement of a billed period books."""
    change = {name: getattr(after, name) - getattr(before, name) for name in Line._fields}
    taxable = change["grid_in_wh"] * prices.tou + change["fee_naud"]
    return {"period_id": period, "reason": reason, "change": change, "taxable_naud": taxable}


def demand_of(
    calendar: Calendar, periods: Iterable[tuple[Period, int]], demand: Json, holidays: Iterable[int]
) -> Json:
    """The month's charge from its periods and their import."""
    known, peaks_w = set(holidays), [0]
    for period, import_wh in periods:
        day = calendar.day_at(period.start_s)
        within = demand["from_min"] <= calendar.local_minute(period.start_s) < demand["to_min"]
        if within and counts_on(demand["days"], day, day in known):
            peaks_w.append(period.mean_w(import_wh))
    return {"peak_w": max(peaks_w), "amount_naud": max(peaks_w) * demand["price_uaud_per_kw"]}


def month_of(day: int) -> tuple[int, int]:
    """Year and month of a local day."""
    date = datetime.fromtimestamp(0, UTC) + timedelta(seconds=day * DAY_S)
    return date.year, date.month
