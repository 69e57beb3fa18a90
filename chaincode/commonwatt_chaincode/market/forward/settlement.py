# SPDX-License-Identifier: Apache-2.0
"""Settlement of a period: contracts, shares and the grid, each home's sums exact and all homes' sums the grid's.

A period is settled in parts: ``plan_sharing`` sees the balances of all homes, ``settle_part`` any slice of them, and
``join`` puts the parts together. With any slices the result is that of ``settle``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .balances import Metered, balance
from .prices import Prices, check_prices
from .sharing import DYNAMIC, NONE, SharingPlan, keys_of, plan_sharing, shared_of


@dataclass(frozen=True, slots=True)
class Terms:
    """What a period is settled at. ``price_uaud_per_kwh`` is the clearing's, None where nothing was traded."""

    prices: Prices
    price_uaud_per_kwh: int | None = None
    sharing: str = DYNAMIC
    sharing_price_uaud_per_kwh: int | None = None

    @property
    def sharing_price(self) -> int:
        """The price of shared energy: what was set, else halfway between the feed-in price and the ceiling."""
        set_price = self.sharing_price_uaud_per_kwh
        return self.prices.middle if set_price is None else set_price


class Line(NamedTuple):
    """A home's period. Money is what the home pays, negative if it receives.

    ``amount_naud`` is the sum, with what the home pays other communities.
    """

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


@dataclass(frozen=True, slots=True)
class Settlement:
    """Lines by home, what was shared, and what the grid gets: the sum of all amounts less the exchange's money."""

    lines: dict[str, Line]
    shared_wh: int
    grid_naud: int


class Part(NamedTuple):
    """The lines of a slice of homes, and the sums by which ``join`` sees that the parts are the whole."""

    lines: dict[str, Line]
    bought_wh: int
    sold_wh: int


def check_terms(terms: Terms) -> None:
    """ValueError unless the prices stand in their order."""
    check_prices(terms.prices, None if terms.sharing == NONE else terms.sharing_price)
    price = terms.price_uaud_per_kwh
    if price is not None and not terms.prices.feed_in <= price <= terms.prices.ceiling:
        raise ValueError(
            f"price: {price} is outside {terms.prices.feed_in} (feed-in) to {terms.prices.ceiling} (tou - local_fee)"
        )


def settle(homes: Iterable[Metered], terms: Terms) -> Settlement:
    """Settle all homes of a period at once. Pure: the order of the homes changes nothing.

    ValueError for terms that cannot be, a home twice, contracts that do not add up, or negative energy.
    """
    homes = tuple(homes)
    plan = plan_sharing(map(balance, homes), terms.sharing)
    return join([settle_part(homes, plan, terms)], plan)


def settle_part(homes: Iterable[Metered], plan: SharingPlan, terms: Terms) -> Part:
    """Settle some homes of a period by the plan that was made for all of them."""
    check_terms(terms)
    key = keys_of(plan.seed)
    lines: dict[str, Line] = {}
    bought_wh = sold_wh = 0
    for metered in homes:
        if metered.home in lines:
            raise ValueError(f"{metered.home[:80]} is settled twice")
        home = balance(metered)
        shared_in_wh, shared_out_wh = shared_of(home, plan, key)
        grid_in_wh = home.short_wh - shared_in_wh + home.missing_wh
        grid_out_wh = home.long_wh - shared_out_wh + home.over_wh
        lines[metered.home] = _line(metered, terms, shared_in_wh, shared_out_wh, grid_in_wh, grid_out_wh)
        bought_wh += metered.bought_wh
        sold_wh += metered.sold_wh
    return Part(lines, bought_wh, sold_wh)


def join(parts: Iterable[Part], plan: SharingPlan) -> Settlement:
    """Put the parts of a period together. ValueError unless they are the homes of the plan, each once."""
    parts = tuple(parts)
    lines = {home: line for part in parts for home, line in sorted(part.lines.items())}
    if len(lines) != sum(len(part.lines) for part in parts):
        raise ValueError("a home is settled in two parts")
    if sum(part.bought_wh for part in parts) != sum(part.sold_wh for part in parts):
        raise ValueError("the homes' purchases differ from their sales")
    taken_wh = sum(line.shared_in_wh for line in lines.values())
    given_wh = sum(line.shared_out_wh for line in lines.values())
    if not taken_wh == given_wh == plan.shared_wh:
        raise ValueError(
            f"{taken_wh} Wh taken and {given_wh} Wh given are not the {plan.shared_wh} Wh of the plan"
        )
    grid_naud = sum(line.grid_naud + line.fee_naud for line in lines.values())
    return Settlement(dict(sorted(lines.items())), plan.shared_wh, grid_naud)


def resettle(metered: Metered, before: Line, terms: Terms) -> Line:
    """Settle one home anew by another reading, with the grid alone: its contract and shares stay as they are.

    So a gap's energy and what comes after a period is final are settled: no neighbour's line changes. At the
    readings of ``before`` this is ``before``.
    """
    shared_in_wh, shared_out_wh = before.shared_in_wh, before.shared_out_wh
    needed_wh = metered.import_wh - metered.due_in_wh - shared_in_wh
    spare_wh = metered.delivered_wh - metered.due_out_wh - shared_out_wh
    unmetered_wh = metered.allowed_export_wh - metered.delivered_wh
    return _line(
        metered,
        terms,
        shared_in_wh,
        shared_out_wh,
        max(0, needed_wh) + max(0, -spare_wh),
        max(0, spare_wh) + max(0, -needed_wh) + unmetered_wh,
    )


def difference(after: Line, before: Line) -> Line:
    """What an adjustment books: a line less the one that was booked."""
    return Line(*(new - old for new, old in zip(after, before, strict=True)))


def _line(
    metered: Metered, terms: Terms, shared_in_wh: int, shared_out_wh: int, grid_in_wh: int, grid_out_wh: int
) -> Line:
    prices = terms.prices
    if terms.price_uaud_per_kwh is None and metered.bought_wh + metered.sold_wh:
        raise ValueError(f"{metered.home[:80]} has a contract in a period that has no price")
    breach_wh = metered.breach_wh
    contract_naud = (metered.bought_wh - metered.sold_wh) * (terms.price_uaud_per_kwh or 0)
    shared_naud = (shared_in_wh - shared_out_wh) * terms.sharing_price
    grid_naud = grid_in_wh * prices.tou - grid_out_wh * prices.feed_in - breach_wh * min(0, prices.feed_in)
    fee_naud = (metered.due_in_wh + shared_in_wh) * prices.local_fee
    return Line(
        shared_in_wh,
        shared_out_wh,
        grid_in_wh,
        grid_out_wh,
        breach_wh,
        contract_naud,
        shared_naud,
        grid_naud,
        fee_naud,
        contract_naud + shared_naud + grid_naud + fee_naud + metered.outside.amount_naud,
    )
