# SPDX-License-Identifier: Apache-2.0
"""What a clearing leaves over for other communities, gathered a second time: rests in levels of several homes."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from commonwatt_audit.world import Json

from .clearing import Clearing, Order

FEWEST_HOMES, MOST_LEVELS = 3, 20


def pools_of(requests: Sequence[Order], offers: Sequence[Order], found: Clearing) -> Json:
    """The rests behind the levels, as the ledger holds them in private: the best level for the other side first."""
    return {
        "requests": _gathered(requests, found.bought, -1),
        "offers": _gathered(offers, found.sold, 1),
    }


def residual_of(channel: str, pools: Json) -> Json:
    """The levels that other communities see."""
    levels = {
        side: [
            {
                "price_uaud_per_kwh": pool["price_uaud_per_kwh"],
                "energy_wh": sum(order["energy_wh"] for order in pool["orders"]),
            }
            for pool in pools[side]
        ]
        for side in ("requests", "offers")
    }
    return {"community": channel, **levels}


def _gathered(orders: Sequence[Order], got: Mapping[str, int], direction: int) -> list[Json]:
    """Homes from the best price on, those of one price together; a level ends once it holds enough of them."""
    open_orders = [one for one in orders if one.energy_wh > got[one.id]]
    enough = max(FEWEST_HOMES, -(-len(open_orders) // MOST_LEVELS))
    open_orders.sort(key=lambda one: (direction * one.price, one.id))
    pools: list[Json] = []
    level: list[Json] = []
    for rank, group in groupby(open_orders, key=lambda one: direction * one.price):
        price = direction * rank
        level += (
            {
                "id": one.id,
                "home": one.home,
                "energy_wh": one.energy_wh - got[one.id],
                "price_uaud_per_kwh": price,
            }
            for one in group
        )
        if len(level) >= enough:
            pools.append({"price_uaud_per_kwh": price, "orders": level})
            level = []
    return pools
