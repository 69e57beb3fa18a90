# SPDX-License-Identifier: Apache-2.0
"""A statement's notation of money, energy, prices, days and lines."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from commonwatt_chaincode.market.tariff import MINUTE_S, local_day

from ..texts import texts
from .carbon import CarbonAccount
from .energy import StatementLine
from .month import Month, date_of
from .monthly import ADJUSTMENT, CARBON, DEMAND, FINAL, SUPPLY, Statement

_UAUD_PER_C = 10_000


def words() -> dict[str, str]:
    """The statement's texts."""
    return texts("statement")


def dollars(cents: int) -> str:
    """``-1.05``, without a currency sign: columns and files name it."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def kwh(energy_wh: int) -> str:
    """kWh with all digits of its Wh."""
    return f"{'-' if energy_wh < 0 else ''}{abs(energy_wh) // 1000}.{abs(energy_wh) % 1000:03d}"


def cents_per_kwh(price_uaud: int) -> str:
    """A price in cents with two decimals, rounded down."""
    hundredths = abs(price_uaud) * 100 // _UAUD_PER_C
    return f"{'-' if price_uaud < 0 else ''}{hundredths // 100}.{hundredths % 100:02d}"


def month_text(month: Month) -> str:
    """``June 2026``."""
    return words()["month"].format(name=_month_name(month.number), year=month.year)


def day_text(day: int) -> str:
    """``2 June 2026``."""
    dated = date_of(day)
    return words()["date"].format(day=dated.day, name=_month_name(dated.month), year=dated.year)


def days_text(days: Iterable[int]) -> str:
    """Days as spans: ``3 June 2026, 28 June 2026 to 30 June 2026``."""
    return ", ".join(
        day_text(first)
        if first == last
        else words()["span"].format(first=day_text(first), last=day_text(last))
        for first, last in spans_of(days)
    )


def spans_of(days: Iterable[int]) -> list[tuple[int, int]]:
    """Runs of days that follow each other: first and last."""
    spans: list[tuple[int, int]] = []
    for day in sorted(days):
        if spans and spans[-1][1] == day - 1:
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return spans


def local_time(time_s: int, offsets: tuple[tuple[int, int], ...]) -> str:
    """Date and minute on the community's clock."""
    offset_min = next((minutes for from_s, minutes in reversed(offsets) if from_s <= time_s), offsets[0][1])
    return f"{datetime.fromtimestamp(time_s, UTC) + timedelta(minutes=offset_min):%Y-%m-%d %H:%M}"


def final_day(statement: Statement) -> int | None:
    """The local day from which nothing changes; None where no day is billed."""
    if statement.final_from_s is None:
        return None
    return local_day(statement.final_from_s, statement.offsets)


def state_why(statement: Statement) -> str:
    """The meaning of final or provisional for this statement."""
    said, day = words(), final_day(statement)
    if day is None:
        return said["nothing_billed" if statement.unbilled else "nothing_kept"]
    return (
        said["final_why"] if statement.state == FINAL else said["provisional_why"].format(date=day_text(day))
    )


def attested_why(statement: Statement) -> str:
    """How much of it the grid computed anew; empty where nobody can say."""
    if statement.attested is None:
        return ""
    return words()["attested_why"].format(**statement.attested._asdict())


def carbon_why(account: CarbonAccount) -> str:
    """What the home emitted beside its quota."""
    emitted, quota = kwh(account.emitted_mg // 1_000), kwh(account.quota_mg // 1_000)
    return words()["carbon_why"].format(emitted=emitted, quota=quota, **account._asdict())


def saved_why(statement: Statement) -> str:
    """With what the saving compares."""
    said = words()
    text = said["saved_why"].format(amount=f"${dollars(statement.without_market_cents)}")
    return f"{text} {said['saved_battery']}" if statement.battery else text


def text_of(line: StatementLine, statement: Statement) -> str:
    """The words of a line."""
    said = words()
    if line.kind == SUPPLY:
        return said["supply_1"] if line.quantity == 1 else said["supply"].format(count=line.quantity)
    if line.kind == DEMAND:
        return said["demand"].format(kw=kwh(line.quantity or 0))
    if line.kind == CARBON:
        return said["carbon"].format(kg=kwh(line.quantity or 0))
    if line.kind == ADJUSTMENT:
        when = local_time((line.period_id or 0) * MINUTE_S, statement.offsets)
        text = said.get(f"adjustment_{line.reason}", said["adjustment_other"])
        return text.format(when=when, reason=line.reason)
    what = said[line.kind]
    return said["with_band"].format(what=what, band=line.band) if line.band else what


def _month_name(number: int) -> str:
    return words()["months"].split()[number - 1]
