# SPDX-License-Identifier: Apache-2.0
"""`commonwatt community confirm`: the grid confirms what the operator proposed of homes that have a key."""

from collections.abc import Callable, Sequence

from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import Home

MOST_HOMES = 200
"""Homes that one transaction confirms."""

CONFIRMED = "nothing_proposed"
"""Another process confirmed it first."""

TAKEN = frozenset({CONFIRMED, "no_key", "unknown_home"})


async def ready(market: ForwardMarket, homes: Sequence[Home]) -> list[str]:
    """The homes of which something is proposed, and which have a key."""
    found = []
    for home in homes:
        if home.proposed is None and home.proposed_end is None:
            continue
        if home.versions or await has_key(market, home.home):
            found.append(home.home)
    return found


async def has_key(market: ForwardMarket, home: str, author: str = "home") -> bool:
    """Whether an author of a home has a key."""
    try:
        await market.get_keys(author, home)
    except Refused as refused:
        if refused.code != "no_key":
            raise
        return False
    return True


async def confirm(grid: ForwardMarket, homes: Sequence[str], say: Callable[[str], None]) -> None:
    """Confirm homes; they count from the first period whose window is not open.

    Raises:
        Refused: the identity is not the grid's.
    """
    for start in range(0, len(homes), MOST_HOMES):
        some = homes[start : start + MOST_HOMES]
        try:
            confirmed = await grid.confirm_homes(some)
        except Refused as refused:
            if refused.code not in TAKEN:
                raise
            # One of them was confirmed meanwhile, or has no key: the others do not wait for it.
            for home in some:
                await _confirm_one(grid, home, say)
        else:
            say(f"confirmed {len(some)} homes: they take part from period {confirmed.from_period} on")


async def _confirm_one(grid: ForwardMarket, home: str, say: Callable[[str], None]) -> None:
    try:
        confirmed = await grid.confirm_homes([home])
    except Refused as refused:
        if refused.code not in TAKEN:
            raise
        if refused.code != CONFIRMED:
            say(f"home {home} waits: {refused.sentence}")
    else:
        say(f"confirmed home {home}: it takes part from period {confirmed.from_period} on")
