# SPDX-License-Identifier: Apache-2.0
"""A month of a home's bills as one statement in cents. Pure: bills and lines in, a statement out.

Each line is rounded to the cent by itself, halves away from zero. The line ``rounding`` makes all lines sum to the
exact total, rounded once; so what a resident adds up with a pencil is what the statement says.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_chaincode.market.forward.gates import final_from_s
from commonwatt_chaincode.market.forward.periods import periods_of_day
from commonwatt_chaincode.market.forward.readings import QUALITIES
from commonwatt_chaincode.market.forward.statements import cents, gst_cents

from ..market.results import Configuration, HomeLine
from .alone import saved_on_bands
from .attested import AttestedPeriods, attested_of
from .carbon import CarbonAccount, carbon_account
from .energy import StatementLine, energy_lines
from .month import Month

SUPPLY, DEMAND, FEE, CARBON, ADJUSTMENT = "supply", "demand", "fee", "carbon", "adjustment"
PROVISIONAL, FINAL = "provisional", "final"


@dataclass(frozen=True, slots=True)
class Statement:
    """Lines whose cents, with ``rounding_cents``, sum to ``total_cents``; negative: the home receives.

    ``billed`` and ``unbilled`` are local days; a month that runs has unbilled ones. ``without_market_cents`` is what
    the same meter readings cost at the grid's tariff alone, supply, demand and corrections included, so
    ``saved_cents`` is it less the total. ``final_from_s`` is when the last billed period cannot change any more.
    ``attested`` is None where nobody can say, ``carbon`` where no billed day has a quota.
    """

    home: str
    month: Month
    community: str
    lines: tuple[StatementLine, ...]
    rounding_cents: int
    total_cents: int
    gst_cents: int
    state: str
    final_from_s: int | None
    billed: tuple[int, ...]
    unbilled: tuple[int, ...]
    sources: tuple[tuple[str, int], ...]
    import_wh: int
    export_wh: int
    without_market_cents: int
    battery: bool
    offsets: tuple[tuple[int, int], ...]
    attested: AttestedPeriods | None = None
    carbon: CarbonAccount | None = None

    @property
    def saved_cents(self) -> int:
        """The market's saving; negative where the market cost."""
        return self.without_market_cents - self.total_cents


def statement_of(
    bills: Iterable[Bill],
    lines: Iterable[HomeLine],
    configuration: Configuration,
    month: Month,
    *,
    home: str,
    community: str,
    unbilled: Sequence[int] = (),
    battery: bool = False,
    attested: Container[tuple[int, int]] | None = None,
) -> Statement:
    """Sum a home's bills of a month.

    ``lines`` are its settled periods of the billed days: they tell bought from sold energy, which a bill nets. Without
    them a line shows both together. ``battery``: the home has one, which it might run otherwise without a market.
    ``attested`` are the versions of periods to which the grid attested. ValueError for a bill of another home or month,
    or a day twice.
    """
    bills = sorted(bills, key=lambda one: one.day)
    days = [one.day for one in bills]
    if len(set(days)) != len(days) or any(day not in month.days for day in days):
        raise ValueError(f"statement of {month}: a bill is of another month, or a day is billed twice")
    if any(one.home != home for one in bills):
        raise ValueError(f"statement of {home[:80]}: a bill is another home's")
    lines = tuple(lines)
    amount_naud = sum(one.amount_naud for one in bills)
    shown = tuple(one for one in _all_lines(bills, lines) if one.energy_wh or one.cents)
    total_cents = cents(amount_naud)
    provisional = bool(unbilled) or not bills or any(one.provisional for one in bills)
    return Statement(
        home,
        month,
        community,
        shown,
        total_cents - sum(one.cents for one in shown),
        total_cents,
        gst_cents(sum(one.taxable_naud for one in bills)),
        PROVISIONAL if provisional else FINAL,
        _final_s(days, configuration),
        tuple(days),
        tuple(unbilled),
        tuple((quality, sum(dict(one.qualities)[quality] for one in bills)) for quality in QUALITIES),
        sum(band.import_wh for one in bills for band in one.bands),
        sum(band.export_wh for one in bills for band in one.bands),
        cents(amount_naud + sum(saved_on_bands(one.bands) for one in bills)),
        battery,
        configuration.offsets,
        None if attested is None else attested_of(lines, attested),
        carbon_account(bills),
    )


def _all_lines(bills: Sequence[Bill], lines: Sequence[HomeLine]) -> list[StatementLine]:
    found = energy_lines([band for one in bills for band in one.bands], lines)
    found.append(StatementLine(FEE, cents(sum(band.fee_naud for one in bills for band in one.bands))))
    charged = [one.supply_naud for one in bills if one.supply_naud]
    for a_day_naud in sorted(set(charged)):
        count = charged.count(a_day_naud)
        found.append(StatementLine(SUPPLY, cents(count * a_day_naud), quantity=count))
    for one in bills:
        if one.demand:
            found.append(StatementLine(DEMAND, cents(one.demand.amount_naud), quantity=one.demand.peak_w))
    if carbon := carbon_account(bills):
        found.append(StatementLine(CARBON, cents(carbon.amount_naud), quantity=carbon.emitted_mg // 1_000))
    found += [
        StatementLine(
            ADJUSTMENT,
            cents(change.change.amount_naud),
            energy_wh=change.change.grid_in_wh - change.change.grid_out_wh,
            period_id=change.period_id,
            reason=change.reason,
        )
        for one in bills
        for change in one.adjustments
    ]
    return found


def _final_s(days: Sequence[int], configuration: Configuration) -> int | None:
    if not days:
        return None
    *_, last = periods_of_day(days[-1], configuration.lengths, configuration.offsets)
    return final_from_s(last, configuration.rules_of(last.id).times)
