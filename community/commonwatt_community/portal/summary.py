# SPDX-License-Identifier: Apache-2.0
"""The portal's figures of a home: today and this month, prices, trades, savings and CO2. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_chaincode.market.forward.periods import Period, local_minute_at, periods_of_day
from commonwatt_chaincode.market.forward.tariffs import version_of
from commonwatt_chaincode.market.tariff import MINUTE_S, local_day

from ..market.results import ClearedPrice, Configuration, Home, HomeLine, PeriodAwards
from ..statement.attested import AttestedPeriods
from ..statement.carbon import carbon_account
from ..statement.month import Month, date_of, month_of
from ..statement.reading import takes_part
from .prices import outlook
from .sums import Sums, sums_of_bill, sums_of_lines, total

MOST_TRADES = 30
HOUR_MIN = 60
Json = dict[str, Any]


@dataclass(frozen=True)
class Co2Factor:
    """Grams of CO2 that a kWh from the grid stands for, and who says so."""

    g_per_kwh: int
    source: str


@dataclass(frozen=True)
class Known:
    """The records of a home: bills of days that are billed, lines of the days that are not, by local day.

    ``attested`` is of the bills; None where nobody can say.
    """

    home: Home
    now_s: int
    configuration: Configuration
    bills: Mapping[int, Bill] = field(default_factory=dict)
    lines: Mapping[int, Sequence[HomeLine]] = field(default_factory=dict)
    prices: Sequence[ClearedPrice] = ()
    awards: Sequence[PeriodAwards] = ()
    attested: AttestedPeriods | None = None

    @property
    def today(self) -> int:
        """The local day that runs."""
        return local_day(self.now_s, self.configuration.offsets)

    @property
    def month(self) -> Month:
        """The month that runs."""
        return month_of(self.today)


def summary(known: Known, co2: Co2Factor | None = None) -> Json:
    """The portal's figures as JSON: Wh, nAUD, µAUD per kWh, epoch seconds."""
    configuration = known.configuration
    days = {
        day: _sums_of_day(known, day)
        for day in known.month.days
        if day <= known.today and (day in known.bills or takes_part(known.home, day, configuration))
    }
    this_month = total(days.values())
    today_lines = known.lines.get(known.today, ())
    offset_min = _offset_min(known)
    return {
        "home": known.home.home,
        "now_s": known.now_s,
        "offset_min": offset_min,
        "has_panels": any(one.connection.pv_w for one in known.home.versions),
        "has_battery": any(one.connection.battery_w for one in known.home.versions),
        "supply_naud_per_day": _supply_naud(known, known.today),
        "today": {
            "date": date_of(known.today).isoformat(),
            **days.get(known.today, Sums())._asdict(),
            "settled_to_s": max(
                (Period(one.period, one.length_min).end_s for one in today_lines), default=None
            ),
            "estimated": sum(one.quality == "estimated" for one in today_lines),
            "hours": _hours(today_lines, configuration),
        },
        "month": {
            "month": str(known.month),
            **this_month._asdict(),
            "billed_days": sum(day in known.bills for day in days),
            "attested": None if known.attested is None else known.attested._asdict(),
            "days": [{"day": date_of(day).day, **sums._asdict()} for day, sums in sorted(days.items())],
        },
        "prices": outlook(configuration, known.now_s, known.prices),
        "trades": _trades(known.awards),
        "co2": _co2(this_month, co2),
        "carbon": _carbon(known),
    }


def _sums_of_day(known: Known, day: int) -> Sums:
    """A billed day by its bill; one that is not yet by its lines and the supply charge."""
    if day in known.bills:
        return sums_of_bill(known.bills[day])
    lines = known.lines.get(day, ())
    charged_naud = _supply_naud(known, day) if lines else 0
    return sums_of_lines(lines).plus(Sums(amount_naud=charged_naud))


def _supply_naud(known: Known, day: int) -> int:
    configuration = known.configuration
    try:
        first = next(periods_of_day(day, configuration.lengths, configuration.offsets))
        return version_of(day, configuration.tariffs, first.start_s).supply_naud_per_day
    except (ValueError, StopIteration):
        return 0  # a day before the first tariff


def _hours(lines: Iterable[HomeLine], configuration: Configuration) -> list[Json]:
    """The settled hours of a local day."""
    by_hour: defaultdict[int, list[HomeLine]] = defaultdict(list)
    for line in lines:
        minute = local_minute_at(Period(line.period, line.length_min), configuration.offsets)
        by_hour[minute // HOUR_MIN].append(line)
    return [{"hour": hour, **sums_of_lines(found)._asdict()} for hour, found in sorted(by_hour.items())]


def _trades(awards: Sequence[PeriodAwards]) -> list[Json]:
    """The home's last bids and what they came to, the newest first."""
    found = [
        {
            "period": one.period,
            "price_uaud_per_kwh": one.price_uaud_per_kwh,
            "bought_wh": award.bought_wh,
            "sold_wh": award.sold_wh,
            "offers": "-O-" in award.id,
            "code": award.code,
        }
        for one in sorted(awards, key=lambda one: -one.period)
        for award in one.awards
    ]
    return found[:MOST_TRADES]


def _co2(sums: Sums, factor: Co2Factor | None) -> Json | None:
    """Grams that stand for grid energy: that the home used, and that local energy replaced here and at neighbours'."""
    if factor is None:
        return None
    local_wh, given_wh = sums.bought_wh + sums.shared_in_wh, sums.sold_wh + sums.shared_out_wh
    return {
        "g_per_kwh": factor.g_per_kwh,
        "source": factor.source,
        "grid_g": sums.grid_in_wh * factor.g_per_kwh // 1_000,
        "avoided_g": local_wh * factor.g_per_kwh // 1_000,
        "given_g": given_wh * factor.g_per_kwh // 1_000,
    }


def _carbon(known: Known) -> Json | None:
    """The quota in force, and the account of the month's bills; None for a month without a quota."""
    rule = known.configuration.rules_of(known.now_s // MINUTE_S).carbon
    account = carbon_account(known.bills.values())
    if rule is None and account is None:
        return None
    return {
        "quota_g_per_day": None if rule is None else rule.quota_g_per_day,
        "price_uaud_per_kg": None if rule is None else rule.price_uaud_per_kg,
        "month": None if account is None else account._asdict(),
    }


def _offset_min(known: Known) -> int:
    offsets = known.configuration.offsets
    return next((minutes for from_s, minutes in reversed(offsets) if from_s <= known.now_s), offsets[0][1])
