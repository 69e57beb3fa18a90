# SPDX-License-Identifier: Apache-2.0
"""Statements: a bill in cents, as people read it. Rounding happens here alone; the ledger keeps nAUD."""

from dataclasses import dataclass
from typing import NamedTuple

from .bills import Bill

CENT_NAUD = 10**7
GST_PARTS = 11
"""Prices include 10 % GST: an eleventh of what carries it."""


class StatementLine(NamedTuple):
    """One line: its words, the energy in Wh where there is one, and cents; negative: the home receives."""

    text: str
    energy_wh: int | None
    cents: int


@dataclass(frozen=True, slots=True)
class Statement:
    """Lines whose sum, with ``rounding_cents``, is ``total_cents``: the exact amount, rounded once."""

    home: str
    day: int
    lines: tuple[StatementLine, ...]
    rounding_cents: int
    total_cents: int
    gst_cents: int
    provisional: bool
    sources: tuple[tuple[str, int], ...]


def cents(amount_naud: int) -> int:
    """Round to cents, halves away from zero: a charge and its refund cancel."""
    return _rounded(amount_naud, CENT_NAUD)


def gst_cents(taxable_naud: int) -> int:
    """The GST within what carries it, rounded as ``cents`` does."""
    return _rounded(taxable_naud, CENT_NAUD * GST_PARTS)


def statement(bill: Bill) -> Statement:
    """Show a bill by band; GST is within grid_in, fees, supply and demand alone."""
    lines = tuple(line for line in _lines(bill) if line.energy_wh or line.cents)
    total_cents = cents(bill.amount_naud)
    return Statement(
        bill.home,
        bill.day,
        lines,
        total_cents - sum(line.cents for line in lines),
        total_cents,
        gst_cents(bill.taxable_naud),
        bill.provisional,
        tuple((quality, count) for quality, count in bill.qualities if count),
    )


def _lines(bill: Bill) -> list[StatementLine]:
    lines = []
    for band in bill.bands:
        contract_wh, shared_wh = band.bought_wh - band.sold_wh, band.shared_in_wh - band.shared_out_wh
        if band.exchange:
            imported_wh, exported_wh, amount_naud, _ = band.exchange
            text = f"{band.band}: other communities"
            lines.append(StatementLine(text, imported_wh - exported_wh, cents(amount_naud)))
        lines += [
            StatementLine(f"{band.band}: contracts", contract_wh, cents(band.contract_naud)),
            StatementLine(f"{band.band}: shared", shared_wh, cents(band.shared_naud)),
            StatementLine(f"{band.band}: from the grid", band.grid_in_wh, cents(band.grid_in_naud)),
            StatementLine(f"{band.band}: to the grid", -band.grid_out_wh, cents(band.grid_out_naud)),
            StatementLine(
                f"{band.band}: export beyond the envelope", -band.breach_wh, cents(band.breach_naud)
            ),
            StatementLine(f"{band.band}: local network fee", None, cents(band.fee_naud)),
        ]
    lines.append(StatementLine("supply", None, cents(bill.supply_naud)))
    if bill.demand:
        lines.append(StatementLine(f"demand, {bill.demand.peak_w} W", None, cents(bill.demand.amount_naud)))
    for one in bill.adjustments:
        energy_wh = one.change.grid_in_wh - one.change.grid_out_wh
        text = f"adjustment of period {one.period_id}, {one.reason}"
        lines.append(StatementLine(text, energy_wh, cents(one.change.amount_naud)))
    return lines


def _rounded(dividend: int, divisor: int) -> int:
    magnitude = (2 * abs(dividend) + divisor) // (2 * divisor)
    return magnitude if dividend >= 0 else -magnitude
