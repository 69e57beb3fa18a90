# SPDX-License-Identifier: Apache-2.0
"""Processor time of whole transactions for 10,000 homes, beside the rules alone: clearing, settling, billing."""

import os
import statistics
import time
from collections.abc import Awaitable, Callable

from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.period_settlement import PART_HOMES
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.settlement import Terms, settle

from ..support.large_channel import DAY, FEED_IN, TOU, LargeChannel

HOMES = 10_000


async def _ms(work: Callable[[], Awaitable[object]]) -> float:
    begun = time.process_time()
    await work()
    return 1_000 * (time.process_time() - begun)


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


async def test_clearing_and_settling_10000_homes() -> None:
    channel = LargeChannel(HOMES)
    await channel.founded()
    [period] = channel.periods
    await channel.bid(period)
    before_s = period * 60 - 100

    async def clear() -> None:
        assert (await channel.endorse("clear_period", {"period": period}, before_s)).status == 200

    first_ms, again_ms = await _ms(clear), [await _ms(clear) for _ in range(3)]
    print(
        f"\nclear_period of {HOMES:,} bids, endorsed by one peer: {first_ms:.0f} ms,"
        f" {statistics.median(again_ms):.0f} ms with the messages read before ({_load()})"
    )
    await channel.do("clear_period", {"period": period}, before_s)
    await channel.do("freeze_period", {"period": period})
    taken = []
    for part in range(HOMES // PART_HOMES):

        async def settle_part(part: int = part) -> None:
            done = await channel.endorse("settle_period", {"period": period, "part": part})
            channel.ledger.commit(done)

        taken.append(await _ms(settle_part))
    assert channel.ledger.get(keys.settled_key(period)) is not None
    plan = channel.ledger.get(keys.plan_key(period, 1), "community") or b""
    print(
        f"settle_period of {HOMES:,} homes, the ledger in memory included: {sum(taken):.0f} ms in {len(taken)}"
        f" transactions: the first one, with the plan, {taken[0]:.0f} ms,"
        f" the others {statistics.median(taken[1:]):.0f} ms each; the plan has {len(plan)} private bytes ({_load()})"
    )
    homes = [Metered(home, 0, 0, *read_wh) for home, read_wh in channel.read_wh[period].items()]
    terms = Terms(Prices(TOU, FEED_IN, 0))

    async def rules() -> None:
        settle(homes, terms)

    print(f"the rules alone: {statistics.median([await _ms(rules) for _ in range(5)]):.0f} ms ({_load()})")


async def test_a_days_bills_of_a_part_of_1000_homes() -> None:
    """A part's bill reads its own homes' lines: how many others there are hardly matters."""
    channel = LargeChannel(1_000, 48)
    await channel.founded()
    parts = range(channel.size // PART_HOMES)
    for period in channel.periods:
        await channel.do("freeze_period", {"period": period})
        for part in parts:
            await channel.do("settle_period", {"period": period, "part": part})
    taken = []
    for part in parts:

        async def bill(part: int = part) -> None:
            await channel.do("settle_day", {"day": DAY, "part": part})

        taken.append(await _ms(bill))
    print(
        f"\nsettle_day of {PART_HOMES} of {channel.size:,} homes and 48 periods: {statistics.median(taken):.0f} ms"
        f" ({_load()})"
    )
