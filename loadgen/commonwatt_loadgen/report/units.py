# SPDX-License-Identifier: Apache-2.0
"""From the integers of a summary to what people read."""

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

NAUD_PER_AUD = 1_000_000_000
UAUD_PER_CENT = 10_000


_NAUD_PER_CENT = 10_000_000


def cents(amount_naud: int) -> int:
    """Money in whole cents, half a cent up."""
    return (amount_naud + _NAUD_PER_CENT // 2) // _NAUD_PER_CENT


def aud(amount_naud: int) -> float:
    """Money in AUD, to the cent."""
    return cents(amount_naud) / 100


def aud_of(rows: Iterable[Json], field: str) -> float:
    """The sum of a field of several rows as they are shown: each rounded to the cent, so that columns add up."""
    return sum(cents(row[field]) for row in rows) / 100
