# SPDX-License-Identifier: Apache-2.0
"""How long clearing takes: 20,000 offers against one request, 2,000 requests against 2,000 offers."""

import random
import time
from collections.abc import Callable

from commonwatt_chaincode.market.clearing import clear
from commonwatt_chaincode.market.orders import Offer, Request

TOU = 541_100


def _orders(requests: int, offers: int) -> tuple[list[Request], list[Offer]]:
    draw = random.Random(7)
    return (
        [
            Request(
                f"00000001-R-home{n:05d}", f"home{n:05d}", draw.randint(1, 2_000), draw.randint(100_000, TOU)
            )
            for n in range(requests)
        ],
        [
            Offer(
                f"00000001-O-home{n:05d}", f"home{n:05d}", draw.randint(1, 5_000), draw.randint(100_000, TOU)
            )
            for n in range(offers)
        ],
    )


def _best_ms(work: Callable[[], object], times: int = 5) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best * 1_000


def test_figures() -> None:
    _, offers = _orders(0, 20_000)
    one = [Request("00000001-R-buyer", "buyer", 50_000, TOU)]
    print(
        f"\n20,000 offers, 1 request: {_best_ms(lambda: clear(one, offers, TOU)):.0f} ms (wanted: 60 ms at most)"
    )
    requests, offers = _orders(2_000, 2_000)
    elapsed = _best_ms(lambda: clear(requests, offers, TOU), times=3)
    print(f"2,000 offers, 2,000 requests: {elapsed:.0f} ms (wanted: 1000 ms at most)")
