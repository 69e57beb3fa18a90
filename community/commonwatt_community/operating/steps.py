# SPDX-License-Identifier: Apache-2.0
"""The operator's possible next steps, each one transaction or a few of one kind."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CloseGate:
    """Take no more bids of a period."""

    period: int


@dataclass(frozen=True, slots=True)
class Clear:
    """Clear the bids of a period whose gate is closed."""

    period: int


@dataclass(frozen=True, slots=True)
class Freeze:
    """Fix a period's readings; before they are `due` only where the contract says that all homes have reported."""

    period: int
    due: bool


@dataclass(frozen=True, slots=True)
class Settle:
    """Settle the frozen version of a period, in so many parts."""

    period: int
    parts: int


@dataclass(frozen=True, slots=True)
class Bill:
    """Bill a local day, in so many parts."""

    day: int
    parts: int


Step = CloseGate | Clear | Freeze | Settle | Bill
