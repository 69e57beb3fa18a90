# SPDX-License-Identifier: Apache-2.0
"""A home's statement of a month: from the daily bills on the ledger to one page that a resident reads."""

from .as_csv import statement_csv
from .as_json import statement_json
from .energy import StatementLine
from .month import Month, read_month
from .monthly import Statement, statement_of
from .page import page_style, statement_html
from .reading import read_statement

__all__ = [
    "Month",
    "Statement",
    "StatementLine",
    "page_style",
    "read_month",
    "read_statement",
    "statement_csv",
    "statement_html",
    "statement_json",
    "statement_of",
]
