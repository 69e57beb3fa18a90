# SPDX-License-Identifier: Apache-2.0
"""How much of a home's bills the grid's side computed anew."""

from collections.abc import Collection, Container
from typing import NamedTuple

from ..market.results import HomeLine


class AttestedPeriods(NamedTuple):
    """How many of a home's settled periods the grid computed anew, and of how many."""

    attested_periods: int
    settled_periods: int


def attested_of(lines: Collection[HomeLine], attested: Container[tuple[int, int]]) -> AttestedPeriods:
    """Count settled periods; ``attested`` are the versions of periods to which the grid attested."""
    return AttestedPeriods(sum((line.period, line.version) in attested for line in lines), len(lines))
