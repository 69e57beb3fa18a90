# SPDX-License-Identifier: Apache-2.0
"""What a round collects: requests of buyers and offers of sellers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """A home needs energy. With ``bidding`` neighbours are paid up to its limit; the grid does the rest."""

    id: str
    home: str
    energy_wh: int
    limit_uaud_per_kwh: int
    bidding: bool = True


@dataclass(frozen=True, slots=True)
class Offer:
    """A prosumer sells up to ``energy_wh`` from its battery at ``price_uaud_per_kwh``, paid as offered."""

    id: str
    home: str
    energy_wh: int
    price_uaud_per_kwh: int


def own_round_id(interval_start: int, home: str) -> str:
    """The id of the round in which a home's need of one interval is traded."""
    return f"{interval_start:011d}-{home}"


def fixed_round_id(number: int) -> str:
    """The id of a round that takes requests of many homes: its number."""
    return f"{number:08d}"


def is_fixed(round_id: str) -> bool:
    """Whether the id is that of a round of many requests."""
    return len(round_id) == 8


def request_id(round_id: str, home: str) -> str:
    """The id of a home's request in a round; clients do not choose it, and so cannot grind the tie key."""
    return f"{round_id}-R-{home}" if is_fixed(round_id) else f"{round_id}-R"


def offer_id(round_id: str, home: str) -> str:
    """The id of a home's offer in a round."""
    return f"{round_id}-O-{home}"
