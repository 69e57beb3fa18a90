# SPDX-License-Identifier: Apache-2.0
"""What a community's trades on the exchange come to for its homes: energy by merit, money as the level paid it."""

from collections.abc import Iterable

from ..forward.award import best_first, by_price, proportion
from ..forward.outside import Outside
from ..forward.sharing import keys_of
from ..ties import round_seed
from .clearing import Trade
from .residual import Pool, Pools


def awards_of(community: str, pools: Pools, trades: Iterable[Trade]) -> dict[str, Outside]:
    """Divide a community's trades among the homes of its pools; only homes that get something have an entry.

    Within a level the best bids come first, equally at the margin. All its homes pay the level's mean price, the one
    with a µAUD more for a part of their Wh, so that money sums exactly. The links' fees within it are divided in the
    same way.
    ValueError for trades that the pools did not offer.
    """
    trades = tuple(trades)
    bought = _levels_of(
        (one.limit_uaud_per_kwh, (one.energy_wh, one.buyer_naud, one.fee_naud))
        for one in trades
        if one.buyer == community
    )
    sold = _levels_of(
        (one.offered_uaud_per_kwh, (one.energy_wh, one.seller_naud, 0))
        for one in trades
        if one.seller == community
    )
    seed = round_seed(order.id for side in pools for pool in side for order in pool.orders)
    awards: dict[str, Outside] = {}
    for home, (energy_wh, paid_naud, fee_naud) in _divided(pools.requests, bought, True, seed):
        awards[home] = Outside(energy_wh, 0, paid_naud, fee_naud)
    for home, (energy_wh, earned_naud, _) in _divided(pools.offers, sold, False, seed):
        if home in awards:
            raise ValueError(f"{home[:80]} has a request and an offer")
        awards[home] = Outside(0, energy_wh, -earned_naud)
    return dict(sorted(awards.items()))


Sums = tuple[int, int, int]
"""Energy, money, and the links' fees within the money."""


def _levels_of(trades: Iterable[tuple[int, Sums]]) -> dict[int, Sums]:
    """What was traded by the level's price."""
    sums: dict[int, Sums] = {}
    for level, (energy_wh, amount_naud, fee_naud) in trades:
        before_wh, before_naud, before_fee_naud = sums.get(level, (0, 0, 0))
        sums[level] = (before_wh + energy_wh, before_naud + amount_naud, before_fee_naud + fee_naud)
    return sums


def _divided(
    pools: Iterable[Pool], traded: dict[int, Sums], dearest_first: bool, seed: str
) -> Iterable[tuple[str, Sums]]:
    levels = {pool.price_uaud_per_kwh: pool for pool in pools}
    if strange := traded.keys() - levels.keys():
        raise ValueError(f"nothing was offered at {min(strange)}")
    for price, (energy_wh, amount_naud, fee_naud) in traded.items():
        orders = levels[price].orders
        if energy_wh > sum(one.energy_wh for one in orders):
            raise ValueError(f"{energy_wh} Wh at {price} are more than was offered")
        awarded = best_first(by_price(orders, dearest_first), energy_wh, seed)
        homes_wh = [(one.home, awarded[one.id]) for one in orders if awarded.get(one.id)]
        amounts_naud = _per_wh(homes_wh, energy_wh, amount_naud, seed)
        fees_naud = _per_wh(homes_wh, energy_wh, fee_naud, seed)
        for home, home_wh in homes_wh:
            yield home, (home_wh, amounts_naud[home], fees_naud[home])


def _per_wh(homes_wh: list[tuple[str, int]], energy_wh: int, amount_naud: int, seed: str) -> dict[str, int]:
    """Divide money by Wh: the mean, floored, and a nAUD more for so many Wh that it sums."""
    mean, more_naud = divmod(amount_naud, energy_wh)
    key = keys_of(seed)
    dearer = proportion(homes_wh, more_naud, key)
    return {home: mean * home_wh + dearer.of(home, home_wh, key) for home, home_wh in homes_wh}
