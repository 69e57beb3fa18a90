# SPDX-License-Identifier: Apache-2.0
"""Random rounds: few homes and prices, so that ties, self-owned offers and partial fills are frequent."""

from commonwatt_chaincode.market.orders import Offer, Request
from hypothesis import strategies as st

FEED_IN = 100
TOU = 130
HOMES = tuple(f"h{number}" for number in range(5))
PRICES = st.integers(FEED_IN, TOU)
ENERGY = st.integers(1, 40)


@st.composite
def requests(draw: st.DrawFn, most: int = 6, distinct_limits: bool = False) -> list[Request]:
    """Requests of a round, some without bidding; the same home may stand in several."""
    count = draw(st.integers(0, most))
    limits = draw(st.lists(PRICES, min_size=count, max_size=count, unique=distinct_limits))
    return [
        Request(f"R{place}", draw(st.sampled_from(HOMES)), draw(ENERGY), limit, draw(st.integers(0, 9)) > 0)
        for place, limit in enumerate(limits)
    ]


@st.composite
def offers(
    draw: st.DrawFn, most: int = 6, distinct_prices: bool = False, homes: tuple[str, ...] = HOMES
) -> list[Offer]:
    """Offers of a round."""
    count = draw(st.integers(0, most))
    prices = draw(st.lists(PRICES, min_size=count, max_size=count, unique=distinct_prices))
    return [
        Offer(f"O{place}", draw(st.sampled_from(homes)), draw(ENERGY), price)
        for place, price in enumerate(prices)
    ]
