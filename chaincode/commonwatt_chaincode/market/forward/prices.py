# SPDX-License-Identifier: Apache-2.0
"""The prices that a period's contracts and shares stand between."""

from typing import NamedTuple


class Prices(NamedTuple):
    """The grid's price, the feed-in price (may be negative) and the fee on local energy, in µAUD per kWh."""

    tou: int
    feed_in: int
    local_fee: int = 0

    @property
    def ceiling(self) -> int:
        """What local energy may cost at most, so that with the fee it costs no more than the grid's."""
        return self.tou - self.local_fee

    @property
    def middle(self) -> int:
        """Halfway between the feed-in price and the ceiling."""
        return (self.ceiling + self.feed_in) // 2


def check_prices(prices: Prices, sharing_price: int | None = None) -> None:
    """ValueError unless local energy can cost the buyer less than the grid's and earn the seller more."""
    if prices.local_fee < 0:
        raise ValueError(f"local_fee: {prices.local_fee} is negative")
    if prices.feed_in > prices.ceiling:
        raise ValueError(
            f"local_fee: {prices.local_fee} is above tou - feed_in, {prices.tou - prices.feed_in}"
        )
    if sharing_price is not None and not prices.feed_in <= sharing_price <= prices.ceiling:
        raise ValueError(
            f"sharing_price: {sharing_price} is outside {prices.feed_in} (feed-in)"
            f" to {prices.ceiling} (tou - local_fee)"
        )
