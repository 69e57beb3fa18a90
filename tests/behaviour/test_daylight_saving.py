# SPDX-License-Identifier: Apache-2.0
"""Bills of a running network over daylight saving: each metered hour is in exactly one, whenever a day is settled."""

from __future__ import annotations

from typing import Any

import pytest
from commonwatt_audit.audit import Audit
from commonwatt_audit.source import blocks_of_network

from .attackers import DAY, HOUR, Members


def midnight(day: int, offset_min: int) -> int:
    return day * DAY - offset_min * 60


@pytest.mark.long
@pytest.mark.parametrize(
    ("user", "before", "after", "change_s", "bills_wh"),
    [
        ("home004", 660, 600, 3 * HOUR, [2_400, 2_500, 2_400]),
        ("home005", 600, 660, 2 * HOUR, [2_400, 2_300, 2_400]),
    ],
    ids=["an hour more", "an hour less"],
)
async def test_each_hour_is_in_one_bill(
    network: Any, user: str, before: int, after: int, change_s: int, bills_wh: list[int]
) -> None:
    """A home uses 100 Wh in every hour of the days before, of, and after the change of the offset.

    The first version lost the hour before 1 o'clock where the day had 25, and took one from the day before, which had
    been billed, where it had 23.
    """
    async with Members(network.nodes, "newtown") as market:
        now = (await market.ask("operator", "get_parameters"))["market_time"]
        day = max(now // DAY + 10, 20_000)  # on which the offset changes
        await market.do("operator", "advance_clock", at=midnight(day - 2, before))
        await market.do("operator", "configure", parameters={"utc_offset_min": before})
        change = midnight(day, before) + change_s
        await market.do("operator", "configure", parameters={"utc_offset_min": after}, starts_at=change)
        await market.register({user: "consumer"})

        async def use(start: int, end: int) -> None:
            for hour in range(start, end, HOUR):
                await market.settle(user, hour, hour + HOUR, use_wh=100, bid=False)

        async def settled(local_day: int) -> tuple[int, int]:
            done = await market.do("operator", "settle_day", day=local_day, home=market.home(user))
            bill = done["bills"][0]
            assert bill["unmetered_s"] == 0
            assert bill["need_wh"] == bill["bought_grid_wh"]
            return done["changed"], bill["bought_grid_wh"]

        begin, noted, end = midnight(day - 1, before), midnight(day, before), midnight(day + 2, after)
        await market.do("operator", "advance_clock", at=noted + HOUR // 2)
        await use(begin, noted)
        assert await settled(day - 1) == (1, bills_wh[0])
        await market.do("operator", "advance_clock", at=end)
        await use(noted, end)
        assert [(await settled(day + n))[1] for n in (0, 1)] == bills_wh[1:]
        assert sum(bills_wh) == (end - begin) // HOUR * 100
        assert await settled(day - 1) == (0, bills_wh[0])  # nothing was corrected
    audit = Audit()
    async for block in blocks_of_network(network.path, "newtown", "newtown", "operator"):
        audit.check(block)
