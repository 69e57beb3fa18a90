# SPDX-License-Identifier: Apache-2.0
"""Settling a period a second time: contracts against meters, then neighbours, then the grid."""

from collections.abc import Sequence
from typing import NamedTuple

from .order import Division, Draw, divided
from .outside import NOTHING, Outside
from .prices import Prices

NONE, DYNAMIC, STATIC = "none", "dynamic", "static"
WHOLE_PPM = 1_000_000


class Metered(NamedTuple):
    """A home's contract and meter. `assumed`: its export was assumed, so it counts neither for contracts nor for
    sharing."""

    home: str
    bought_wh: int
    sold_wh: int
    import_wh: int
    export_wh: int
    export_cap_wh: int | None = None
    key_ppm: int = 0
    assumed: bool = False
    outside: Outside = NOTHING

    @property
    def comes_wh(self) -> int:
        """What neighbours and other communities owe it."""
        return self.bought_wh + self.outside.imported_wh

    @property
    def goes_wh(self) -> int:
        """What it owes them."""
        return self.sold_wh + self.outside.exported_wh

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


class Sharing(NamedTuple):
    """What a home's shares follow from beside its own balance, in the order in which records name it."""

    mode: str
    seed: str
    shared_wh: int
    give_wh: int
    taken: Division
    given: Division

    def of(self, one: Metered, draw: Draw) -> tuple[int, int]:
        """What a home takes from its neighbours and gives them, in Wh."""
        want_wh, give_wh = wishes(one)
        if self.mode == STATIC:
            taken_wh = _by_key_wh(one, want_wh, self.give_wh)
        else:
            taken_wh = self.taken.of(one.home, want_wh, draw)
        return taken_wh, self.given.of(one.home, give_wh, draw)


def wishes(one: Metered) -> tuple[int, int]:
    """What a home could take from its neighbours and give them: it shares nothing with itself."""
    if one.assumed:
        return 0, 0
    short_wh = max(0, one.import_wh - one.comes_wh)
    long_wh = max(0, one.within_wh - one.goes_wh)
    both_wh = min(short_wh, long_wh)
    return short_wh - both_wh, long_wh - both_wh


def sharing_of(homes: Sequence[Metered], mode: str) -> Sharing:
    """The sharing of all homes of a period."""
    balances = {one.home: wishes(one) for one in homes}
    want = {home: want_wh for home, (want_wh, _) in balances.items()}
    give = {home: give_wh for home, (_, give_wh) in balances.items()}
    draw, offered_wh = Draw(balances), sum(give.values())
    if mode == NONE:
        shared_wh = 0
    elif mode == DYNAMIC:
        shared_wh = min(sum(want.values()), offered_wh)
    elif mode == STATIC:
        shared_wh = sum(_by_key_wh(one, want[one.home], offered_wh) for one in homes)
    else:
        raise ValueError(f"no sharing is called {mode[:40]}")
    taken = divided(want, 0 if mode == STATIC else shared_wh, draw)
    return Sharing(mode, draw.seed, shared_wh, offered_wh, taken, divided(give, shared_wh, draw))


def shared(homes: Sequence[Metered], mode: str) -> dict[str, tuple[int, int]]:
    """What each home takes from its neighbours and gives them, in Wh."""
    sharing = sharing_of(homes, mode)
    draw = Draw.seeded(sharing.seed)
    return {one.home: sharing.of(one, draw) for one in homes}


def _by_key_wh(one: Metered, want_wh: int, offered_wh: int) -> int:
    return min(want_wh, one.key_ppm * offered_wh // WHOLE_PPM)


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
    need_wh = one.import_wh - one.comes_wh - taken_wh
    spare_wh = delivered_wh - one.goes_wh - given_wh
    grid_in_wh = max(need_wh, 0) + max(-spare_wh, 0)
    grid_out_wh = max(spare_wh, 0) + max(-need_wh, 0) + charged_wh
    breach_wh = one.export_wh - one.within_wh
    contract = (one.bought_wh - one.sold_wh) * (terms.price or 0)
    shared = (taken_wh - given_wh) * prices.of_sharing
    grid = grid_in_wh * prices.tou - grid_out_wh * prices.feed_in - breach_wh * min(prices.feed_in, 0)
    fee = (one.comes_wh + taken_wh) * prices.local_fee
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
        contract + shared + grid + fee + one.outside.amount_naud,
    )
