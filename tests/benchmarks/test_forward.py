# SPDX-License-Identifier: Apache-2.0
"""Processor time of the forward market's rules: clearing 10,000 bids, settling 10,000 homes."""

import random
import statistics
import time
from collections.abc import Callable

import pytest
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bids import Order
from commonwatt_chaincode.market.forward.clearing import PRICINGS, clear
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.settlement import Terms, settle
from commonwatt_chaincode.market.forward.sharing import MODES

PRICES = Prices(tou=541_100, feed_in=100_000, local_fee=20_000)
SIZE = 10_000
PERIOD = 29_853_360


def _orders(side: str, count: int, draw: random.Random) -> list[Order]:
    homes = (f"home-{side}{number:05d}" for number in range(count))
    return [
        Order(
            f"{PERIOD}-{side}-{home}",
            home,
            draw.randint(1, 6_000),
            draw.randint(PRICES.feed_in, PRICES.ceiling),
        )
        for home in homes
    ]


def _homes(draw: random.Random) -> list[Metered]:
    homes = []
    for number in range(SIZE):
        bought_wh = draw.randint(0, 2_000) if number % 2 else 0
        sold_wh = 0 if number % 2 else homes[-1].bought_wh if homes else 0
        homes.append(
            Metered(
                f"home{number:05d}",
                bought_wh,
                sold_wh,
                draw.randint(0, 3_000),
                draw.randint(0, 3_000),
                draw.choice([None, 1_500]),
                100,
            )
        )
    homes[-1] = homes[-1]._replace(bought_wh=0)
    return homes


def _median_ms(work: Callable[[], object], times: int = 7) -> float:
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken) * 1_000


@pytest.mark.parametrize("pricing", PRICINGS)
def test_clearing(pricing: str) -> None:
    draw = random.Random(7)
    requests, offers = _orders("R", SIZE // 2, draw), _orders("O", SIZE // 2, draw)
    taken_ms = _median_ms(lambda: clear(requests, offers, PRICES, pricing))
    print(f"\nclearing 10,000 bids, {pricing}: {taken_ms:.0f} ms (wanted: 150 ms at most)")


@pytest.mark.parametrize("mode", MODES)
def test_settling(mode: str) -> None:
    homes = _homes(random.Random(7))
    terms = Terms(PRICES, 300_000, mode)
    taken_ms = _median_ms(lambda: settle(homes, terms))
    print(f"\nsettling 10,000 homes, sharing {mode}: {taken_ms:.0f} ms (wanted: 300 ms at most)")
