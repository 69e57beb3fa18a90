# SPDX-License-Identifier: Apache-2.0
"""Calendar months of a community's local days."""

import re
from datetime import date, timedelta
from typing import NamedTuple

from commonwatt_client.exit_codes import UsageError

_EPOCH = date(1970, 1, 1)
_WRITTEN = re.compile(r"([12][0-9]{3})-(0[1-9]|1[0-2])", re.ASCII)


class Month(NamedTuple):
    """A calendar month."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02d}"

    @property
    def days(self) -> range:
        """Its local days, counted from 1 January 1970."""
        following = date(self.year + self.number // 12, self.number % 12 + 1, 1)
        return range(_count(date(self.year, self.number, 1)), _count(following))


def read_month(text: str) -> Month:
    """A month that a person wrote as ``2026-06``; UsageError for anything else."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise UsageError(f"month {text[:20]!r}: write year and month, as 2026-06")
    return Month(int(found[1]), int(found[2]))


def month_of(day: int) -> Month:
    """The month of a local day."""
    dated = date_of(day)
    return Month(dated.year, dated.month)


def date_of(day: int) -> date:
    """The date of a local day."""
    return _EPOCH + timedelta(days=day)


def _count(dated: date) -> int:
    return (dated - _EPOCH).days
