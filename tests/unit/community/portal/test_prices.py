# SPDX-License-Identifier: Apache-2.0
"""Prices to come: bands, clearings, and what the mid-market lets one expect."""

from dataclasses import replace
from itertools import pairwise

from commonwatt_community.market.results import ClearedPrice
from commonwatt_community.portal.prices import outlook

from ....support.market_month import MarketMonth


async def test_bands_follow_each_other_and_a_clearing_is_told(eleventh: MarketMonth) -> None:
    standing = await eleventh.get_configuration()
    running = standing.now_s // 60
    cleared = ClearedPrice(running, 111_000, 10, 200_000, 50_000, 20_000)
    nothing = ClearedPrice(running + 60, None, 0, 250_000, 30_000, 20_000)
    spans = outlook(standing.configuration, standing.now_s, [cleared, nothing])
    assert [(one["band"], one["neighbours"], one["cleared"]) for one in spans] == [
        ("night", 111_000, True),
        ("day", 130_000, False),  # nothing traded at 7:00: the middle price stands for it
        ("peak", 300_000, False),
    ]
    assert [(one["to_s"] - one["from_s"]) // 3_600 for one in spans] == [1, 8, 3]
    assert all(one["to_s"] == two["from_s"] for one, two in pairwise(spans))


async def test_a_uniform_price_is_not_foreseen(eleventh: MarketMonth) -> None:
    standing = await eleventh.get_configuration()
    rules = (replace(standing.configuration.rules[0], pricing="uniform"),)
    spans = outlook(replace(standing.configuration, rules=rules), standing.now_s, ())
    assert {one["neighbours"] for one in spans} == {None}
