# SPDX-License-Identifier: Apache-2.0
"""Bills: a home's local day by band, supply, the month's demand charge, and adjustments of days billed before."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from ..tariff import local_day
from .balances import Metered
from .outside import Outside, together
from .periods import Offsets, Period, Registration, local_minute_at, registered
from .prices import Prices
from .readings import QUALITIES
from .settlement import Line, difference
from .tariffs import Demand, Version


class Settled(NamedTuple):
    """A home's settled period as a bill takes it."""

    period: Period
    band: str
    prices: Prices
    metered: Metered
    line: Line
    quality: str
    final: bool


class BandSum(NamedTuple):
    """A day's energy and money at one band's prices; money is what the home pays, negative if it receives.

    ``exchange`` is what it traded with other communities, None where that is nothing.
    """

    band: str
    prices: Prices
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    shared_in_wh: int
    shared_out_wh: int
    grid_in_wh: int
    grid_out_wh: int
    breach_wh: int
    contract_naud: int
    shared_naud: int
    grid_in_naud: int
    grid_out_naud: int
    breach_naud: int
    fee_naud: int
    exchange: Outside | None = None


class Adjustment(NamedTuple):
    """What a correction of a period that is billed already books: differences, and why."""

    period_id: int
    reason: str
    change: Line
    taxable_naud: int


class DemandCharge(NamedTuple):
    """A month's highest mean import in the window, and what it costs: W × µAUD/kW = nAUD."""

    peak_w: int
    amount_naud: int


class CarbonLine(NamedTuple):
    """A home's emissions of the day beside its quota. ``amount_naud`` is what it pays, negative if it receives."""

    emitted_mg: int
    quota_mg: int
    amount_naud: int


@dataclass(frozen=True, slots=True)
class Bill:
    """A home's day. ``taxable_naud`` is what carries GST: grid_in, fees, those of links too, supply and demand.

    ``provisional``: a period of it is not final. ``qualities`` counts its periods by quality. ``carbon``: None on a
    day without a quota.
    """

    home: str
    day: int
    bands: tuple[BandSum, ...]
    adjustments: tuple[Adjustment, ...]
    supply_naud: int
    demand: DemandCharge | None
    qualities: tuple[tuple[str, int], ...]
    provisional: bool
    taxable_naud: int
    amount_naud: int
    carbon: CarbonLine | None = None


def bill(
    home: str,
    day: int,
    periods: Sequence[Settled],
    supply_naud: int = 0,
    adjustments: Iterable[Adjustment] = (),
    demand: DemandCharge | None = None,
    carbon: CarbonLine | None = None,
) -> Bill:
    """Sum a home's local day. ``demand`` is that of the month which the day ends.

    The payments of ``carbon`` are among neighbours, and carry no GST.

    ValueError for a period twice, or of another home.
    """
    if len({one.period.id for one in periods}) != len(periods):
        raise ValueError(f"{home[:80]}: a period is billed twice on day {day}")
    if any(one.metered.home != home for one in periods):
        raise ValueError(f"{home[:80]}: a period of another home is on its bill")
    adjustments = tuple(adjustments)
    bands = tuple(_band_sums(periods))
    demand_naud = demand.amount_naud if demand else 0
    taxable_naud = sum(one.grid_in_naud + one.fee_naud for one in bands)
    taxable_naud += sum(one.exchange.fee_naud for one in bands if one.exchange)
    taxable_naud += sum(one.taxable_naud for one in adjustments) + supply_naud + demand_naud
    amount_naud = sum(one.line.amount_naud for one in periods)
    amount_naud += sum(one.change.amount_naud for one in adjustments) + supply_naud + demand_naud
    amount_naud += carbon.amount_naud if carbon else 0
    qualities = tuple((quality, sum(one.quality == quality for one in periods)) for quality in QUALITIES)
    return Bill(
        home,
        day,
        bands,
        adjustments,
        supply_naud,
        demand,
        qualities,
        not all(one.final for one in periods),
        taxable_naud,
        amount_naud,
        carbon,
    )


def adjustment(period_id: int, prices: Prices, before: Line, after: Line, reason: str) -> Adjustment:
    """Book another settlement of a period that is billed already."""
    change = difference(after, before)
    return Adjustment(period_id, reason, change, change.grid_in_wh * prices.tou + change.fee_naud)


def supply_due_naud(home: str, first: Period, registrations: Sequence[Registration], version: Version) -> int:
    """The supply charge of a local day: the home that is registered at its first period pays it, so a connection pays
    once."""
    return version.supply_naud_per_day if home in registered(registrations, first.id) else 0


def demand_charge(
    periods: Iterable[Settled], demand: Demand, holidays: Container[int], offsets: Offsets
) -> DemandCharge:
    """The charge of a home's periods of a month. ``holidays`` are local days.

    Estimated periods count too: silence hides no peak.
    """
    peak_w = 0
    for one in periods:
        day = local_day(one.period.start_s, offsets)
        in_window = demand.from_min <= local_minute_at(one.period, offsets) < demand.to_min
        if in_window and demand.days.hold(day, day in holidays):
            peak_w = max(peak_w, one.period.mean_w(one.metered.import_wh))
    return DemandCharge(peak_w, peak_w * demand.price_uaud_per_kw)


def month_of(day: int) -> tuple[int, int]:
    """Year and calendar month of a local day."""
    dated = date(1970, 1, 1) + timedelta(days=day)
    return dated.year, dated.month


def ends_month(day: int) -> bool:
    """Whether a local day is the last of its month: its bill carries the demand charge."""
    return month_of(day) != month_of(day + 1)


def _band_sums(periods: Iterable[Settled]) -> Iterable[BandSum]:
    groups: dict[tuple[str, Prices], list[Settled]] = {}
    for one in sorted(periods):
        groups.setdefault((one.band, one.prices), []).append(one)
    for (band, prices), group in sorted(groups.items()):
        metered, lines = [one.metered for one in group], [one.line for one in group]
        grid_in_wh = sum(line.grid_in_wh for line in lines)
        grid_out_wh = sum(line.grid_out_wh for line in lines)
        breach_wh = sum(line.breach_wh for line in lines)
        yield BandSum(
            band,
            prices,
            sum(one.import_wh for one in metered),
            sum(one.export_wh for one in metered),
            sum(one.bought_wh for one in metered),
            sum(one.sold_wh for one in metered),
            sum(line.shared_in_wh for line in lines),
            sum(line.shared_out_wh for line in lines),
            grid_in_wh,
            grid_out_wh,
            breach_wh,
            sum(line.contract_naud for line in lines),
            sum(line.shared_naud for line in lines),
            grid_in_wh * prices.tou,
            -grid_out_wh * prices.feed_in,
            -breach_wh * min(0, prices.feed_in),
            sum(line.fee_naud for line in lines),
            together(one.outside for one in metered),
        )
