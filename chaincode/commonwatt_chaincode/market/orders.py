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


def request_id(round_number: int, home: str) -> str:
    """The id of a home's request in a round; no client chooses it, so nobody can grind the tie key."""
    return f"{round_number:08d}-R-{home}"


def grid_request_id(interval_start: int, home: str) -> str:
    """The id of a request without bidding, which belongs to no round."""
    return f"grid-{interval_start}-{home}"


def offer_id(round_number: int, home: str) -> str:
    """The id of a home's offer in a round."""
    return f"{round_number:08d}-O-{home}"
