# SPDX-License-Identifier: Apache-2.0
"""Processor time of the forward market's rules: clearing 10,000 bids, settling 10,000 homes."""

import random
import statistics
import time
from collections.abc import Callable

import pytest
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bids import Connection, Order
from commonwatt_chaincode.market.forward.clearing import PRICINGS, clear
from commonwatt_chaincode.market.forward.period_settlement import (
    PART_HOMES,
    FrozenPeriod,
    settle_homes,
    sums_of,
)
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.readings import MEASURED, Reading
from commonwatt_chaincode.market.forward.settlement import Terms, settle
from commonwatt_chaincode.market.forward.sharing import MODES

from ..support.large_channel import DAY, LargeChannel

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


def _frozen(draw: random.Random) -> FrozenPeriod:
    """10,000 homes, each with a reading, a third of them with an award."""
    homes = [f"home{number:05d}" for number in range(SIZE)]
    awards = {}
    for buyer, seller in zip(homes[::6], homes[1::6], strict=False):
        traded_wh = draw.randint(1, 900)
        awards[buyer], awards[seller] = (traded_wh, 0), (0, traded_wh)
    readings = {
        home: [Reading(home, "meter", MEASURED, 1, 1, draw.randint(0, 3_000), draw.randint(0, 2_000))]
        for home in homes
    }
    return FrozenPeriod(
        Period(PERIOD, 30),
        1,
        None,
        Terms(PRICES, 300_000),
        PERIOD * 60 - 300,
        ((0, 600),),
        1_500,
        dict.fromkeys(homes, Connection(24_000, 5_000, 0)),
        awards,
        readings,
    )


def test_settling_a_frozen_period() -> None:
    """Which reading counts, caps, contracts, shares and sums, by the functions that the transaction calls."""
    frozen = _frozen(random.Random(7))
    homes = list(frozen.connections)

    def whole() -> None:
        sums_of(settle_homes(frozen, homes, {}, {}, {}), 1)

    def part() -> None:
        sums_of(settle_homes(frozen, homes[:PART_HOMES], {}, {}, {}), 1)

    print(f"\nsettling a frozen period of 10,000 homes: {_median_ms(whole):.0f} ms (wanted: 300 ms at most)")
    print(f"one part of it, of {PART_HOMES} homes: {_median_ms(part):.0f} ms")


async def test_the_whole_transaction() -> None:
    """One part of 10,000 homes on a ledger in memory: registrations, index, private messages, lines, sums."""
    channel = LargeChannel(SIZE)
    homes = await channel.founded()
    [period] = channel.periods
    await channel.do("freeze_period", {"period": period})
    taken = []
    for part in range(3):
        start = time.process_time()
        answer = await channel.do("settle_period", {"period": period, "part": part})
        taken.append(time.process_time() - start)
        assert answer["measured"] == PART_HOMES
    print(
        f"\none settle_period of {PART_HOMES} of {homes} homes, the ledger in memory included:"
        f" {statistics.median(taken) * 1_000:.0f} ms; {homes // PART_HOMES} of them settle the period"
    )


async def test_a_days_bills() -> None:
    """A day of 200 homes and 48 half hours: its periods one by one, then all bills in one transaction."""
    channel = LargeChannel(PART_HOMES, 48)
    await channel.founded()
    taken = []
    for period in channel.periods:
        await channel.do("freeze_period", {"period": period})
        start = time.process_time()
        await channel.do("settle_period", {"period": period})
        taken.append(time.process_time() - start)
    stored = channel.ledger.get(keys.lines_key(channel.periods[0], 1, 0), "community") or b""
    start = time.process_time()
    billed = await channel.do("settle_day", {"day": DAY})
    billing_ms = (time.process_time() - start) * 1_000
    assert billed["homes"] == PART_HOMES
    print(
        f"\none settle_period of {PART_HOMES} homes of as many: {statistics.median(taken) * 1_000:.0f} ms,"
        f" {len(stored) / PART_HOMES:.0f} private bytes a home; settle_day of 48 such periods: {billing_ms:.0f} ms"
    )
