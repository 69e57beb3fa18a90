# SPDX-License-Identifier: Apache-2.0
"""The order among equals: a key made of the ids of the whole round, which nobody can choose or foresee.

The paper leaves ties open. Chaincode knows no order of arrival, and a client's timestamp can be set at will. The seed
rests on the ids that stand at the end: k homes in league that withdraw or stay last choose among up to 2^k orders. So
they win ties, never a trade against a better price.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Protocol, TypeVar


class Named(Protocol):
    """An order: a request or an offer."""

    @property
    def id(self) -> str: ...


Order = TypeVar("Order", bound=Named)

KEY_BYTES = 6


def round_seed(ids: Iterable[str]) -> str:
    """SHA-256 (hex) of the ids of the round's offers and bidding requests, sorted and joined by ``|``."""
    return sha256("|".join(sorted(ids)).encode()).hexdigest()


def tie_key(seed: str, order_id: str) -> int:
    """The first six bytes of SHA-256(seed | id); the lower key comes first."""
    return int.from_bytes(sha256(f"{seed}|{order_id}".encode()).digest()[:KEY_BYTES])


def ranked(orders: Sequence[Order], prices: Sequence[int], ids: Sequence[str]) -> list[Order]:
    """Orders from the lowest of their prices, equals by their tie keys, then ids; ``ids`` are the whole round's.

    Hashes are computed for equals alone: most orders have a price of their own.
    """
    pairs = list(zip(prices, orders, strict=True))
    count = Counter(prices)
    if len(count) == len(pairs):
        return [order for _, order in sorted(pairs, key=lambda pair: pair[0])]
    seed = round_seed(ids)
    keyed = [
        (price, tie_key(seed, order.id) if count[price] > 1 else 0, order.id, place)
        for place, (price, order) in enumerate(pairs)
    ]
    return [orders[place] for *_, place in sorted(keyed)]
