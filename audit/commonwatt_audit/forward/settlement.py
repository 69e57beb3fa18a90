# SPDX-License-Identifier: Apache-2.0
"""Settling a period a second time: contracts against meters, then neighbours, then the grid."""

from collections.abc import Sequence
from typing import NamedTuple

from .order import Draw, in_proportion
from .prices import Prices

NONE, DYNAMIC, STATIC = "none", "dynamic", "static"
WHOLE_PPM = 1_000_000


class Metered(NamedTuple):
    """A home's contract and meter. `assumed`: nobody metered it, so its export delivers nothing and is not shared."""

    home: str
    bought_wh: int
    sold_wh: int
    import_wh: int
    export_wh: int
    export_cap_wh: int | None = None
    key_ppm: int = 0
    assumed: bool = False

    @property
    def within_wh(self) -> int:
        """The export that the envelope allows."""
        cap_wh = self.export_wh if self.export_cap_wh is None else self.export_cap_wh
        return min(self.export_wh, cap_wh)


class Line(NamedTuple):
    """What a home pays for a period, in the order in which records name it."""

    shared_in_wh: int
    shared_out_wh: int
    grid_in_wh: int
    grid_out_wh: int
    breach_wh: int
    contract_naud: int
    shared_naud: int
    grid_naud: int
    fee_naud: int
    amount_naud: int


class Terms(NamedTuple):
    """What a period is settled at; `price` is that of the contracts, None where nothing was traded."""

    prices: Prices
    price: int | None
    sharing: str


def settled(homes: Sequence[Metered], terms: Terms) -> dict[str, Line]:
    """The line of every home of a period."""
    shares = shared(homes, terms.sharing)
    return {one.home: line_of(one, terms, *shares[one.home]) for one in homes}


def shared(homes: Sequence[Metered], mode: str) -> dict[str, tuple[int, int]]:
    """What each home takes from its neighbours and gives them, in Wh."""
    want: dict[str, int] = {}
    give: dict[str, int] = {}
    for one in homes:
        short_wh = max(0, one.import_wh - one.bought_wh)
        long_wh = max(0, one.within_wh - one.sold_wh)
        both_wh = min(short_wh, long_wh)
        want[one.home] = 0 if one.assumed else short_wh - both_wh
        give[one.home] = 0 if one.assumed else long_wh - both_wh
    draw = Draw(want)
    offered_wh = sum(give.values())
    if mode == NONE:
        taken = dict.fromkeys(want, 0)
    elif mode == DYNAMIC:
        taken = in_proportion(want, min(sum(want.values()), offered_wh), draw)
    elif mode == STATIC:
        taken = {one.home: min(want[one.home], one.key_ppm * offered_wh // WHOLE_PPM) for one in homes}
    else:
        raise ValueError(f"no sharing is called {mode[:40]}")
    given = in_proportion(give, sum(taken.values()), draw)
    return {home: (taken[home], given[home]) for home in want}


def resettled(one: Metered, before: Line, terms: Terms) -> Line:
    """A home's line by another reading: contract and shares stay, and the grid settles the difference."""
    return line_of(one, terms, before.shared_in_wh, before.shared_out_wh)


def line_of(one: Metered, terms: Terms, taken_wh: int, given_wh: int) -> Line:
    """A home's line of what its neighbours leave.

    The grid takes the balance of import and of export apart: neither nets the other.
    """
    prices = terms.prices
    delivered_wh = 0 if one.assumed else one.within_wh
    charged_wh = one.within_wh if one.assumed else 0
    need_wh = one.import_wh - one.bought_wh - taken_wh
    spare_wh = delivered_wh - one.sold_wh - given_wh
    grid_in_wh = max(need_wh, 0) + max(-spare_wh, 0)
    grid_out_wh = max(spare_wh, 0) + max(-need_wh, 0) + charged_wh
    breach_wh = one.export_wh - one.within_wh
    contract = (one.bought_wh - one.sold_wh) * (terms.price or 0)
    shared = (taken_wh - given_wh) * prices.of_sharing
    grid = grid_in_wh * prices.tou - grid_out_wh * prices.feed_in - breach_wh * min(prices.feed_in, 0)
    fee = (one.bought_wh + taken_wh) * prices.local_fee
    return Line(
        taken_wh,
        given_wh,
        grid_in_wh,
        grid_out_wh,
        breach_wh,
        contract,
        shared,
        grid,
        fee,
        contract + shared + grid + fee,
    )
