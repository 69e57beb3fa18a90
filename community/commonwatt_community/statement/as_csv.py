# SPDX-License-Identifier: Apache-2.0
"""A statement as CSV: each line, never merged, and the figures beside them."""

import csv
import io

from .month import date_of
from .monthly import Statement
from .words import cents_per_kwh, dollars, final_day, kwh, spans_of, text_of, words

HEADER = ("home", "month", "kind", "band", "text", "energy_kwh", "price_c_per_kwh", "amount_aud")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def statement_csv(statement: Statement) -> str:
    """RFC 4180 text. The amounts of all rows above ``total``, ``rounding`` among them, sum to it."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(HEADER)

    def row(
        kind: str, what: str, amount: str = "", band: str = "", energy: str = "", price: str = ""
    ) -> None:
        where = (_plain(statement.home), str(statement.month))
        rows.writerow((*where, kind, _plain(band), _plain(what), energy, price, amount))

    for line in statement.lines:
        row(
            line.kind,
            text_of(line, statement),
            dollars(line.cents),
            line.band,
            "" if line.energy_wh is None else kwh(line.energy_wh),
            "" if line.price_uaud_per_kwh is None else cents_per_kwh(line.price_uaud_per_kwh),
        )
    said = words()
    row("rounding", said["rounding"], dollars(statement.rounding_cents))
    row("total", said["total"], dollars(statement.total_cents))
    row("gst", said["gst"], dollars(statement.gst_cents))
    row("without_market", "", dollars(statement.without_market_cents))
    row("saved", said["saved"], dollars(statement.saved_cents))
    row("meter_import", "", energy=kwh(statement.import_wh))
    row("meter_export", "", energy=kwh(statement.export_wh))
    for quality, count in statement.sources:
        row(f"periods_{quality}", str(count))
    row("state", statement.state)
    final = final_day(statement)
    row("final_from", "" if final is None else date_of(final).isoformat())
    if statement.attested is not None:
        row("periods_attested", str(statement.attested.attested_periods))
        row("periods_settled", str(statement.attested.settled_periods))
    if statement.carbon is not None:
        row("carbon_days", str(statement.carbon.days))
        row("carbon_days_above", str(statement.carbon.days_above))
        row("carbon_emitted_mg", str(statement.carbon.emitted_mg))
        row("carbon_quota_mg", str(statement.carbon.quota_mg))
    row("days_billed", _spans(statement.billed))
    row("days_not_billed", _spans(statement.unbilled))
    return text.getvalue()


def _spans(days: tuple[int, ...]) -> str:
    """Dates and, by ISO 8601, intervals of dates."""
    return " ".join(
        "/".join(date_of(day).isoformat() for day in sorted(set(span))) for span in spans_of(days)
    )


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula: others write the names of bands."""
    return f"'{text}" if text.startswith(_FORMULA) else text
