# SPDX-License-Identifier: Apache-2.0
"""A statement as JSON: the figures as integers, and the words that the page shows."""

from typing import Any

from .month import date_of
from .monthly import Statement
from .words import final_day, text_of


def statement_json(statement: Statement) -> dict[str, Any]:
    """Members: cents, Wh, days as dates; lines carry ``text`` beside their figures."""
    final = final_day(statement)
    attested = {} if statement.attested is None else statement.attested._asdict()
    carbon = {} if statement.carbon is None else {"carbon": statement.carbon._asdict()}
    return {
        "home": statement.home,
        "month": str(statement.month),
        "community": statement.community,
        "state": statement.state,
        "final_from": None if final is None else date_of(final).isoformat(),
        "days_billed": [date_of(day).isoformat() for day in statement.billed],
        "days_not_billed": [date_of(day).isoformat() for day in statement.unbilled],
        "lines": [{"text": text_of(line, statement), **line._asdict()} for line in statement.lines],
        "rounding_cents": statement.rounding_cents,
        "total_cents": statement.total_cents,
        "gst_cents": statement.gst_cents,
        "without_market_cents": statement.without_market_cents,
        "saved_cents": statement.saved_cents,
        "import_wh": statement.import_wh,
        "export_wh": statement.export_wh,
        "sources": dict(statement.sources),
        **attested,
        **carbon,
    }
